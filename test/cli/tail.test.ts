import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { createServer, type RunningServer } from '../../src/server/create-server.ts';
import { encodeFrame } from '../../src/websocket/frame.ts';
import { ended, runCli, shell, spawnCli } from './run-cli.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A channel played by hand: what to send on each connection, told the URL that was asked for. */
async function channel(play: (socket: WebSocket, query: URLSearchParams, connection: number) => void) {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  closers.push(() => {
    for (const client of wss.clients) client.terminate();
    wss.close();
  });
  await once(wss, 'listening');
  const asked: string[] = [];
  wss.on('connection', (socket, request) => {
    const { search, searchParams } = new URL(request.url as string, 'ws://host');
    asked.push(search);
    play(socket, searchParams, asked.length);
  });
  return { url: `ws://127.0.0.1:${(wss.address() as AddressInfo).port}/out/a`, asked };
}

const snapshot = (epoch: string, seq: number) => JSON.stringify({ type: 'snapshot', channel: 'a', epoch, seq });
const next = (seq: number, rows: number, more: object = {}) =>
  JSON.stringify({
    type: 'next',
    seq,
    t: Array.from({ length: rows }, (_, i) => 1000 + seq + i),
    z: Array.from({ length: rows }, (_, i) => [seq + i, null]),
    ...more,
  });
const seqs = (stdout: string) => stdout.match(/(?<="seq":)\d+/g)?.map(Number) ?? [];

describe('what tail prints', () => {
  test('a line for each row', async () => {
    const { url } = await channel((socket) => {
      socket.send(snapshot('e', 4));
      socket.send(next(5, 2));
    });
    expect(await runCli(['tail', url, '--count', '2'])).toMatchObject({
      code: 0,
      stdout: '{"seq":5,"t":1005,"z":[5,null]}\n{"seq":6,"t":1006,"z":[6,null]}\n',
      stderr: '',
    });
  });

  test('raw and flags where they come', async () => {
    const { url } = await channel((socket) => {
      socket.send(next(1, 1, { raw: [[7, 8]], flags: [['missing']] }));
    });
    const { stdout } = await runCli(['tail', `${url}?include=z,raw,flags`, '--count', '1']);
    expect(stdout).toBe('{"seq":1,"t":1001,"z":[1,null],"raw":[7,8],"flags":["missing"]}\n');
  });

  test('binary frames, as z or as raw', async () => {
    const values = Float64Array.of(0.5, Number.NaN, 1.5, 2);
    const frame = encodeFrame({
      kind: 'next',
      dtype: 'f64',
      rows: 2,
      columns: 2,
      values,
      seq: 9,
      time: 50,
      times: Float64Array.of(50, 60),
    });
    const { url } = await channel((socket) => socket.send(frame));
    expect((await runCli(['tail', `${url}?format=f64`, '--count', '2'])).stdout).toBe(
      '{"seq":9,"t":50,"z":[0.5,null]}\n{"seq":10,"t":60,"z":[1.5,2]}\n',
    );
    expect((await runCli(['tail', `${url}?format=f64&include=raw`, '--count', '1'])).stdout).toBe(
      '{"seq":9,"t":50,"raw":[0.5,null]}\n',
    );
  });

  test('messages as they are with --raw-messages', async () => {
    const messages = [snapshot('e', 0), '{"type":"heartbeat","seq":0}', next(1, 3)];
    const { url } = await channel((socket) => {
      for (const message of messages) socket.send(message);
    });
    const { stdout } = await runCli(['tail', url, '--raw-messages', '--count', '2']);
    expect(stdout).toBe(`${messages.join('\n')}\n`);
  });

  test('no more than --count rows, also in the middle of a message', async () => {
    const { url } = await channel((socket) => socket.send(next(1, 10)));
    expect(seqs((await runCli(['tail', url, '--count', '3'])).stdout)).toEqual([1, 2, 3]);
  });

  test('gaps, drift, skipped rows, errors and the end of the server on standard error', async () => {
    const { url } = await channel((socket) => {
      socket.send('{"type":"gap","from":3,"to":9,"reason":"history"}');
      socket.send('{"type":"gap","from":10,"to":9,"reason":"upstream","missed":7,"t":[1,2]}');
      socket.send('{"type":"gap","from":10,"to":9,"reason":"upstream","missed":null,"t":[null,2]}');
      socket.send('{"type":"drift","seq":9,"feature":"bid"}');
      socket.send('{"type":"error","code":"SEQ_FUTURE","message":"too early"}');
      socket.send('{"type":"bye","code":1012,"retryAfterMs":4200}');
      socket.send('{"type":"heartbeat","seq":9}');
      socket.send('{"type":"something new"}');
      socket.send(next(10, 1, { skipped: 5 }));
    });
    const { stderr } = await runCli(['tail', url, '--count', '1']);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'streamnorm tail: rows 3 to 9 are missing (history)',
      'streamnorm tail: 7 messages of the source are missing before row 10',
      'streamnorm tail: rows of the source are missing before row 10',
      'streamnorm tail: drift of bid at row 9',
      'streamnorm tail: the server says SEQ_FUTURE: too early',
      'streamnorm tail: the server is going (1012), back in about 5 s',
      'streamnorm tail: 5 rows before row 10 were skipped: reading is too slow',
    ]);
  });
});

describe('after a break tail goes on after the last row', () => {
  test('it asks for since, and leaves out rows that come twice', async () => {
    const { url, asked } = await channel((socket, _, connection) => {
      if (connection === 1) {
        socket.send(snapshot('k3f9', 10));
        socket.send(next(11, 2), () => socket.terminate());
      } else {
        socket.send(snapshot('k3f9', 12));
        socket.send(next(12, 3));
      }
    });
    const { stdout, stderr } = await runCli(['tail', `${url}?maxRate=5`, '--count', '4']);
    expect(seqs(stdout)).toEqual([11, 12, 13, 14]);
    expect(asked).toEqual(['?maxRate=5', '?maxRate=5&since=k3f9.12']);
    expect(stderr).toMatch(/trying again\n.*connected again\n$/);
  });

  test('when nothing came yet it goes on after the snapshot', async () => {
    const { url, asked } = await channel((socket, _, connection) => {
      if (connection === 1) socket.send(snapshot('e', 7), () => socket.terminate());
      else socket.send(next(8, 1));
    });
    expect(seqs((await runCli(['tail', url, '--count', '1'])).stdout)).toEqual([8]);
    expect(asked).toEqual(['', '?since=e.7']);
  });

  test('a channel that began anew is told, and its rows count from its own', async () => {
    const { url } = await channel((socket, _, connection) => {
      if (connection === 1) {
        socket.send(snapshot('old', 100));
        socket.send(next(101, 1), () => socket.terminate());
      } else {
        socket.send(snapshot('new', 3));
        socket.send(next(4, 1));
      }
    });
    const { stdout, stderr } = await runCli(['tail', url, '--count', '2']);
    expect(seqs(stdout)).toEqual([101, 4]);
    expect(stderr).toMatch(/the channel began anew \(epoch new\); rows before its row 4 are lost/);
  });
});

describe('with a real server', () => {
  let server: RunningServer;
  beforeAll(async () => {
    const x = { features: ['x'], method: 'cumulative' as const };
    server = await createServer({ listen: { port: 0 }, channels: { a: x } });
  });
  afterAll(() => server.close());

  test.each([
    ['/out/nope', /the server refused for good: close code 4404: there is no channel 'nope'/],
    ['/out/a?format=xml', /the server refused for good: close code 4400: format is one of/],
    ['/nowhere', /the server refused for good: HTTP 404/],
  ])('%s ends with 69', async (path, message) => {
    const { code, stdout, stderr } = await runCli(['tail', server.url + path]);
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(message);
  });

  test('a reader that goes away ends it quietly with 0', async () => {
    const feed = `yes '[1]' | head -n 20000 > "$T/rows"; streamnorm replay "$T/rows" ${server.url}/in/a --rate 5000 2>/dev/null &`;
    const { stdout, stderr } = await shell(
      `T=$(mktemp -d); ${feed} streamnorm tail ${server.url}/out/a | head -n 2; echo "\${PIPESTATUS[0]}" >&2; kill $!; rm -r "$T"`,
    );
    expect(seqs(stdout)).toHaveLength(2);
    expect(stderr).toBe('0\n');
  });

  test('SIGINT ends it as shells expect', async () => {
    const child = spawnCli(['tail', `${server.url}/out/a`, '--raw-messages']);
    await once(child.stdout!, 'data');
    const over = ended(child);
    child.kill('SIGINT');
    await over;
    expect(child.signalCode).toBe('SIGINT');
  });
});

test.each([
  [['ftp://host/a'], /requires a ws:\/\/ or wss:\/\/ URL/],
  [['not a url'], /requires a ws:\/\/ or wss:\/\/ URL/],
  [[], /missing required argument 'url'/],
  [['ws://host/a', '--count', '0'], /whole number >= 1/],
])('tail %j is a wrong command line', async (args, message) => {
  const { code, stderr } = await runCli(['tail', ...args]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});
