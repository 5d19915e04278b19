import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom, tap } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { BadLines } from '../../src/cli/bad-lines.ts';
import { systemClock } from '../../src/cli/clock.ts';
import type { RecordedRow } from '../../src/cli/recording.ts';
import { messagesOf, replay } from '../../src/cli/replay.ts';
import { createServer, type RunningServer } from '../../src/server/create-server.ts';
import { HandClock } from './hand-clock.ts';
import { runCli } from './run-cli.ts';

let folder: string;
let server: RunningServer;
const closers: (() => void)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'streamnorm-replay-'));
  server = await createServer({ listen: { port: 0 }, channels: { a: { features: ['x', 'y'], method: 'cumulative' } } });
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A server that keeps what it is sent, in one list of messages a connection. */
async function listener(connected: (socket: WebSocket, messages: unknown[]) => void = () => {}) {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  closers.push(() => {
    for (const client of wss.clients) client.terminate();
    wss.close();
  });
  await once(wss, 'listening');
  const connections: unknown[][] = [];
  wss.on('connection', (socket) => {
    const messages: unknown[] = [];
    connections.push(messages);
    socket.on('message', (data) => messages.push(JSON.parse(String(data))));
    connected(socket, messages);
  });
  const rows = () => connections.flat(2);
  return { url: `ws://127.0.0.1:${(wss.address() as AddressInfo).port}/in/a`, rows, connections };
}

describe('what replay sends', () => {
  const send = async (path: string, ...flags: string[]) => {
    const { url, rows } = await listener();
    const ran = await runCli(['replay', path, url, ...flags]);
    return { ...ran, rows: rows() };
  };

  test('CSV: records of the numeric columns, a missing value is null', async () => {
    const path = file('a.csv', 'ts,name,x,y\n1000,a,1,\n1001,b,2.5,4\n');
    const { rows, code, stderr } = await send(path);
    // the first row decides: y has no number there
    expect(rows).toEqual([
      { ts: 1000, x: 1 },
      { ts: 1001, x: 2.5 },
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('CSV: named columns, text too, and the time goes along', async () => {
    const path = file('b.csv', 'time,name,x,y\n2010-07-10T09:30:05Z,"a ""b""",1,2\n');
    const { rows } = await send(path, '--features', 'y,name');
    expect(rows).toEqual([{ time: '2010-07-10T09:30:05Z', name: 'a "b"', y: 2 }]);
  });

  test('NDJSON: values as they are; numbers as rows of one', async () => {
    expect((await send(file('a.ndjson', '[1,null]\n\n[2,3]\n'), '--rate', '1e6')).rows.flat()).toEqual([1, null, 2, 3]);
    expect((await send(file('b.ndjson', '{"x":1,"s":{"deep":[1]}}\n'), '--rate', '1e6')).rows).toEqual([
      { x: 1, s: { deep: [1] } },
    ]);
    expect((await send(file('c.ndjson', '1\n2\n'), '--rate', '1e6')).rows.flat()).toEqual([1, 2]);
  });

  test('bad lines are reported, counted and left out; --strict ends with 65', async () => {
    const path = file('bad.csv', 'time,x\n1000,1\nsoon,2\n1001\n1001,3\n');
    const { rows, code, stderr } = await send(path);
    expect(rows).toEqual([
      { time: 1000, x: 1 },
      { time: 1001, x: 3 },
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /line 3: time is not a number of ms or an ISO date\n.*line 4: 1 fields.*\n.*2 bad lines left out/,
    );
    expect((await send(path, '--strict')).code).toBe(65);
  });
});

test('replay fills a channel of a real server', async () => {
  const path = file(
    'rows.csv',
    `ts,x,y\n${Array.from({ length: 5_000 }, (_, i) => `${i},${i % 7},${i % 11}`).join('\n')}\n`,
  );
  const { code, stderr } = await runCli(['replay', path, `${server.url}/in/a`, '--speed', '1e9']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const state = await (await fetch(`${server.url}/channels/a`)).json();
  expect(JSON.stringify(state)).toContain('5000');
});

test.each([
  [['nowhere.csv', 'URL/in/a', '--rate', '1'], 66, /nowhere\.csv cannot be read: ENOENT/],
  [['FILE', 'URL/in/nope', '--rate', '1'], 69, /the server refused for good: .*no channel 'nope'/],
  [['FILE', 'URL/in/a'], 65, /no column is called time, timestamp, ts; name it with --time, or give --rate/],
  [['FILE', 'URL/in/a', '--time', 't'], 65, /there is no column 't', only x, y/],
  [['FILE', 'URL/in/a', '--rate', '1', '--speed', '2'], 2, /--speed <factor>' cannot be used with option '--rate/],
  [['FILE', 'URL/in/a', '--rate', '0'], 2, /It must be a number > 0/],
  [['FILE', 'mailto:a', '--rate', '1'], 2, /requires a ws:\/\/ or wss:\/\/ URL/],
  [['FILE'], 2, /missing required argument 'url'/],
])('replay %j ends with %i', async (args, code, message) => {
  const path = file('plain.csv', 'x,y\n1,2\n');
  const line = args.map((arg) => arg.replace('FILE', path).replace('URL', server.url));
  const ran = await runCli(['replay', ...line]);
  expect(ran.stderr).toMatch(message);
  expect(ran.code).toBe(code);
});

test('what the server refuses is told; --strict makes it 65', async () => {
  const path = file('other.ndjson', '{"z":1}\n');
  const { code, stderr } = await runCli(['replay', path, `${server.url}/in/a`, '--rate', '1']);
  expect(stderr).toMatch(/the server refused rows: BAD_\w+ row 0/);
  expect(stderr).toMatch(/1 message refused/);
  expect(code).toBe(0);
  expect((await runCli(['replay', path, `${server.url}/in/a`, '--rate', '1', '--strict'])).code).toBe(65);
});

test('rows that are due together go in one message, each message when it is due', async () => {
  const clock = new HandClock();
  const row = (time: number): RecordedRow => ({ time, value: { x: time }, bytes: 10 });
  async function* recording() {
    yield [row(100), row(100), row(300)];
    yield [row(300), row(300.5)];
  }
  const stop = new AbortController();
  const sent: [number, unknown][] = [];
  const done = (async () => {
    for await (const rows of messagesOf(recording, { speed: 2 }, 2, clock, stop.signal)) {
      sent.push([clock.elapsed(), rows]);
    }
  })();
  for (const at of [100, 100.25, 125.3125, 225.3125, 225.5625]) {
    expect(await clock.next()).toBe(at);
    clock.advanceTo(at);
  }
  await done;
  expect(sent.map(([, rows]) => rows)).toEqual([
    [{ x: 100 }, { x: 100 }],
    [{ x: 300 }, { x: 300 }],
    [{ x: 300.5 }],
    [{ x: 100 }, { x: 100 }],
    [{ x: 300 }, { x: 300 }],
    [{ x: 300.5 }],
  ]);
});

test('replay goes on after the connection was cut, and nothing is sent twice', async () => {
  let cut = false;
  const { url, rows, connections } = await listener((socket, messages) => {
    socket.on('message', () => {
      if (cut || messages.length < 3) return;
      cut = true;
      socket.terminate();
    });
  });
  const path = file('long.ndjson', Array.from({ length: 400 }, (_, i) => `[${i}]`).join('\n'));
  const { code, stderr } = await runCli(['replay', path, url, '--rate', '1000']);
  expect(code).toBe(0);
  expect(stderr).toMatch(/trying again\n.*connected again/);
  expect(connections.length).toBe(2);
  const numbers = rows().flat() as number[];
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(numbers.at(-1)).toBe(399);
});

test('a reader that stops holds the recording up, and nothing is dropped', async () => {
  let socket: WebSocket | undefined;
  const { url, rows } = await listener((one) => {
    socket = one;
    one.pause();
  });
  const wide = 'v'.repeat(2_000);
  const path = file('wide.ndjson', Array.from({ length: 8_000 }, (_, i) => `{"i":${i},"s":"${wide}"}`).join('\n'));
  let written = 0;
  const events: string[] = [];
  const bad = new BadLines({ line: () => {} });
  const options = { format: 'ndjson' as const, pace: { rate: 1e9 }, loop: false };
  const parts = { clock: systemClock, bad, status: ({ type }: { type: string }) => events.push(type) };
  const done = lastValueFrom(
    replay(path, url, options, parts).pipe(
      tap((count) => {
        written += count;
      }),
    ),
  );
  await standstill(() => written);
  expect(written).toBeGreaterThan(0);
  expect(written).toBeLessThan(8_000);
  socket?.resume();
  await done;
  expect(events).not.toContain('dropped');
  expect(rows().map((row) => (row as { i: number }).i)).toEqual(Array.from({ length: 8_000 }, (_, i) => i));
});

/** Resolves once a number that has begun to grow has stayed the same for many turns of the event loop. */
async function standstill(read: () => number): Promise<void> {
  for (let same = 0, last = 0; same < 2_000; ) {
    await new Promise(setImmediate);
    const value = read();
    same = value > 0 && value === last ? same + 1 : 0;
    last = value;
  }
}

test('unsubscribing stops the reading and closes the socket', async () => {
  let gone: Promise<unknown> | undefined;
  const { url } = await listener((socket) => {
    gone = once(socket, 'close');
  });
  const path = file('endless.ndjson', '[1]\n[2]\n');
  const bad = new BadLines({ line: () => {} });
  const options = { format: 'ndjson' as const, pace: { rate: 100 }, loop: true };
  const rows = await firstValueFrom(replay(path, url, options, { clock: systemClock, bad }));
  expect(rows).toBe(1);
  await gone;
});
