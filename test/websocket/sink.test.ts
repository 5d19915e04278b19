import { once } from 'node:events';
import { concat, EMPTY, from, NEVER, of, Subject, tap, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { decodeFrame, type SocketOptions, toWebSocket } from '../../src/websocket/index.ts';
import { liveServer, muteServer } from './live-server.ts';
import { StatusLog, watch } from './watch.ts';

const QUICK: SocketOptions = { minDelayMs: 1, maxDelayMs: 5 };

describe('toWebSocket', () => {
  it('emits every sample once it is written, in order, then closes with 1000 and completes', async () => {
    const server = await liveServer();
    const samples = [1.5, [1, Number.NaN], { bid: 2 }, Float64Array.of(3, Infinity)];
    const { values, end } = watch(from<unknown[]>(samples).pipe(toWebSocket(server.url)));
    const peer = await server.peers.next();
    expect(await peer.messages.take(4)).toEqual([1.5, [1, null], { bid: 2 }, [3, null]]);
    expect(await peer.closed).toBe(1000);
    expect(await end).toBe('complete');
    expect(await values.take(4)).toEqual(samples);
  });

  it('emits nothing before the socket is open', async () => {
    const server = await muteServer();
    const { values } = watch(concat(of([1]), NEVER).pipe(toWebSocket(server.url)));
    await server.connections.next();
    expect(values.left).toBe(0);
  });

  describe('format', () => {
    it.each(['f32', 'f64'] as const)('%s writes one push frame a sample, seq counting rows', async (format) => {
      const server = await liveServer();
      const samples = [
        [
          [1, 2],
          [3, 4],
        ],
        Float32Array.of(5, Number.NaN),
        [7, 8],
      ];
      watch(from<unknown[]>(samples).pipe(toWebSocket(server.url, { format })));
      const peer = await server.peers.next();
      const frames = (await peer.messages.take(3)).map((bytes) => decodeFrame(bytes as Uint8Array));
      expect(frames).toMatchObject([
        { kind: 'push', dtype: format, rows: 2, columns: 2, seq: 0, values: Float64Array.of(1, 2, 3, 4) },
        { rows: 1, columns: 2, seq: 2, values: Float64Array.of(5, Number.NaN) },
        { rows: 1, columns: 2, seq: 3, values: Float64Array.of(7, 8) },
      ]);
      expect(Math.abs(frames[0].time - Date.now())).toBeLessThan(10_000);
    });

    it('leaves out, counts and reports a sample it cannot write, and goes on', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      const samples = from<unknown[]>([{ a: 1 }, ['x'], [1]]);
      const { values, end } = watch(samples.pipe(toWebSocket(server.url, { format: 'f64', status: status.add })));
      expect(await end).toBe('complete');
      expect(await values.next()).toEqual([1]);
      expect(values.left).toBe(0);
      expect(status.of('bad-sample').map(({ count, error }) => [count, (error as { code: string }).code])).toEqual([
        [1, 'BAD_VALUE'],
        [2, 'BAD_VALUE'],
      ]);
    });
  });

  it('sends the opening messages first, on every connection, and goes on after a TCP reset', async () => {
    const server = await liveServer();
    const source = new Subject<number[]>();
    const { values } = watch(source.pipe(toWebSocket(server.url, { ...QUICK, open: { hello: 1 } })));
    source.next([1]);
    const first = await server.peers.next();
    expect(await first.messages.take(2)).toEqual([{ hello: 1 }, [1]]);
    first.reset();
    await once(first.request.socket, 'close');
    const second = await server.peers.next();
    source.next([2]);
    expect(await second.messages.take(2)).toEqual([{ hello: 1 }, [2]]);
    expect(await values.take(2)).toEqual([[1], [2]]);
  });

  it('reconnects after a clean close', async () => {
    const server = await liveServer();
    const source = new Subject<number[]>();
    watch(source.pipe(toWebSocket(server.url, QUICK)));
    (await server.peers.next()).socket.close(1000);
    const second = await server.peers.next();
    source.next([2]);
    expect(await second.messages.next()).toEqual([2]);
  });

  describe('the queue', () => {
    it('keeps the newest maxQueue samples while no socket is open, and reports each drop', async () => {
      const server = await liveServer();
      const status = new StatusLog();
      const source = from([[1], [2], [3], [4], [5]]);
      const { values, end } = watch(source.pipe(toWebSocket(server.url, { maxQueue: 2, status: status.add })));
      expect(await end).toBe('complete');
      expect(await (await server.peers.next()).messages.take(2)).toEqual([[4], [5]]);
      expect(await values.take(2)).toEqual([[4], [5]]);
      expect(status.of('dropped')).toEqual([1, 2, 3].map((total) => ({ type: 'dropped', count: 1, total })));
    });

    it('is 1,000 samples by default', async () => {
      const status = new StatusLog();
      const server = await muteServer();
      const samples = Array.from({ length: 1_003 }, (_, i) => [i]);
      watch(concat(samples, NEVER).pipe(toWebSocket(server.url, { status: status.add })));
      expect(status.of('dropped').at(-1)).toMatchObject({ total: 3 });
    });

    it('fills above highWaterBytes and empties as the reader goes on, losing nothing it has room for', async () => {
      const server = await liveServer();
      const source = new Subject<string[]>();
      const options = { highWaterBytes: 100_000, maxQueue: 10_000, format: 'json' as const };
      const status = new StatusLog();
      const { values, end } = watch(source.pipe(toWebSocket(server.url, { ...options, status: status.add })));
      const peer = await server.peers.next();
      await status.next('open');
      peer.request.socket.pause();
      // 30 MB: more than the kernel takes for a reader that does not read.
      const sample = ['x'.repeat(100_000)];
      for (let i = 0; i < 300; i++) source.next(sample);
      const written = values.left;
      expect(written).toBeLessThan(300);
      source.complete();
      peer.request.socket.resume();
      expect(await end).toBe('complete');
      expect(values.left).toBe(300);
      expect(peer.messages.left).toBe(300);
      expect(status.of('dropped')).toEqual([]);
    });

    it('drops the oldest above highWaterBytes, too', async () => {
      const server = await liveServer();
      const source = new Subject<string[]>();
      const status = new StatusLog();
      const options = { highWaterBytes: 1, maxQueue: 5, status: status.add };
      const { values } = watch(source.pipe(toWebSocket(server.url, options)));
      const peer = await server.peers.next();
      await status.next('open');
      peer.request.socket.pause();
      const sample = ['x'.repeat(1_000_000)];
      for (let i = 0; i < 50; i++) source.next(sample);
      const { total } = status.of('dropped').at(-1)!;
      expect(values.left + 5 + total).toBe(50);
    });
  });

  describe('completion', () => {
    it('of a source without samples completes without waiting for a server', async () => {
      const server = await muteServer();
      expect(await watch(EMPTY.pipe(toWebSocket(server.url))).end).toBe('complete');
    });

    it('flushes what waits for a server that comes back', async () => {
      let refusals = 0;
      const server = await liveServer({ refuse: () => (++refusals > 3 ? undefined : '500 Down') });
      const { end } = watch(from([[1], [2]]).pipe(toWebSocket(server.url, QUICK)));
      expect(await end).toBe('complete');
      expect(await (await server.peers.next()).messages.take(2)).toEqual([[1], [2]]);
    });

    it('errors with UNAVAILABLE and the number of samples when nothing moves for flushTimeoutMs', async () => {
      const server = await muteServer();
      const status = new StatusLog();
      const source = from([[1], [2], [3]]);
      const { end } = watch(source.pipe(toWebSocket(server.url, { flushTimeoutMs: 30, status: status.add })));
      const { error } = (await end) as { error: Error };
      expect(error).toMatchObject({ name: 'StreamnormError', code: 'UNAVAILABLE' });
      expect(error.message).toMatch(/^toWebSocket could not deliver 3 samples .* flushTimeoutMs 30$/);
      expect(status.of('dropped')).toEqual([{ type: 'dropped', count: 3, total: 3 }]);
      await once(await server.connections.next(), 'close');
    });

    it('errors after flushTimeoutMs also when an open socket takes no more', async () => {
      const server = await liveServer();
      const source = new Subject<string[]>();
      const status = new StatusLog();
      const { end } = watch(source.pipe(toWebSocket(server.url, { flushTimeoutMs: 50, status: status.add })));
      const peer = await server.peers.next();
      await status.next('open');
      peer.request.socket.pause();
      for (let i = 0; i < 20; i++) source.next(['x'.repeat(1_000_000)]);
      source.complete();
      expect(await end).toMatchObject({ error: { code: 'UNAVAILABLE' } });
    });

    it('counts flushTimeoutMs from the last progress: a slow reader still gets everything', async () => {
      const server = await liveServer({
        onPeer: ({ socket, request }) =>
          socket.on('message', () => {
            request.socket.pause();
            setTimeout(() => request.socket.resume(), 30);
          }),
      });
      const source = new Subject<string[]>();
      const status = new StatusLog();
      const options = { flushTimeoutMs: 1_000, status: status.add };
      const { end } = watch(source.pipe(toWebSocket(server.url, options)));
      const peer = await server.peers.next();
      await status.next('open');
      for (let i = 0; i < 60; i++) source.next(['x'.repeat(1_000_000)]);
      source.complete();
      expect(await end).toBe('complete');
      expect(await peer.closed).toBe(1000);
      expect(peer.messages.left).toBe(60);
    });

    it('waits for a refusal that comes before the goodbye', async () => {
      const server = await liveServer({
        onPeer: (peer) => peer.socket.on('message', () => peer.socket.close(4403, 'not yours')),
      });
      const source = new Subject<number[]>();
      const { end } = watch(source.pipe(toWebSocket(server.url, QUICK)));
      await server.peers.next();
      source.next([1]);
      source.complete();
      expect(await end).toMatchObject({ error: { code: 'UNAVAILABLE', cause: { code: 4403 } } });
    });
  });

  it('reports replies of type error as rejected, and other control messages', async () => {
    const server = await liveServer({
      onPeer: (peer) =>
        peer.socket.on('message', () => {
          peer.send({ type: 'accepted', seq: 1 });
          peer.send({ type: 'error', code: 'BAD_DIM', message: 'row 3 has 5 values', row: 3, retry: false });
          peer.socket.send('{');
        }),
    });
    const status = new StatusLog();
    watch(concat(of([1]), NEVER).pipe(toWebSocket(server.url, { status: status.add })));
    expect(await status.next('control')).toMatchObject({ message: { type: 'accepted', seq: 1 } });
    expect(await status.next('rejected')).toEqual({
      type: 'rejected',
      code: 'BAD_DIM',
      message: 'row 3 has 5 values',
      row: 3,
    });
    expect(await status.next('bad-message')).toMatchObject({ count: 1 });
  });

  it('errors with UNAVAILABLE after a final close and HTTP 401, unsubscribes the source and reports the rest', async () => {
    for (const server of [
      await liveServer({ refuse: () => '401 No' }),
      await liveServer({ onPeer: (peer) => peer.socket.close(4401) }),
    ]) {
      const source = new Subject<number[]>();
      const status = new StatusLog();
      const { end } = watch(source.pipe(toWebSocket(server.url, { ...QUICK, status: status.add })));
      expect(source.observed).toBe(true);
      expect(await end).toMatchObject({ error: { code: 'UNAVAILABLE' } });
      expect(source.observed).toBe(false);
      expect(status.of('connecting')).toHaveLength(1);
    }
  });

  it('passes an error of the source on at once, closes the socket and reports what was dropped', async () => {
    const server = await muteServer();
    const status = new StatusLog();
    const source = concat(
      of([1], [2]),
      throwError(() => new Error('upstream')),
    );
    const { end } = watch(source.pipe(toWebSocket(server.url, { status: status.add })));
    expect(await end).toMatchObject({ error: { message: 'upstream' } });
    expect(status.of('dropped')).toEqual([{ type: 'dropped', count: 2, total: 2 }]);
  });

  it('closes the socket and leaves the source when unsubscribed', async () => {
    const server = await liveServer();
    const source = new Subject<number[]>();
    const status = new StatusLog();
    const { subscription } = watch(source.pipe(toWebSocket(server.url, { status: status.add })));
    const peer = await server.peers.next();
    await status.next('open');
    subscription.unsubscribe();
    expect(source.observed).toBe(false);
    expect(await peer.closed).toBe(1000);
  });

  it('cuts a connection that is being made when unsubscribed', async () => {
    const server = await muteServer();
    const { subscription } = watch(NEVER.pipe(toWebSocket(server.url)));
    const socket = await server.connections.next();
    subscription.unsubscribe();
    await once(socket, 'close');
  });

  it('gives every subscription its own connection and queue', async () => {
    const server = await liveServer();
    const sink = from([[1]]).pipe(toWebSocket(server.url, { format: 'f64' }));
    for (let i = 0; i < 2; i++) {
      expect(await watch(sink).end).toBe('complete');
      const peer = await server.peers.next();
      expect(decodeFrame((await peer.messages.next()) as Uint8Array).seq).toBe(0);
      expect(await peer.closed).toBe(1000);
    }
  });

  it('keeps the order of a source that emits while its sample is being emitted', async () => {
    const server = await liveServer();
    const source = new Subject<number>();
    const again = tap((value: number) => {
      if (value < 3) source.next(value + 1);
      else source.complete();
    });
    const { end, values } = watch(source.pipe(toWebSocket(server.url), again));
    source.next(1);
    expect(await end).toBe('complete');
    expect(await (await server.peers.next()).messages.take(3)).toEqual([1, 2, 3]);
    expect(await values.take(3)).toEqual([1, 2, 3]);
  });

  it('throws wrong and unknown options at call time', () => {
    const thrown = (options: object) => () => toWebSocket('ws://127.0.0.1', options);
    expect(thrown({ maxQueue: 0 })).toThrow(
      new RangeError('toWebSocket requires maxQueue to be an integer >= 1, got 0'),
    );
    expect(thrown({ highWaterBytes: -1 })).toThrow('toWebSocket requires highWaterBytes to be an integer >= 1, got -1');
    expect(thrown({ flushTimeoutMs: 0 })).toThrow('toWebSocket requires flushTimeoutMs > 0, got 0');
    expect(thrown({ format: 'csv' })).toThrow("toWebSocket requires format 'json', 'f32' or 'f64', got 'csv'");
    expect(thrown({ samples: () => [] })).toThrow("toWebSocket has no option 'samples'");
    expect(() => toWebSocket('http')).toThrow('toWebSocket requires a ws:// or wss:// URL');
  });
});
