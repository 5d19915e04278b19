import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from './run-cli.ts';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'streamnorm-pipe-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

const csv = (input: string, ...flags: string[]) => runCli(['pipe', '--format', 'csv', '--eps', '0', ...flags], input);

describe('windows', () => {
  test('--every: batches overlap', async () => {
    const { stdout } = await csv('x\n1\n3\n5\n11\n', '--size', '4', '--every', '2');
    expect(stdout).toBe('x\n-1\n1\n0\n1.6035674514745464\n');
  });

  test('--lateness: batches follow --time; the output keeps the order of the input', async () => {
    const input = 't,x\n1,1\n12,12\n4,4\n27,27\n3,3\n41,41\n';
    const { code, stdout, stderr } = await csv(input, '--time', 't', '--within', '10', '--lateness', '5');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 't,x\n1,-1\n12,0\n4,1\n27,0\n3,\n41,0\n' });
    expect(stderr).toContain('line 6: kept out of the statistics: late\n');
    expect(stderr).toContain('6 rows; 1 row kept out of the statistics (1 late)');
  });

  test('--gap with --time: a batch ends with a silence', async () => {
    const { stdout } = await csv('t,x\n0,1\n5,3\n30,5\n31,9\n', '--time', 't', '--gap', '10', '--lateness', '0');
    expect(stdout).toBe('t,x\n0,-1\n5,1\n30,-1\n31,1\n');
  });

  test('--key: each key has windows of its own, and the order of the input stays', async () => {
    const input = 'k,t,x\na,0,1\nb,0,5\na,9,3\nb,20,7\na,20,4\n';
    const { stdout } = await csv(input, '--key', 'k', '--time', 't', '--within', '10', '--lateness', '0');
    expect(stdout).toBe('k,t,x\na,0,-1\nb,0,0\na,9,1\nb,20,0\na,20,0\n');
  });

  test('--lateness without --time is refused', async () => {
    expect(await csv('x\n1\n', '--gap', '5', '--lateness', '1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--lateness requires --time'),
    });
  });
});

describe('bad rows', () => {
  const input = 'x,y\n1,1\n3,2\n,3\ninf,4\n1000,5\nz,6\n5,7\n';
  const flags = ['--features', 'x', '--method', 'cumulative', '--range', 'x=0..100'];

  test('--quarantine flag: they come out without values, with a reason on standard error', async () => {
    const { stdout, stderr } = await csv(input, ...flags, '--quarantine', 'flag');
    expect(stdout).toBe('x,y\n,1\n,2\n,3\n,4\n,5\n3,7\n');
    for (const said of [
      'line 4: kept out of the statistics: missing',
      'line 5: kept',
      'line 6: kept',
      "line 7: x is 'z'",
    ])
      expect(stderr).toContain(said);
    expect(stderr).toContain('3 rows kept out of the statistics (1 missing, 1 overflow, 1 range)');
  });

  test('--quarantine drop and --rejects: they are left out, and every line is in one of the two files', async () => {
    const dir = folder();
    const [rejects, stats] = [join(dir, 'rejects.csv'), join(dir, 'stats.json')];
    const { stdout } = await csv(input, ...flags, '--quarantine', 'drop', '--rejects', rejects, '--stats', stats);
    expect(stdout).toBe('x,y\n,1\n,2\n3,7\n');
    const lines = readFileSync(rejects, 'utf8').split('\n');
    expect(lines[0]).toBe('x,y');
    expect(lines.slice(1).filter(Boolean).toSorted()).toEqual([',3', '1000,5', 'inf,4', 'z,6']);
    expect(JSON.parse(readFileSync(stats, 'utf8'))).toMatchObject({
      rows: 6,
      badLines: 1,
      keptOut: 3,
      reasons: { missing: 1, overflow: 1, range: 1 },
    });
  });

  test('NDJSON that cannot be read is in --rejects as it came, the last line with its line break', async () => {
    const rejects = join(folder(), 'rejects');
    const lines = ['{"x":1}', '{"x":', '{"x":"2"}', '{"x":null}', '{"x":3}', 'no'];
    const { stdout } = await runCli(
      ['pipe', '--method', 'cumulative', '--missing', 'dropRow', '--rejects', rejects],
      lines.join('\n'),
    );
    expect(stdout).toBe('{"x":null}\n{"x":null}\n');
    expect(readFileSync(rejects, 'utf8').split('\n').toSorted()).toEqual(
      ['', '{"x":', '{"x":"2"}', '{"x":null}', 'no'].toSorted(),
    );
  });

  test('--missing error ends the run with 65 and the line; the rows before it are whole', async () => {
    const { code, stdout, stderr } = await csv('x\n1\n\n', '--missing', 'error', '--method', 'cumulative');
    expect({ code, stdout }).toEqual({ code: 65, stdout: 'x\n\n' });
    expect(stderr).toBe("streamnorm pipe: line 3: no value of x (missing: 'error')\n");
  });

  test('a file for --rejects that cannot be written ends with 69 before anything is read', async () => {
    const { code, stdout } = await csv(input, '--rejects', '/nowhere/at/all');
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
  });

  test('--prior normalises until there are statistics', async () => {
    const { stdout } = await csv('x\n12\n8\n', '--method', 'cumulative', '--until-ready', 'prior', '--prior', '10:2');
    expect(stdout).toBe('x\n1\n-1\n');
  });

  test.each([
    [['--range', 'a=1'], /min\.\.max, min\.\. or \.\.max/],
    [['--quarantine', 'flag', '--range', 'a=5..1'], /range of a to be \[min, max\] with min <= max/],
    [['--quarantine', 'hide'], /quarantine to be one of flag, drop/],
    [['--prior', '1,2'], /mean:std for each feature/],
    [['--range', '0..1'], /takes range only with quarantine/],
  ])('%j is refused', async (given, message) => {
    const { code, stderr } = await csv('x\n1\n', ...given);
    expect([code, stderr.replaceAll('\n', ' ')]).toEqual([2, expect.stringMatching(message)]);
  });
});
