import { NEVER, of } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import * as browser from '../../src/websocket/browser.ts';
import * as node from '../../src/websocket/index.ts';
import { liveServer, muteServer } from './live-server.ts';
import { StatusLog, watch } from './watch.ts';

// `ws` has the interface of the platform's WebSocket, so it stands in for it where Node has none.
class PlatformSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    this.binaryType = 'blob' as 'nodebuffer';
  }
}
beforeEach(() => void vi.stubGlobal('WebSocket', PlatformSocket));
afterEach(() => void vi.unstubAllGlobals());

const QUICK: browser.SocketOptions = { minDelayMs: 1, maxDelayMs: 5 };

describe('the browser entry', () => {
  it('exports the same names as the Node entry', () => {
    expect(Object.keys(browser).sort()).toEqual(Object.keys(node).sort());
  });

  it('reads text and binary messages, and sends the opening ones again after a close', async () => {
    const server = await liveServer();
    const { values } = watch(browser.fromWebSocket(server.url, { ...QUICK, open: { hello: 1 } }));
    const first = await server.peers.next();
    expect(await first.messages.next()).toEqual({ hello: 1 });
    first.send([1]);
    const frame = Float64Array.of(2);
    first.send(
      browser.encodeFrame({ kind: 'next', dtype: 'f32', rows: 1, columns: 1, values: frame, seq: 0, time: 0 }),
    );
    expect(await values.take(2)).toEqual([[1], [2]]);
    first.socket.close(1000);
    const second = await server.peers.next();
    expect(await second.messages.next()).toEqual({ hello: 1 });
  });

  it('errors with UNAVAILABLE after 4401', async () => {
    const server = await liveServer({ onPeer: (peer) => peer.socket.close(4401, 'token') });
    const { end } = watch(browser.fromWebSocket(server.url, QUICK));
    expect(await end).toMatchObject({ error: { code: 'UNAVAILABLE', cause: { code: 4401, reason: 'token' } } });
  });

  it('connects again when no message comes for deadlineMs, hearing no more of the old connection', async () => {
    const server = await liveServer();
    const status = new StatusLog();
    const { values } = watch(browser.fromWebSocket(server.url, { ...QUICK, deadlineMs: 40, status: status.add }));
    await server.peers.next();
    const second = await server.peers.next();
    second.send([2]);
    expect(await values.next()).toEqual([2]);
    expect((await status.next('closed')).reason).toBe('no message for 40 ms');
  });

  it('closes the socket when unsubscribed, open or not', async () => {
    const server = await liveServer();
    const opened = new StatusLog();
    const open = watch(browser.fromWebSocket(server.url, { status: opened.add }));
    const peer = await server.peers.next();
    await opened.next('open');
    open.subscription.unsubscribe();
    expect(await peer.closed).toBe(1000);
    const mute = await muteServer();
    const status = new StatusLog();
    const connecting = watch(browser.fromWebSocket(mute.url, { ...QUICK, status: status.add }));
    const socket = await mute.connections.next();
    connecting.subscription.unsubscribe();
    await new Promise((resolve) => socket.once('close', resolve));
    expect(status.all.map((event) => event.type)).toEqual(['connecting']);
  });

  it('leaves out a message above maxMessageBytes', async () => {
    const server = await liveServer();
    const status = new StatusLog();
    const { values } = watch(browser.fromWebSocket(server.url, { maxMessageBytes: 10, status: status.add }));
    const peer = await server.peers.next();
    peer.send('x'.repeat(20));
    peer.send([1]);
    expect(await values.next()).toEqual([1]);
    expect(status.of('bad-message')).toHaveLength(1);
  });

  it('delivers what a sink still holds, then closes and completes', async () => {
    const server = await liveServer();
    const samples = Array.from({ length: 200 }, () => ['x'.repeat(100_000)]);
    const { end, values } = watch(of(...samples).pipe(browser.toWebSocket(server.url)));
    expect(await end).toBe('complete');
    expect(values.left).toBe(200);
    const peer = await server.peers.next();
    expect(await peer.closed).toBe(1000);
    expect(peer.messages.left).toBe(200);
  });

  it('throws when given headers, which no browser sends', () => {
    const headers = { authorization: 'Bearer x' };
    expect(() => browser.fromWebSocket('ws://h/', { headers })).toThrow('fromWebSocket takes headers only in Node');
    expect(() => NEVER.pipe(browser.toWebSocket('ws://h/', { headers }))).toThrow(
      'toWebSocket takes headers only in Node',
    );
  });
});
