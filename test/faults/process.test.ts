import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished } from 'vitest';
import type { BatchNormState } from '../../src/core/batch-norm.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import type { Checkpoint } from '../../src/server/checkpoint.ts';
import type { ServerConfigInput } from '../../src/server/index.ts';
import { ended, runCli } from '../cli/run-cli.ts';
import { Client, getJson, outUrl, produce, push, rowsOf, serve, subscribe } from '../server/clients.ts';
import { type ServerProcess, startProcess } from '../server/server-process.ts';
import { stateDir } from '../server/state-dir.ts';
import { builtDist } from '../support/built-dist.ts';
import { fault } from './fault.ts';

const features = ['a', 'b'];
const DISTURBED = ['--import', new URL('../support/disturbed-clock.mjs', import.meta.url).href];
const SIZE = 16;
const channels: ServerConfigInput['channels'] = { c: { features, size: SIZE } };

interface About {
  epoch: string;
  seq: number;
  pending: number;
  state: BatchNormState;
}

const about = (server: Pick<ServerProcess, 'url'>) => getJson(server, '/channels/c') as Promise<About>;
const health = (server: Pick<ServerProcess, 'url'>) =>
  getJson(server, '/healthz') as Promise<{ status: string; reason?: string }>;
const checkpointIn = (dir: string) => JSON.parse(readFileSync(join(dir, 'c.json'), 'utf8')) as Checkpoint;

/** The model after whole windows of rows. */
function offline(rows: readonly number[][]): BatchNormState {
  const model = new BatchNorm({ features });
  for (let at = 0; at + SIZE <= rows.length; at += SIZE) model.learn(rows.slice(at, at + SIZE));
  return model.state();
}

/** `streamnorm serve` as it is installed. */
function command(...args: string[]) {
  const child = spawn(process.execPath, [join(builtDist(), 'cli/main.js'), 'serve', ...args]);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** Entries of its log until one of an event comes. */
async function entriesUntil(child: ReturnType<typeof command>, event: string) {
  const entries: Record<string, unknown>[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    entries.push(JSON.parse(line));
    if (entries.at(-1)!.event === event) break;
  }
  return entries;
}

function configFile(config: unknown): string {
  const file = join(stateDir(), 'config.json');
  writeFileSync(file, JSON.stringify(config));
  return file;
}

fault('sigterm-under-load', async ({ seen }) => {
  const dir = stateDir();
  const first = await startProcess({ state: { dir, every: 50 }, channels });
  const subscribers = await Promise.all(Array.from({ length: 20 }, () => subscribe(first, 'c')));
  const producers = await Promise.all(['p', 'q', 'r'].map(() => produce(first, 'c')));
  const accepted = [0, 0, 0];
  const pushing = producers.map(async (producer, i) => {
    for (let seq = 1; ; seq++) {
      producer.send({ type: 'push', producer: `p${i}`, seq, x: rowsOf(5, 2, seq) });
      const said = await Promise.race([producer.next(), producer.closed]);
      if (!('type' in said) || said.type !== 'accepted') return;
      accepted[i]! += 5;
    }
  });
  while (accepted.some((count) => count < 300)) await getJson(first, '/healthz');
  const start = performance.now();
  expect(await first.end('SIGTERM')).toBe(0);
  const tookMs = performance.now() - start;
  expect(tookMs).toBeLessThan(30_000);
  await Promise.all(pushing);
  const waits = new Set<unknown>();
  for (const { client } of subscribers) {
    const bye = await client.find('bye');
    expect(bye).toMatchObject({ code: 1012 });
    waits.add(bye.retryAfterMs);
    expect((await client.closed).code).toBe(1012);
  }
  expect(waits.size).toBeGreaterThan(10);
  const total = accepted.reduce((sum, count) => sum + count, 0);
  const second = await about(await startProcess({ state: { dir, every: '1h' }, channels }));
  expect([second.state.samples, second.seq]).toEqual([total, total]);
  seen(`exit 0 after ${(tookMs / 1_000).toFixed(1)} s, ${total} rows accepted and kept, 20 byes spread`);
});

fault('second-sigterm', async ({ seen }) => {
  const child = command('--port', '0', '--config', configFile({ channels, limits: { drainMs: 25_000 } }));
  const over = once(child, 'exit') as Promise<[number | null]>;
  const [{ url }] = (await entriesUntil(child, 'channel.opened')) as { url: string }[];
  const stuck = await Client.open(outUrl({ url: url! }, 'c'));
  // never answers the close: that holds the first up
  stuck.socket.pause();
  const closing = entriesUntil(child, 'closing');
  child.kill('SIGTERM');
  await closing;
  const start = performance.now();
  child.kill('SIGTERM');
  expect((await over)[0]).toBe(143);
  const tookMs = performance.now() - start;
  expect(tookMs).toBeLessThan(1_000);
  seen(`gone after ${tookMs.toFixed(0)} ms, exit 143`);
});

fault('disk-fails', async ({ seen, skip }) => {
  const dir = stateDir();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', dir], { stdio: 'pipe' });
  } catch (error) {
    skip(`no file system can be mounted here: ${(error as Error).message.trim()}`);
  }
  const remount = (how: 'ro' | 'rw') => execFileSync('mount', ['-o', `remount,${how}`, dir]);
  onTestFinished(() => void execFileSync('umount', ['-l', dir]));
  const server = await startProcess({ state: { dir, every: 20 }, channels });
  const producer = await produce(server, 'c');
  const rows = rowsOf(100_000, 2);
  let sent = 0;
  const pushMore = async () => {
    await push(producer, rows.slice(sent, sent + SIZE));
    sent += SIZE;
  };
  const until = async (status: string) => {
    for (;;) {
      await pushMore();
      const now = await health(server);
      if (now.status === status) return now.reason;
    }
  };
  await pushMore();
  while (checkpointIn(dir).seq === 0) await pushMore();

  const filler = join(dir, 'filler');
  try {
    for (let n = 0; ; n++) writeFileSync(`${filler}${n}`, Buffer.alloc(16_384));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  }
  expect(await until('degraded')).toContain('ENOSPC');
  const kept = checkpointIn(dir);
  await pushMore();
  expect(checkpointIn(dir)).toEqual(kept);
  for (const name of readdirSync(dir)) if (name.startsWith('filler')) rmSync(join(dir, name));
  await until('ok');

  remount('ro');
  expect(await until('degraded')).toContain('EROFS');
  remount('rw');
  await until('ok');
  expect((await about(server)).state).toEqual(offline(rows.slice(0, sent)));
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const failures = Number(/^streamnorm_checkpoint_failures_total (\d+)$/m.exec(metrics)?.[1]);
  expect(await server.end('SIGTERM')).toBe(0);
  expect(checkpointIn(dir)).toMatchObject({ seq: sent, seqLimit: sent });
  seen(`${failures} failed writes counted, degraded each time and well again, ${sent} rows served and kept`);
});

fault('checkpoint-damaged', async ({ seen }) => {
  const damages: Record<string, (text: string) => string> = {
    truncated: (text) => text.slice(0, text.length / 2),
    'bit flipped': (text) => text.replace('"seq":32', '"seq":33'),
    empty: () => '',
  };
  for (const [name, damage] of Object.entries(damages)) {
    const dir = stateDir();
    const first = await serve({ state: { dir, every: '1h' }, channels });
    first.channel('c').push(rowsOf(16, 2));
    await first.close();
    const second = await serve({ state: { dir, every: '1h' }, channels });
    second.channel('c').push(rowsOf(16, 2, 16));
    await second.close();
    const file = join(dir, 'c.json');
    writeFileSync(file, damage(readFileSync(file, 'utf8')));
    const third = await serve({ state: { dir, every: '1h' }, channels });
    const told = third.log.filter(({ event }) => event === 'checkpoint.damaged');
    expect(told, name).toHaveLength(1);
    expect(told[0]!.message).toMatch(/^[^\n]*c\.json is damaged: [^\n]* is used$/);
    // written with the first window of the second start, before its rows went out
    expect(third.channel('c').state(), name).toEqual(offline(rowsOf(32, 2)));
    expect(third.channel('c').epoch).not.toBe(first.channel('c').epoch);
    await third.close();
  }
  seen('each passed over in one line, the generation before it loaded');
});

fault('checkpoint-does-not-fit', async ({ seen }) => {
  const dir = stateDir();
  const first = await serve({ state: { dir, every: '1h' }, channels });
  first.channel('c').push(rowsOf(16, 2));
  await first.close();
  const file = join(dir, 'c.json');
  const text = readFileSync(file, 'utf8');
  const refusals: [ServerConfigInput['channels'], string, RegExp][] = [
    [{ c: { features: ['b', 'a'], size: SIZE } }, text, /has the features a,b, the config has b,a/],
    [channels, text.replace('checkpoint/1', 'checkpoint/9'), /checkpoint\/9, which a newer version wrote/],
  ];
  for (const [of, content, why] of refusals) {
    writeFileSync(file, content);
    const config = configFile({ listen: { port: 0 }, state: { dir }, channels: of });
    const { code, stderr } = await runCli(['serve', '--config', config]);
    expect(code).toBe(78);
    expect(stderr).toMatch(why);
    expect(stderr.trim()).not.toContain('\n');
    expect(readFileSync(file, 'utf8')).toBe(content);
  }
  seen('exit 78 and one line each, the file left as it was');
});

fault('state-directory-shared', async ({ seen }) => {
  const dir = stateDir();
  const first = await startProcess({ state: { dir, every: '1h' }, channels });
  const config = configFile({ listen: { port: 0 }, state: { dir }, channels });
  const { code, stderr } = await runCli(['serve', '--config', config]);
  expect([code, stderr]).toEqual([69, `streamnorm serve: another process uses the state directory ${dir}\n`]);
  await first.end('SIGKILL');
  expect(readdirSync(dir)).toContain('lock');
  const next = await startProcess({ state: { dir, every: '1h' }, channels });
  expect((await health(next)).status).toBe('ok');
  seen('the second refused with exit 69, the lock of a killed one taken');
});

fault('restart', async ({ seen }) => {
  const dir = stateDir();
  const rows = rowsOf(70, 2);
  const first = await startProcess({ state: { dir, every: '1h' }, channels });
  await push(await produce(first, 'c'), rows.slice(0, 64));
  const before = await about(first);
  expect(await first.end('SIGTERM')).toBe(0);
  const second = await startProcess({ state: { dir, every: '1h' }, channels });
  const after = await about(second);
  expect([after.epoch, after.seq, after.state]).toEqual([before.epoch, 64, before.state]);
  expect(after.state).toEqual(offline(rows));
  const { snapshot } = await subscribe(second, 'c', `?since=${before.epoch}.64`);
  expect(snapshot).toMatchObject({ recovered: true, seq: 64 });
  seen('same epoch, next number 65, statistics equal to the last bit');
});

fault('wall-clock-steps', async ({ seen }) => {
  const limits = { pingMs: 100, pongMs: 90, heartbeatMs: 50, conflateAfterMs: 1_000 };
  const server = await startProcess(
    { channels: { c: { features, size: 1_000, within: 150 } }, limits },
    { nodeArgs: DISTURBED, env: { STREAMNORM_DISTURB: '+1h,-1h,-1h' } },
  );
  const { client } = await subscribe(server, 'c');
  const producer = await produce(server, 'c');
  let first = 1;
  const steps: number[] = [];
  const stamp = async () => {
    await push(producer, rowsOf(3, 2, first));
    // the window closes by its time, whatever the clock on the wall says
    const [block] = await client.rows(first, 3);
    first += 3;
    return block!.t[0]!;
  };
  let last = await stamp();
  for (const hours of [1, -1, -1]) {
    server.child.kill('SIGUSR2');
    let now = await stamp();
    while (Math.abs(now - last) < 1_800_000) now = await stamp();
    expect(Math.abs(now - last - hours * 3_600_000)).toBeLessThan(600_000);
    steps.push(hours);
    last = now;
    for (let beats = 0; beats < 5; beats++) await client.find('heartbeat');
  }
  expect(client.socket.readyState).toBe(client.socket.OPEN);
  expect(await server.ask('bugs')).toEqual([]);
  seen(`steps of ${steps.join(', ')} h: windows close, heartbeats and pings go on, nobody is cut off`);
});

fault('event-loop-blocked', async ({ seen }) => {
  const limits = { pingMs: 1_900, pongMs: 1_800, heartbeatMs: 200, conflateAfterMs: 200, cutAfterMs: 1_900 };
  const server = await startProcess(
    { channels: { c: { features, method: 'cumulative' } }, limits },
    { nodeArgs: DISTURBED, env: { STREAMNORM_DISTURB: 'block' } },
  );
  const clients = await Promise.all(Array.from({ length: 50 }, () => subscribe(server, 'c')));
  const producer = await produce(server, 'c');
  await push(producer, rowsOf(50, 2));
  const start = performance.now();
  server.child.kill('SIGUSR2');
  await push(producer, rowsOf(1, 2));
  await getJson(server, '/healthz');
  let blockedMs = performance.now() - start;
  while (blockedMs < 2_000) {
    await getJson(server, '/healthz');
    blockedMs = performance.now() - start;
  }
  // long enough for each deadline to pass once more
  for (const { client } of clients) {
    for (let beats = 0; beats < 15; beats++) await Promise.race([client.find('heartbeat'), client.closed]);
  }
  const open = clients.filter(({ client }) => client.socket.readyState === client.socket.OPEN).length;
  const { counters } = (await about(server)) as unknown as { counters: { evicted: number } };
  expect([open, counters.evicted]).toEqual([50, 0]);
  seen('50 of 50 subscribers still there, none evicted');
});

fault('heap-limit', async ({ seen, full }) => {
  const server = await startProcess(
    {
      channels: { c: { features: Array.from({ length: 8 }, (_, j) => `f${j}`), method: 'cumulative' } },
      limits: { heartbeatMs: 500, cutAfterMs: 2_000 },
    },
    { nodeArgs: ['--max-old-space-size=256'] },
  );
  // subscribers that read nothing at all, and more rows than the heap could hold
  const deaf = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const client = await Client.open(outUrl(server, 'c', '?include=z,raw'));
      client.socket.pause();
      return client;
    }),
  );
  const producer = await produce(server, 'c');
  const x = rowsOf(1_000, 8);
  const figures = async () => (await about(server)) as unknown as { seq: number; counters: { evicted: number } };
  let pushes = 0;
  for (let evicted = 0; pushes < (full ? 2_000 : 150) || evicted < deaf.length; pushes++) {
    await push(producer, x);
    if (pushes % 50 === 0) evicted = (await figures()).counters.evicted;
  }
  const { seq, counters } = await figures();
  const { heldBytes } = await server.ask('memory');
  expect([seq, counters.evicted]).toEqual([pushes * 1_000, deaf.length]);
  expect(heldBytes).toBeLessThan(256 * 2 ** 20);
  expect(await server.ask('bugs')).toEqual([]);
  for (const client of deaf) client.socket.terminate();
  seen(
    `${seq.toLocaleString('en')} rows taken, ${counters.evicted} deaf subscribers cut off, ${Math.round(heldBytes / 2 ** 20)} MiB held`,
  );
});

fault('start-refused', async ({ seen }) => {
  const taken = createTcpServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  const outcomes: [unknown, number, RegExp][] = [
    [{ listen: { port }, channels }, 69, /^streamnorm serve: cannot listen on 127\.0\.0\.1:\d+: [^\n]*--port\n$/],
    [{ listen: { port: 70_000 }, channels: { c: { features: [] } } }, 78, /2 errors:\n {2}\S[^\n]*\n {2}\S[^\n]*\n$/],
    [{ chanels: {}, channels }, 78, /1 error:\n[^\n]*"chanels"\n$/],
  ];
  for (const [config, expected, message] of outcomes) {
    const child = command('--config', configFile(config));
    const { code, stderr } = await ended(child);
    expect([code, stderr]).toEqual([expected, expect.stringMatching(message)]);
  }
  seen('exit 69, 78, 78; every error of the config at once');
});
