import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ended, shell, spawnCli } from './run-cli.ts';

const recording = fileURLToPath(new URL('../../data/suthaharan-multi-hop.csv', import.meta.url));

test('pipe of the sensor recording gives what PyTorch gives', async () => {
  const golden = JSON.parse(readFileSync(new URL('../golden/sensors.json', import.meta.url), 'utf8'));
  const { code, stdout, stderr } = await shell(
    `streamnorm pipe --format csv --features humidity,temperature --size 64 < '${recording}'`,
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const rows = stdout.trimEnd().split('\n');
  const source = readFileSync(recording, 'utf8').trimEnd().split('\n');
  expect(rows).toHaveLength(source.length);
  expect(rows[0]).toBe(source[0]);
  // every other column as it was
  const others = (line: string) =>
    line
      .split(',')
      .filter((_, column) => column !== 3 && column !== 4)
      .join();
  expect(rows.map(others)).toEqual(source.map(others));

  const z = rows.slice(1).map((line) => line.split(',').slice(3, 5).map(Number));
  const near = (actual: number[], expected: number[]) =>
    actual.every((value, j) => Math.abs(value - expected[j]) <= 1e-11);
  const { every, outputs } = golden.sampledRows;
  for (const [i, row] of outputs.entries()) expect(near(z[i * every], row), `row ${i * every}`).toBe(true);
  for (const { index, outputs: batch } of golden.batches) {
    for (const [i, row] of batch.entries()) expect(near(z[index * 64 + i], row), `batch ${index}`).toBe(true);
  }
});

describe('as a process', () => {
  test('a reader that goes away ends it quietly with 0', async () => {
    const { code, stdout, stderr } = await shell(
      `{ echo x; yes 1; } | head -n 3000000 | streamnorm pipe --format csv | head -n 2; echo "\${PIPESTATUS[2]}" >&2`,
    );
    expect(stdout).toBe('x\n0\n');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '0\n' });
  });

  test('help may be cut short', async () => {
    const { code, stderr } = await shell(`streamnorm pipe --help | true; echo "\${PIPESTATUS[0]}" >&2`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '0\n' });
  });

  test('standard output that is full ends it with 69 and one line', async () => {
    const { code, stderr } = await shell(
      `{ echo x; yes 1 | head -n 100000; } | streamnorm pipe --format csv > /dev/full`,
    );
    expect(code).toBe(69);
    expect(stderr).toBe('streamnorm pipe: standard output cannot be written: ENOSPC: no space left on device, write\n');
  });

  test('a folder as standard input ends it with 66', async () => {
    const { code, stderr } = await shell('streamnorm pipe < /');
    expect(code).toBe(66);
    expect(stderr).toBe('streamnorm pipe: standard input is a directory\n');
  });

  test('a failure prints its stack only with STREAMNORM_DEBUG=1', async () => {
    const run = (env: NodeJS.ProcessEnv) => {
      const child = spawnCli(['pipe', '--alpha', '2'], env);
      child.stdin?.end();
      return ended(child);
    };
    expect((await run({})).stderr).toMatch(/^streamnorm pipe: .*alpha in \(0, 1\], got 2\n$/);
    expect((await run({ STREAMNORM_DEBUG: '1' })).stderr).toMatch(/\n +at /);
  });

  test('rows of a live feed leave while the feed goes on', async () => {
    const child = spawnCli(['pipe', '--method', 'cumulative', '--eps', '0']);
    child.stdin?.write('1\n2\n3\n');
    const [chunk] = await once(child.stdout!, 'data');
    expect(String(chunk)).toBe('null\nnull\n3\n');
    child.stdin?.end('4\n');
    expect(await ended(child)).toMatchObject({ code: 0 });
  });

  test('--within closes a batch of a live feed', async () => {
    const child = spawnCli(['pipe', '--within', '50ms', '--eps', '0']);
    child.stdin?.write('1\n3\n');
    const [chunk] = await once(child.stdout!, 'data');
    expect(String(chunk)).toBe('-1\n1\n');
    child.kill();
    await once(child, 'close');
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s ends the input: open batches and the state are written, the exit code is %i',
    async (signal, code) => {
      const folder = mkdtempSync(join(tmpdir(), 'streamnorm-signal-'));
      const state = join(folder, 'state.json');
      const child = spawnCli(['pipe', '--size', '2', '--eps', '0', '--state', state]);
      child.stdin?.write('1\n3\n5\n');
      const [chunk] = await once(child.stdout!, 'data');
      child.kill(signal);
      const { stdout, ...end } = await ended(child);
      expect(String(chunk) + stdout).toBe('-1\n1\n0\n');
      expect(end).toEqual({ code, stderr: '' });
      expect(JSON.parse(readFileSync(state, 'utf8'))).toMatchObject({ batches: 2, samples: 3 });
      rmSync(folder, { recursive: true });
    },
  );

  test('500,000 rows take no more memory than 50,000, also while rows wait for others', async () => {
    const peak = async (rows: number) => {
      const script = `awk 'BEGIN { print "k,x,y"; for (i = 0; i < ${rows}; i++) print i % 7 "," i % 1000 "," i * 0.37 }'`;
      const report = 'process.on("exit", () => console.error(process.resourceUsage().maxRSS))';
      const { stdout, stderr } = await shell(
        `${script} | NODE_OPTIONS='--import data:text/javascript,${encodeURIComponent(report)}' streamnorm pipe --format csv --key k --size 1000 | wc -l`,
      );
      expect(Number(stdout)).toBe(rows + 1);
      return Number(stderr.trim().split('\n').at(-1)) / 1024;
    };
    const [small, large] = [await peak(50_000), await peak(500_000)];
    expect(large).toBeLessThan(small + 60);
  });
});
