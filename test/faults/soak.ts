/**
 * Runs a server for minutes, with producers and subscribers of every kind, and fails where anything grows or is lost.
 *
 *   npm run soak                      10 minutes
 *   npm run soak -- --minutes 2
 *
 * Three producers push to two channels, JSON and binary, 300 pushes a second together; beside subscribers that read all,
 * some read slowly, come and go, resume where they were, or never read. Every second what the server holds after a
 * collection is written down. After a third of the time as a warm-up, a line is fitted through it: it must not rise by
 * more than 3 % of its mean, over the rest of the time, beyond what its own scatter explains (two standard errors).
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { machine } from '../../bench/machine.ts';
import { sampleRows } from '../../bench/seeded.ts';
import { encodeFrame } from '../../src/websocket/frame.ts';
import { risePerRun } from './rise.ts';

const args = process.argv.slice(2);
const minutes = args.length === 0 ? 10 : Number(args[1]);
if ((args.length > 0 && args[0] !== '--minutes') || args.length > 2 || !(minutes > 0)) {
  process.stderr.write('soak: it takes --minutes N, a number above 0\n');
  process.exit(2);
}

const FEATURES = ['a', 'b', 'c', 'd'];
const TOLERANCE = 0.03;
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const children: ChildProcess[] = [];
const dir = mkdtempSync(join(tmpdir(), 'streamnorm-soak-'));
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

const config = {
  listen: { port: 0 },
  state: { dir, every: 1_000 },
  limits: { cutAfterMs: 5_000, heartbeatMs: 1_000 },
  channels: {
    live: { features: FEATURES, method: 'ewma', halfLife: '5s', history: 500 },
    batches: { features: FEATURES, size: 64, history: 500 },
  },
};
const server = spawn(
  process.execPath,
  ['--expose-gc', path('../support/serve-built.mjs'), path('../../dist'), JSON.stringify(config)],
  { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
);
children.push(server);
const problems: string[] = [];
let ended = false;
server.once('exit', (code, signal) => {
  if (!ended) problems.push(`the server ended with ${code ?? signal}`);
});
const [line] = (await once(createInterface(server.stdout!), 'line')) as [string];
const { url } = JSON.parse(line) as { url: string };
const wsUrl = url.replace('http', 'ws');

let asked = 0;
async function ask<T>(question: string): Promise<T> {
  const id = ++asked;
  server.send({ ask: question, id });
  for (;;) {
    const [said] = (await once(server, 'message')) as [{ id: number; answer: T }];
    if (said.id === id) return said.answer;
  }
}

async function about(channel: string) {
  const response = await fetch(`${url}/channels/${channel}`);
  return (await response.json()) as {
    epoch: string;
    seq: number;
    subscribers: number;
    counters: { rows: number; errors: object; evicted: number; skipped: number; duplicates: number };
  };
}

let stopping = false;
let sent = { live: 0, batches: 0 };

/** Pushes at a steady rate; what is not answered, or refused, is a problem. */
async function produce(channel: 'live' | 'batches', perSecond: number, rows: number, binary: boolean): Promise<void> {
  const socket = new WebSocket(`${wsUrl}/in/${channel}`);
  socket.on('error', (error) => problems.push(`producer: ${error.message}`));
  let open = 0;
  socket.on('message', (data) => {
    const said = JSON.parse(String(data)) as { type: string };
    open--;
    if (said.type !== 'accepted') problems.push(`producer was told ${data}`);
  });
  await once(socket, 'open');
  const values = sampleRows(rows * 16, FEATURES.length, perSecond);
  const start = performance.now();
  for (let n = 0; !stopping; n++) {
    const from = (n % 16) * rows;
    const x = values.slice(from, from + rows);
    if (binary) {
      const all = Float64Array.from(x.flat());
      const shape = { rows, columns: FEATURES.length, values: all };
      socket.send(encodeFrame({ kind: 'push', dtype: 'f64', ...shape, seq: 0, time: Date.now() }));
    } else {
      open++;
      socket.send(JSON.stringify({ type: 'push', producer: `soak-${perSecond}`, seq: n, x }));
    }
    sent = { ...sent, [channel]: sent[channel] + rows };
    await pass(Math.max(0, start + ((n + 1) * 1_000) / perSecond - performance.now()));
  }
  for (let n = 0; n < 100 && open > 0; n++) await pass(100);
  if (open > 0) problems.push(`${open} pushes were not answered`);
  socket.close();
}

/** Reads all; every row must come, or be told to be left out. */
function follow(channel: string, query = ''): WebSocket {
  const socket = new WebSocket(`${wsUrl}/out/${channel}${query}`);
  let next: number | undefined;
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => {
    if (isBinary) return;
    const said = JSON.parse(String(data)) as {
      type: string;
      seq: number;
      t: number[];
      skipped?: number;
      to?: number;
      code?: number;
    };
    if (said.type === 'snapshot') next = said.seq + 1;
    else if (said.type === 'gap') next = said.to! + 1;
    else if (said.type === 'error') problems.push(`subscriber was told ${data}`);
    else if (said.type === 'next') {
      if (next! + (said.skipped ?? 0) !== said.seq)
        problems.push(`row ${next} of ${channel} was expected, ${said.seq} came`);
      next = said.seq + said.t.length;
    }
  });
  return socket;
}

/** Comes and goes, and each time goes on where it was. */
async function comeAndGo(channel: 'live' | 'batches'): Promise<void> {
  while (!stopping) {
    const { epoch, seq } = await about(channel);
    const socket = follow(channel, `?since=${epoch}.${Math.max(0, seq - 50)}`);
    await once(socket, 'open');
    await pass(300);
    if (seq % 2 === 0) socket.terminate();
    else socket.close();
    await once(socket, 'close');
  }
}

/** Never reads, until it is thrown out; then again. */
async function neverRead(): Promise<void> {
  while (!stopping) {
    const socket = new WebSocket(`${wsUrl}/out/live?include=z,raw,stats`);
    socket.on('error', () => {});
    await once(socket, 'open');
    socket.pause();
    const { evicted } = (await about('live')).counters;
    while (!stopping && (await about('live')).counters.evicted === evicted) await pass(500);
    socket.terminate();
  }
}
/** Reads a tenth of what there is. */
async function readSlowly(): Promise<void> {
  const crowd = fork(path('../support/crowd.mjs'), { serialization: 'advanced', execArgv: [] });
  children.push(crowd);
  crowd.send({ open: 5, url: `${wsUrl}/out/live`, query: '?include=z,raw,stats', bytesPerSecond: 20_000 });
  await once(crowd, 'message');
  while (!stopping) {
    await pass(2_000);
    crowd.send({ report: true });
    const [{ done }] = (await once(crowd, 'message')) as [{ done: { holes: number } }];
    if (done.holes > 0) problems.push(`slow subscribers missed rows untold ${done.holes} times`);
  }
  crowd.kill();
}

const readers = [
  '',
  '?include=z,raw,flags,stats&digits=17',
  '?format=f32',
  '?format=f64&include=raw',
  '?maxRate=5',
].flatMap((query) => [follow('live', query), follow('batches', query)]);
const work = [
  produce('live', 100, 1, false),
  produce('live', 101, 4, true),
  produce('batches', 99, 8, false),
  comeAndGo('live'),
  comeAndGo('batches'),
  neverRead(),
  readSlowly(),
];
for (const each of work) each.catch((error: Error) => problems.push(error.stack ?? error.message));

const start = performance.now();
const heldMiB: number[] = [];
const residentMiB: number[] = [];
while (performance.now() - start < minutes * 60_000 && problems.length === 0) {
  await pass(1_000);
  const { heldBytes, rssBytes } = await ask<{ heldBytes: number; rssBytes: number }>('memory');
  heldMiB.push(heldBytes / 1_048_576);
  residentMiB.push(rssBytes / 1_048_576);
  if (process.stderr.isTTY) process.stderr.write(`\r${heldMiB.length} s, ${heldMiB.at(-1)!.toFixed(1)} MiB held\x1b[K`);
}
stopping = true;
await Promise.allSettled(work);

const channels = { live: await about('live'), batches: await about('batches') };
for (const [name, { seq, counters }] of Object.entries(channels)) {
  const given = sent[name as 'live' | 'batches'];
  const { errors, duplicates, rows } = counters;
  if (Object.keys(errors).length > 0) problems.push(`${name} has errors: ${JSON.stringify(errors)}`);
  if (duplicates > 0) problems.push(`${name} took ${duplicates} pushes for duplicates`);
  if (rows !== given) problems.push(`${name} took ${rows} rows of ${given}`);
  if (seq < rows - 63) problems.push(`${name} gave out ${seq} rows of ${rows}`);
}
for (const bug of await ask<string[]>('bugs')) problems.push(bug);
// that slow subscribers are slow is no news
problems.push(...(await ask<string[]>('warnings')).filter((warning) => !warning.includes('too slow')));
for (const socket of readers)
  if (socket.readyState !== socket.OPEN) problems.push('a subscriber that read all was closed');

const [held, resident] = [heldMiB, residentMiB].map((figures) =>
  risePerRun(figures.slice(Math.floor(figures.length / 3))),
);
for (const [what, rise] of Object.entries({ 'what it holds': held!, 'its resident memory': resident! })) {
  if (rise.rise - 2 * rise.error > TOLERANCE * rise.mean) problems.push(`${what} grows: ${rise.text}`);
}
const { skipped, evicted } = channels.live.counters;
process.stdout.write(
  `\nsoak of ${minutes} min: ${(channels.live.seq + channels.batches.seq).toLocaleString('en')} rows, ` +
    `${skipped.toLocaleString('en')} skipped for slow subscribers, ${evicted} evicted\n` +
    `held after collection: ${held!.text}\nresident: ${resident!.text}\n${machine().line}\n`,
);
ended = true;
server.kill('SIGTERM');
const [code] = (await once(server, 'exit')) as [number | null];
if (code !== 0) problems.push(`SIGTERM ended it with ${code}`);
for (const problem of problems.slice(0, 20)) process.stderr.write(`soak: ${problem}\n`);
process.exit(problems.length > 0 ? 1 : 0);
