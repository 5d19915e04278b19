import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { Connection, type ConnectionState, reasonOf } from '../../dashboard/connection.ts';
import type { Message } from '../../dashboard/messages.ts';
import { fromWebSocket } from '../../src/websocket/index.ts';

describe('Connection', () => {
  let finish: (() => Promise<void>) | undefined;
  afterEach(() => finish?.());

  /** A server whose sockets are taken one by one, and a connection to it. */
  async function connected(path: () => string) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const base = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const accepted = queue<{ socket: WebSocket; path: string }>();
    server.on('connection', (socket, request) => accepted.put({ socket, path: request.url ?? '' }));
    const messages = queue<Message>();
    const states = queue<ConnectionState>();
    const connection = new Connection({
      url: () => `${base}${path()}`,
      onMessage: messages.put,
      onState: states.put,
      via: fromWebSocket,
    });
    finish = async () => {
      connection.close();
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    };
    return { accepted, messages, states, connection };
  }

  test('passes on every message it knows and leaves out the rest', async () => {
    const { accepted, messages, states } = await connected(() => '/out/a');
    const { socket } = await accepted.take();
    expect(await states.take()).toEqual({ kind: 'connecting', again: false });
    expect(await states.take()).toMatchObject({ kind: 'open' });
    for (const text of ['{"type":"new-kind"}', 'not JSON', '{"type":"next","seq":1}', '{"type":"gap","from":2}']) {
      socket.send(text);
    }
    expect(await messages.take()).toEqual({ type: 'next', seq: 1 });
    expect(await messages.take()).toEqual({ type: 'gap', from: 2 });
  });

  test('comes back by itself, at an address made anew', async () => {
    let seq = 0;
    const { accepted, states } = await connected(() => `/out/a?since=e.${seq}`);
    const first = await accepted.take();
    await states.take();
    await states.take();
    seq = 7;
    first.socket.terminate();
    expect(await states.take()).toMatchObject({ kind: 'waiting', reason: 'connection lost' });
    expect(await states.take()).toEqual({ kind: 'connecting', again: true });
    expect((await accepted.take()).path).toBe('/out/a?since=e.7');
    expect(await states.take()).toMatchObject({ kind: 'open' });
  });

  test('asks without since when the server no longer knows it', async () => {
    const { accepted } = await connected(() => '/out/a?include=z&since=e.3');
    (await accepted.take()).socket.close(4410);
    expect((await accepted.take()).path).toBe('/out/a?include=z');
  });

  test('waits as long as the bye of the server asks for; retryNow does not', async () => {
    const { accepted, states, connection } = await connected(() => '/out/a');
    const { socket } = await accepted.take();
    await states.take();
    await states.take();
    socket.send('{"type":"bye","code":1012,"retryAfterMs":20000}');
    socket.close(1012);
    const waiting = await states.take();
    expect(waiting).toMatchObject({ kind: 'waiting', reason: 'the server restarts' });
    expect((waiting as { until: number }).until - Date.now()).toBeGreaterThan(19_000);
    connection.retryNow();
    await accepted.take();
  });

  test('gives up, and says why, when the channel does not exist', async () => {
    const { accepted, states } = await connected(() => '/out/none');
    (await accepted.take()).socket.close(4404);
    await states.take();
    await states.take();
    expect(await states.take()).toEqual({ kind: 'closed', reason: 'no such channel', code: 4404 });
  });
});

test('reasonOf words the codes it knows and passes on what the server says about others', () => {
  expect(reasonOf(1012, 'x')).toBe('the server restarts');
  expect(reasonOf(undefined, '')).toBe('connection lost');
  expect(reasonOf(4999, 'too warm')).toBe('too warm');
  expect(reasonOf(4999, '')).toBe('closed with code 4999');
});

/** What is put can be awaited in order. */
function queue<T>() {
  const items: T[] = [];
  let waiting: ((item: T) => void) | undefined;
  return {
    put: (item: T) => {
      if (waiting === undefined) items.push(item);
      else waiting(item);
      waiting = undefined;
    },
    take: () =>
      items.length > 0 ? Promise.resolve(items.shift() as T) : new Promise<T>((resolve) => (waiting = resolve)),
  };
}
