import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { take } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { encodeFrame, fromWebSocket, type SocketOptions } from '../../src/websocket/index.ts';
import { liveServer, muteServer, type Peer } from './live-server.ts';
import { StatusLog, watch } from './watch.ts';

const QUICK: SocketOptions = { minDelayMs: 1, maxDelayMs: 5 };

describe('fromWebSocket', () => {
  it('emits the samples of every message in order', async () => {
    const server = await liveServer();
    const { values } = watch(fromWebSocket<unknown>(server.url));
    const peer = await server.peers.next();
    peer.send(1);
    peer.send([2, null]);
    peer.send([[3], [4]]);
    peer.send({ type: 'snapshot' });
    peer.send({ type: 'next', z: [[5]] });
    const frame = Float64Array.of(6, 7);
    peer.send(encodeFrame({ kind: 'next', dtype: 'f32', rows: 2, columns: 1, values: frame, seq: 0, time: 0 }));
    peer.send({ bid: 8 });
    expect(await values.take(8)).toEqual([1, [2, Number.NaN], [3], [4], [5], [6], [7], { bid: 8 }]);
  });

  it('is cold and gives every subscription its own connection', async () => {
    const server = await liveServer();
    const status = new StatusLog();
    const samples = fromWebSocket(server.url, { status: status.add });
    const first = watch(samples);
    const firstPeer = await server.peers.next();
    await status.next('open');
    const second = watch(samples);
    const secondPeer = await server.peers.next();
    expect(server.peers.left).toBe(0);
    first.subscription.unsubscribe();
    expect(await firstPeer.closed).toBe(1000);
    secondPeer.send([2]);
    expect(await second.values.next()).toEqual([2]);
    expect(first.values.left).toBe(0);
  });

  describe('open', () => {
    it('sends several messages on every connection, also after a TCP reset', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      const open = ['"hello"', { subscribe: ['btc', 'eth'] }, Uint8Array.of(1, 2, 3)];
      const { values } = watch(fromWebSocket(server.url, { ...QUICK, open, status: status.add }));
      const sent = ['hello', { subscribe: ['btc', 'eth'] }, Buffer.of(1, 2, 3)];
      const first = await server.peers.next();
      expect(await first.messages.take(3)).toEqual(sent);
      first.reset();
      const second = await server.peers.next();
      expect(await second.messages.take(3)).toEqual(sent);
      second.send([1]);
      expect(await values.next()).toEqual([1]);
      expect(await status.next('closed')).toMatchObject({ attempt: 1, code: 1006 });
    });

    it('asks a function for the messages of every connection, also one that takes its time', async () => {
      const server = await liveServer();
      let count = 0;
      watch(fromWebSocket(server.url, { ...QUICK, open: async () => ({ token: ++count }) }));
      const first = await server.peers.next();
      expect(await first.messages.next()).toEqual({ token: 1 });
      first.socket.close(1012);
      expect(await (await server.peers.next()).messages.next()).toEqual({ token: 2 });
    });

    it('that throws counts as a failed try, and the next one follows', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      let count = 0;
      const open = () => {
        if (++count === 1) throw new Error('no token yet');
        return { count };
      };
      watch(fromWebSocket(server.url, { ...QUICK, open, status: status.add }));
      expect(await status.next('closed')).toMatchObject({ cause: { message: 'no token yet' } });
      await server.peers.next();
      expect(await (await server.peers.next()).messages.next()).toEqual({ count: 2 });
    });
  });

  describe('reconnects', () => {
    it.each([1000, 1001, 1011, 1012, 1013])('after a close with %i', async (code) => {
      const server = await liveServer();
      const status = new StatusLog();
      const { values } = watch(fromWebSocket(server.url, { ...QUICK, status: status.add }));
      (await server.peers.next()).socket.close(code, 'why');
      (await server.peers.next()).send([1]);
      expect(await values.next()).toEqual([1]);
      expect(status.all.map((event) => event.type)).toEqual([
        ...['connecting', 'open', 'closed', 'waiting'],
        ...['connecting', 'open'],
      ]);
      expect(status.of('closed')[0]).toMatchObject({ attempt: 1, code, reason: 'why' });
      expect(status.of('open')[1].attempt).toBe(2);
    });

    it('until a server is there', async () => {
      const place = createServer().listen(0, '127.0.0.1');
      await once(place, 'listening');
      const { port } = place.address() as AddressInfo;
      place.close();
      await once(place, 'close');
      const status = new StatusLog();
      const { values } = watch(fromWebSocket(`ws://127.0.0.1:${port}`, { ...QUICK, status: status.add }));
      expect(await status.next('closed')).toMatchObject({ cause: { code: 'ECONNREFUSED' } });
      const server = new WebSocketServer({ port, host: '127.0.0.1' });
      server.on('connection', (socket) => socket.send('[1]'));
      expect(await values.next()).toEqual([1]);
      for (const socket of server.clients) socket.terminate();
      server.close();
    });

    it('with a URL, headers and subprotocols made anew', async () => {
      const server = await liveServer();
      let token = 0;
      const status = new StatusLog();
      watch(
        fromWebSocket(async () => `${server.url}out/btc?token=${++token}`, {
          ...QUICK,
          headers: () => ({ authorization: `Bearer ${token}` }),
          protocols: () => Promise.resolve(['streamnorm.v1', `t${token}`]),
          status: status.add,
        }),
      );
      for (const count of [1, 2]) {
        const peer = await server.peers.next();
        expect(peer.request.url).toBe(`/out/btc?token=${count}`);
        expect(peer.request.headers.authorization).toMatch(/^Bearer \d$/);
        expect(peer.request.headers['sec-websocket-protocol']).toMatch(/^streamnorm\.v1,t\d$/);
        expect((await status.next('open')).protocol).toBe('streamnorm.v1');
        peer.socket.close(1012);
      }
    });

    it('without since after 4410, for as long as the URL gives the same', async () => {
      const server = await liveServer();
      let since = 'k3f9.1200';
      watch(fromWebSocket(() => `${server.url}out/btc?format=json&since=${since}`, QUICK));
      const urls: (string | undefined)[] = [];
      for (const code of [1012, 4410, 1012, 1012]) {
        const peer = await server.peers.next();
        urls.push(peer.request.url);
        if (urls.length === 4) since = 'new1.7';
        peer.socket.close(code);
      }
      urls.push((await server.peers.next()).request.url);
      expect(urls).toEqual([
        '/out/btc?format=json&since=k3f9.1200',
        '/out/btc?format=json&since=k3f9.1200',
        '/out/btc?format=json',
        '/out/btc?format=json',
        '/out/btc?format=json&since=new1.7',
      ]);
    });

    it('no sooner than Retry-After of HTTP 503 and 429', async () => {
      for (const refusal of ['503 Busy', '429 Too Many']) {
        const server = await liveServer({ refuse: () => `${refusal}\r\nRetry-After: 120` });
        const status = new StatusLog();
        watch(fromWebSocket(server.url, { ...QUICK, status: status.add }));
        expect(await status.next('closed')).toMatchObject({ status: Number(refusal.slice(0, 3)) });
        const { delayMs } = await status.next('waiting');
        expect(delayMs).toBeGreaterThanOrEqual(120_000);
        expect(delayMs).toBeLessThan(120_005);
      }
    });

    it('after the wait of HTTP 503 is over', async () => {
      let refusals = 0;
      const server = await liveServer({
        refuse: () => (++refusals > 2 ? undefined : '503 Busy\r\nRetry-After: 0'),
        onPeer: (peer) => peer.send([1]),
      });
      const { values } = watch(fromWebSocket(server.url, QUICK));
      expect(await values.next()).toEqual([1]);
      expect(refusals).toBe(3);
    });

    it('no sooner than a bye asks for', async () => {
      const server = await liveServer({
        onPeer: (peer) => {
          peer.send({ type: 'bye', code: 1012, retryAfterMs: 42_000 });
          peer.socket.close(1012);
        },
      });
      const status = new StatusLog();
      watch(fromWebSocket(server.url, { ...QUICK, status: status.add }));
      expect((await status.next('waiting')).delayMs).toBeGreaterThanOrEqual(42_000);
    });

    it('when the handshake is never answered, after handshakeTimeoutMs', async () => {
      const server = await muteServer();
      const status = new StatusLog();
      watch(fromWebSocket(server.url, { ...QUICK, handshakeTimeoutMs: 30, status: status.add }));
      const first = await server.connections.next();
      await once(first, 'close');
      await server.connections.next();
      expect((await status.next('closed')).reason).toBe('not open after 30 ms');
    });

    it('when no message comes for deadlineMs, cutting the connection', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      watch(fromWebSocket(server.url, { ...QUICK, deadlineMs: 40, status: status.add }));
      const first = await server.peers.next();
      expect(await first.closed).toBe(1006);
      await server.peers.next();
      expect((await status.next('closed')).reason).toBe('no message for 40 ms');
    });

    it('not while any message comes within deadlineMs', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      const { values } = watch(fromWebSocket(server.url, { ...QUICK, deadlineMs: 400, status: status.add }));
      const peer = await server.peers.next();
      // 40 heartbeats over 800 ms: twice the deadline.
      let count = 0;
      const beat = setInterval(() => {
        peer.send({ type: 'heartbeat', seq: ++count });
        if (count === 40) {
          clearInterval(beat);
          peer.send([1]);
        }
      }, 20);
      await values.next();
      expect(status.of('closed')).toEqual([]);
    });
  });

  describe('errors with UNAVAILABLE and tries no more', () => {
    it.each([1008, 4400, 4401, 4403, 4404])('after a close with %i', async (code) => {
      const server = await liveServer({ onPeer: (peer) => peer.socket.close(code, 'no') });
      const status = new StatusLog();
      const { end } = watch(fromWebSocket(server.url, { ...QUICK, status: status.add }));
      expect(await end).toMatchObject({ error: { name: 'StreamnormError', code: 'UNAVAILABLE', cause: { code } } });
      expect(status.of('failed')).toMatchObject([
        { code, reason: 'no', message: `fromWebSocket: the server refused for good: close code ${code}: no` },
      ]);
      expect(status.of('connecting')).toHaveLength(1);
    });

    it.each([401, 403, 404])('after HTTP %i', async (code) => {
      const server = await liveServer({ refuse: () => `${code} No` });
      const { end } = watch(fromWebSocket(server.url, QUICK));
      expect(await end).toMatchObject({ error: { code: 'UNAVAILABLE', cause: { status: code } } });
    });
  });

  describe('leaves out, counts and reports a bad message', () => {
    it('of every kind, and goes on', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      const { values } = watch(fromWebSocket(server.url, { status: status.add }));
      const { socket } = await server.peers.next();
      for (const text of ['{', '', '\ufeff[1]', 'null', '["1.5"]', '['.repeat(200_000)]) socket.send(text);
      socket.send(Buffer.from('SNM1'));
      socket.send(Buffer.from('bytes'));
      socket.send('[7]');
      expect(await values.next()).toEqual([7]);
      expect(status.of('bad-message').map(({ error }) => (error as { code: string }).code)).toEqual([
        ...['BAD_JSON', 'BAD_JSON', 'BAD_JSON', 'BAD_JSON', 'BAD_VALUE', 'BAD_JSON'],
        ...['BAD_FRAME', 'BAD_FRAME'],
      ]);
      expect(status.of('bad-message').at(-1)?.count).toBe(8);
      expect(status.of('closed')).toEqual([]);
    });

    it('when samples throws, also half-way, and returns no iterable', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      const samples = (message: unknown): Iterable<number> => {
        if (message === 1) throw new Error('one');
        if (message === 2) return 'two' as unknown as Iterable<number>;
        if (message === 3) return undefined as unknown as Iterable<number>;
        return (function* () {
          yield message as number;
          if (message === 4) throw new Error('four');
        })();
      };
      const { values } = watch(fromWebSocket(server.url, { samples, status: status.add }));
      const peer = await server.peers.next();
      for (const message of [1, 2, 3, 4, 5]) peer.send(message);
      expect(await values.next()).toBe(5);
      expect(status.of('bad-message').map(({ message }) => message)).toEqual([
        'one',
        'samples must return an iterable, got string',
        'samples must return an iterable, got undefined',
        'four',
      ]);
    });

    it('with more than maxRows samples, also from an iterable without end', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      const samples = function* (message: unknown) {
        for (let i = 0; i < (message as number); i++) yield i;
      };
      const { values } = watch(fromWebSocket(server.url, { samples, maxRows: 3, status: status.add }));
      const peer = await server.peers.next();
      for (const message of [4, 1e12, 3]) peer.send(message);
      expect(await values.take(3)).toEqual([0, 1, 2]);
      expect(status.of('bad-message').map(({ message }) => message)).toEqual(
        new Array(2).fill('the message has more than maxRows 3 samples'),
      );
    });
  });

  it('gives samples the parsed message, or the bytes and their frame', async () => {
    const server = await liveServer();
    const seen: unknown[] = [];
    const samples = (message: unknown, binary?: { rows: number }) => {
      seen.push(message instanceof Uint8Array ? message.length : message, binary?.rows);
      return [0];
    };
    const { values } = watch(fromWebSocket(server.url, { samples }));
    const peer = await server.peers.next();
    peer.send({ stream: 'a', data: ['1.5'] });
    peer.send(Uint8Array.of(9));
    const one = Float64Array.of(6);
    peer.send(encodeFrame({ kind: 'next', dtype: 'f64', rows: 1, columns: 1, values: one, seq: 0, time: 0 }));
    await values.take(3);
    expect(seen).toEqual([{ stream: 'a', data: ['1.5'] }, undefined, 1, undefined, 48, 1]);
  });

  it('reports control messages', async () => {
    const server = await liveServer({ onPeer: (peer) => peer.send({ type: 'gap', from: 1, to: 2, reason: 'slow' }) });
    const status = new StatusLog();
    watch(fromWebSocket(server.url, { status: status.add }));
    expect((await status.next('control')).message).toEqual({ type: 'gap', from: 1, to: 2, reason: 'slow' });
  });

  it('ends a connection that sends more than maxMessageBytes, and connects again', async () => {
    const server = await liveServer();
    const { values } = watch(fromWebSocket(server.url, { ...QUICK, maxMessageBytes: 10 }));
    const first = await server.peers.next();
    first.send('x'.repeat(20));
    expect(await first.closed).toBe(1009);
    (await server.peers.next()).send([1]);
    expect(await values.next()).toEqual([1]);
  });

  describe('unsubscribing', () => {
    it('in the middle of a message takes no more of it and closes with 1000', async () => {
      const server = await liveServer();
      const { values, end } = watch(fromWebSocket(server.url).pipe(take(2)));
      const peer = await server.peers.next();
      peer.send([[1], [2], [3]]);
      expect(await end).toBe('complete');
      expect(await peer.closed).toBe(1000);
      expect(values.left).toBe(2);
    });

    it('while connecting cuts the connection and reports nothing more', async () => {
      const server = await muteServer();
      const status = new StatusLog();
      const { subscription } = watch(fromWebSocket(server.url, { ...QUICK, status: status.add }));
      const socket = await server.connections.next();
      subscription.unsubscribe();
      await once(socket, 'close');
      expect(status.all.map((event) => event.type)).toEqual(['connecting']);
    });

    it('while the URL is awaited opens no connection', async () => {
      const server = await liveServer();
      let resolve!: (url: string) => void;
      const url = new Promise<string>((r) => {
        resolve = r;
      });
      const { subscription } = watch(fromWebSocket(() => url));
      subscription.unsubscribe();
      resolve(server.url);
      watch(fromWebSocket(`${server.url}second`));
      expect((await server.peers.next()).request.url).toBe('/second');
    });

    it.each(['connecting', 'open', 'control', 'waiting'])(
      'while %s leaves nothing that keeps a process alive',
      async (state) => {
        // Several messages at once: the rest of them arrives after the first has ended the subscription.
        const onPeer = ({ socket }: Peer) => {
          if (state === 'control') for (let seq = 0; seq < 9; seq++) socket.send('{"type":"heartbeat"}');
        };
        const { url } = state === 'connecting' ? await muteServer() : await liveServer({ onPeer });
        const entry = new URL('../../src/websocket/index.ts', import.meta.url).href;
        const program = `
          import { fromWebSocket } from '${entry}';
          const options = { minDelayMs: 1e8, maxDelayMs: 1e8, handshakeTimeoutMs: 1e8, deadlineMs: 1e8, stableMs: 1e8 };
          const leave = () => subscription.unsubscribe();
          const subscription = fromWebSocket('${state === 'waiting' ? 'ws://127.0.0.1:1' : url}', {
            ...options,
            status: ({ type }) => {
              if (type !== '${state}') return;
              if (type === 'control') leave();
              else setImmediate(() => setImmediate(leave));
            },
          }).subscribe();`;
        const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
          stdio: 'inherit',
          timeout: 20_000,
        });
        expect(await once(child, 'exit')).toEqual([0, null]);
      },
    );
  });

  it('throws wrong and unknown options at call time', () => {
    const url = 'ws://127.0.0.1';
    const thrown = (options: object) => () => fromWebSocket(url, options as never);
    expect(thrown({ minDelayMs: -1 })).toThrow(new RangeError('fromWebSocket requires minDelayMs > 0, got -1'));
    expect(thrown({ minDelayMs: '1' })).toThrow('fromWebSocket requires minDelayMs to be a number, got 1');
    expect(thrown({ maxDelayMs: Number.NaN })).toThrow('fromWebSocket requires maxDelayMs > 0, got NaN');
    expect(thrown({ maxDelayMs: 9 })).toThrow('fromWebSocket requires maxDelayMs >= minDelayMs (250), got 9');
    expect(thrown({ stableMs: 2 ** 31 })).toThrow('fromWebSocket requires stableMs <= 2147483647, got 2147483648');
    expect(thrown({ deadlineMs: 0 })).toThrow('fromWebSocket requires deadlineMs > 0, got 0');
    expect(thrown({ handshakeTimeoutMs: Infinity })).toThrow('handshakeTimeoutMs <= 2147483647, got Infinity');
    expect(thrown({ maxMessageBytes: 1.5 })).toThrow('maxMessageBytes to be an integer >= 1, got 1.5');
    expect(thrown({ maxRows: 0 })).toThrow('fromWebSocket requires maxRows to be an integer >= 1, got 0');
    expect(thrown({ samples: 1 })).toThrow('fromWebSocket requires samples to be a function, got 1');
    expect(thrown({ status: {} })).toThrow('fromWebSocket requires status to be a function, got an object');
    expect(thrown({ open: 5 })).toThrow('fromWebSocket requires open to be a string, bytes, an object');
    expect(thrown({ protocols: 5 })).toThrow('fromWebSocket requires protocols to be a string, an array or a function');
    expect(thrown({ headers: null })).toThrow('fromWebSocket requires headers to be an object or a function, got null');
    expect(thrown({ scheduler: null })).toThrow('fromWebSocket requires scheduler to be a scheduler, got null');
    expect(thrown({ retries: 3 })).toThrow("fromWebSocket has no option 'retries', only open, protocols");
    expect(() => fromWebSocket('nowhere')).toThrow(
      "fromWebSocket requires a ws:// or wss:// URL without a fragment, got 'nowhere'",
    );
    expect(() => fromWebSocket('ftp://h/')).toThrow("got 'ftp://…'");
    expect(() => fromWebSocket('ws://user:secret@h/#x')).toThrow("got 'ws://…#x'");
    expect(() => fromWebSocket('ws://user:secret@h:bad/?token=secret')).toThrow("got 'ws://…@h:bad/?…'");
  });
});
