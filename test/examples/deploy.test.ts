import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../src/server/config.ts';
import { METRICS } from '../../src/server/metric-families.ts';
import { serve } from '../server/clients.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const unit = read('examples/deploy/streamnorm.service');

/** Values of a setting of the unit. */
const settings = (name: string) => Array.from(unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm')), ([, value]) => value!);

test('the unit starts what the package installs, with options that it has, and reloads it by SIGHUP', () => {
  const [start] = settings('ExecStart');
  expect(start).toMatch(/^\/usr\/bin\/streamnorm serve --config \S+ --state \S+$/);
  const help = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'src/cli/main.ts'), 'serve', '--help'], {
    encoding: 'utf8',
  }).stdout;
  for (const flag of start!.match(/--\w+/g)!) expect(help).toContain(flag);
  expect(settings('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID']);
  // codes that a second try does not mend
  expect(settings('RestartPreventExitStatus')).toEqual(['2 66 78']);
});

const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;

test('systemd finds nothing wrong with the unit (systemd-analyze verify) and little exposed', ({ skip }) => {
  if (!analyze) skip('systemd-analyze is missing');
  const dir = mkdtempSync(join(tmpdir(), 'streamnorm-unit-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'streamnorm.service');
  // the command is not installed here
  writeFileSync(file, unit.replace('/usr/bin/streamnorm', process.execPath));
  const run = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  const verified = run('verify', '--man=no', '--recursive-errors=no', file);
  expect([verified.status, verified.stderr + verified.stdout]).toEqual([0, '']);
  const exposed = run('security', '--no-pager', '--offline=yes', '--threshold=20', file);
  expect(exposed.status, exposed.stdout.split('\n').at(-2)).toBe(0);
});

interface Instruction {
  name: string;
  rest: string;
}

/** Instructions of a Containerfile, lines that go on joined. */
const instructions: Instruction[] = read('examples/deploy/Containerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line)!;
    return { name: name!, rest: rest! };
  });

test('the Containerfile builds in a stage of its own, runs as nobody special, in exec form, and says how it is', () => {
  const known = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'USER', 'ENV', 'VOLUME', 'EXPOSE', 'STOPSIGNAL', 'HEALTHCHECK'];
  for (const { name } of instructions) expect([...known, 'ENTRYPOINT', 'CMD']).toContain(name);
  const stages = instructions.filter(({ name }) => name === 'FROM');
  expect(stages).toHaveLength(2);
  const last = instructions.slice(instructions.indexOf(stages[1]!));
  const only = (name: string) => last.filter((each) => each.name === name).map(({ rest }) => rest);
  expect(only('USER')).toEqual(['node']);
  expect(JSON.parse(only('ENTRYPOINT')[0]!)).toEqual(['streamnorm', 'serve']);
  expect(JSON.parse(only('CMD')[0]!)).toContain('/etc/streamnorm/config.json');
  for (const { rest } of instructions.filter(({ name }) => name === 'COPY')) {
    for (const file of rest.split(' ').slice(0, -1)) expect(existsSync(join(root, file)), file).toBe(true);
  }
});

test('the health check of the container is 0 for a server that is ready, and 1 where there is none', async () => {
  const { rest } = instructions.find(({ name }) => name === 'HEALTHCHECK')!;
  const [node, flag, code] = JSON.parse(rest.slice(rest.indexOf('['))) as string[];
  expect([node, flag]).toEqual(['node', '-e']);
  const server = await serve({ channels: { c: { features: ['x'] } } });
  const check = (port: number) =>
    new Promise((resolve) => {
      spawn(process.execPath, [flag!, code!], { env: { ...process.env, PORT: String(port) } }).on('exit', resolve);
    });
  expect(await check(server.port)).toBe(0);
  await server.close();
  expect(await check(server.port)).toBe(1);
});

test('the config is one that the server takes', () => {
  const config = parseConfig(JSON.parse(read('examples/deploy/config.json')));
  expect(config.channels.has('btc')).toBe(true);
  expect(config.auth?.tokens).toHaveLength(3);
});

test('every metric that docs/operations.md alerts on exists', () => {
  const names = read('docs/operations.md').match(/(?<=streamnorm_)[a-z_]+/g)!;
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) {
    expect(Object.keys(METRICS), name).toContain(name.replace(/_bucket$/, ''));
  }
});
