import { concatMap, Subject, tap, window } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { BatchNorm, batchNorm } from '../../src/index.ts';
import { fromWebSocket, type Hole, type SocketOptions, samplesBy, toWebSocket } from '../../src/websocket/index.ts';
import { Arrivals } from './arrivals.ts';
import { liveServer, muteServer } from './live-server.ts';
import { StatusLog, watch } from './watch.ts';

const QUICK: SocketOptions = { minDelayMs: 1, maxDelayMs: 5 };
const numbered = (message: unknown) => (message as { n?: number }).n;
const values = (message: unknown) => [(message as { v: number }).v];

describe('heartbeat', () => {
  it('is sent at its interval, made anew by a function', async () => {
    const server = await liveServer();
    let count = 0;
    watch(fromWebSocket(server.url, { heartbeat: { everyMs: 5, message: () => ({ ping: ++count }) } }));
    const peer = await server.peers.next();
    expect(await peer.messages.take(3)).toEqual([{ ping: 1 }, { ping: 2 }, { ping: 3 }]);
  });

  it('that nothing answers cuts the connection, and the next one is made', async () => {
    const server = await liveServer();
    const status = new StatusLog();
    watch(
      fromWebSocket(server.url, {
        ...QUICK,
        status: status.add,
        heartbeat: { everyMs: 10, message: '"ping"', answerMs: 30 },
      }),
    );
    await server.peers.next();
    expect(await status.next('closed')).toMatchObject({ reason: 'no answer to a heartbeat for 30 ms' });
    await server.peers.next();
  });

  it('of a sink goes between the samples', async () => {
    const server = await liveServer();
    const source = new Subject<number>();
    watch(source.pipe(toWebSocket(server.url, { heartbeat: { everyMs: 5, message: '"beat"' } })));
    const peer = await server.peers.next();
    expect(await peer.messages.next()).toBe('beat');
    source.next(7);
    expect(await peer.messages.find((message) => message !== 'beat')).toBe(7);
  });

  it('that cannot be made cuts the connection with its reason', async () => {
    const server = await liveServer();
    const status = new StatusLog();
    const message = () => {
      throw new Error('no nonce');
    };
    watch(fromWebSocket(server.url, { ...QUICK, status: status.add, heartbeat: { everyMs: 5, message } }));
    expect(await status.next('closed')).toMatchObject({ cause: { message: 'no nonce' } });
  });
});

describe('answer', () => {
  it('sends back what the function makes of a message', async () => {
    const server = await liveServer();
    const answer = (message: unknown) => {
      const { ping } = message as { ping?: number };
      return ping === undefined ? undefined : { pong: ping };
    };
    const samples = samplesBy({ fields: { x: 'x' }, ignore: { ping: { exists: true } } });
    const { values } = watch(fromWebSocket(server.url, { answer, samples }));
    const peer = await server.peers.next();
    peer.send({ x: 1 });
    peer.send({ ping: 17 });
    expect(await peer.messages.next()).toEqual({ pong: 17 });
    expect(await values.next()).toEqual({ x: 1 });
    expect(values.left).toBe(0);
  });

  it('of a sink answers as well', async () => {
    const server = await liveServer();
    watch(new Subject<number>().pipe(toWebSocket(server.url, { answer: (message) => ({ to: message as object }) })));
    const peer = await server.peers.next();
    peer.send({ ping: 1 });
    expect(await peer.messages.next()).toEqual({ to: { ping: 1 } });
  });
});

describe('maxSendPerSecond', () => {
  it('spreads opening messages in order, and does not wait with what comes meanwhile', async () => {
    const server = await liveServer();
    const { values } = watch(fromWebSocket(server.url, { maxSendPerSecond: 2, open: [{ a: 1 }, { a: 2 }, { a: 3 }] }));
    const peer = await server.peers.next();
    expect(await peer.messages.take(2)).toEqual([{ a: 1 }, { a: 2 }]);
    peer.send([1]);
    expect(await values.next()).toEqual([1]);
    const from = performance.now();
    expect(await peer.messages.next()).toEqual({ a: 3 });
    expect(performance.now() - from).toBeLessThan(20_000);
  });

  it('keeps the samples of a sink in its queue meanwhile, and loses none it has room for', async () => {
    const server = await liveServer();
    const source = new Subject<number>();
    const sink = watch(source.pipe(toWebSocket(server.url, { maxSendPerSecond: 3 })));
    const peer = await server.peers.next();
    for (const value of [1, 2, 3, 4, 5]) source.next(value);
    source.complete();
    expect(await peer.messages.take(5)).toEqual([1, 2, 3, 4, 5]);
    expect(await sink.end).toBe('complete');
  });
});

describe('onHole', () => {
  it('is told of a lost connection before the first sample after it, and of nothing at the first', async () => {
    const server = await liveServer();
    const order: unknown[] = [];
    const onHole = (hole: Hole) => order.push(hole);
    const { values: rows } = watch(fromWebSocket(server.url, { ...QUICK, onHole }));
    const first = await server.peers.next();
    first.send([1]);
    order.push(await rows.next());
    first.reset();
    const second = await server.peers.next();
    second.send([2]);
    order.push(await rows.next());
    second.send([3]);
    order.push(await rows.next());
    expect(order).toEqual([
      [1],
      { reason: 'disconnected', fromMs: expect.any(Number), toMs: expect.any(Number), missed: undefined },
      [2],
      [3],
    ]);
    const { fromMs, toMs } = order[1] as Hole;
    expect(toMs).toBeGreaterThanOrEqual(fromMs);
  });

  it('into a Subject cuts batches there: window, concatMap and a shared model', async () => {
    const server = await liveServer();
    const holes = new Subject<Hole>();
    const model = new BatchNorm({ features: 1, eps: 0 });
    const arrived = new Arrivals<number[]>();
    const source = fromWebSocket<number[]>(server.url, { ...QUICK, onHole: (hole) => holes.next(hole) });
    const { values: rows } = watch(
      source.pipe(
        tap((row) => arrived.add(row)),
        window(holes),
        concatMap((part) => part.pipe(batchNorm<number[]>({ size: 3, model }))),
      ),
    );
    const first = await server.peers.next();
    for (const x of [1, 2, 3, 10, 20]) first.send([x]);
    await arrived.take(5);
    await rows.take(3);
    first.reset();
    const second = await server.peers.next();
    for (const x of [500, 600, 700]) second.send([x]);
    // 10 and 20 are a batch of their own
    expect(await rows.take(5)).toEqual([[-1], [1], [-1.224744871391589], [0], [1.224744871391589]]);
    expect(model.batches).toBe(3);
  });

  it('that throws is an error notification, and the socket is closed', async () => {
    const server = await liveServer();
    const { values: rows, end } = watch(
      fromWebSocket(server.url, {
        ...QUICK,
        onHole: () => {
          throw new Error('mine');
        },
      }),
    );
    const first = await server.peers.next();
    first.send([1]);
    await rows.next();
    first.reset();
    const second = await server.peers.next();
    second.send([2]);
    expect(await end).toEqual({ error: new Error('mine') });
    expect(await second.closed).toBe(1000);
  });
});

describe('sequence', () => {
  async function sequenced(options: object) {
    const server = await liveServer();
    const status = new StatusLog();
    const holes: Hole[] = [];
    const sequence = { of: numbered, ...options };
    const source = fromWebSocket<number>(server.url, {
      ...QUICK,
      sequence,
      samples: values,
      status: status.add,
      onHole: (hole) => holes.push(hole),
    });
    const watched = watch(source);
    const send = async (...numbers: number[]) => {
      const peer = await server.peers.next();
      for (const n of numbers) peer.send({ n, v: n });
      return peer;
    };
    return { ...watched, holes, status, send };
  }

  it('tells gaps with their number, leaves out duplicates and late messages', async () => {
    const { values: rows, holes, status, send } = await sequenced({});
    await send(1, 2, 2, 5, 3, 6);
    expect(await rows.take(4)).toEqual([1, 2, 5, 6]);
    expect(holes).toMatchObject([{ reason: 'sequence', missed: 2 }]);
    expect(status.of('sequence').map(({ what, seq, count, total }) => [what, seq, count, total])).toEqual([
      ['duplicate', 2, 1, 1],
      ['gap', 3, 2, 2],
      ['late', 3, 1, 1],
    ]);
  });

  it('sorts within its window, and there is no hole', async () => {
    const { values: rows, holes, send } = await sequenced({ reorder: 3 });
    await send(1, 3, 4, 2, 5);
    expect(await rows.take(5)).toEqual([1, 2, 3, 4, 5]);
    expect(holes).toEqual([]);
  });

  it('gives a missing message up after withinMs, though nothing more comes', async () => {
    const { values: rows, holes, send } = await sequenced({ reorder: 3, withinMs: 20 });
    await send(1, 3);
    expect(await rows.take(2)).toEqual([1, 3]);
    expect(holes).toMatchObject([{ reason: 'sequence', missed: 1 }]);
  });

  it('takes a number far back for a new count', async () => {
    const { values: rows, holes, send } = await sequenced({});
    await send(5_000, 5_001, 1, 2);
    expect(await rows.take(4)).toEqual([5_000, 5_001, 1, 2]);
    expect(holes).toMatchObject([{ reason: 'reset', missed: undefined }]);
  });

  it('shows over a reconnection what was missed, and takes nothing twice', async () => {
    const { values: rows, holes, send } = await sequenced({});
    const first = await send(1, 2, 3);
    await rows.take(3);
    first.reset();
    const second = await send(2, 3, 4);
    expect(await rows.next()).toBe(4);
    expect(holes).toEqual([]);
    second.reset();
    await send(8);
    expect(await rows.next()).toBe(8);
    expect(holes).toMatchObject([{ reason: 'sequence', missed: 3 }]);
  });

  it('with perConnection begins anew with each, and the hole is of unknown size', async () => {
    const { values: rows, holes, send } = await sequenced({ perConnection: true });
    const first = await send(1, 2, 3);
    await rows.take(3);
    first.reset();
    await send(1, 2, 4);
    expect(await rows.take(3)).toEqual([1, 2, 4]);
    expect(holes).toMatchObject([
      { reason: 'disconnected', missed: undefined },
      { reason: 'sequence', missed: 1 },
    ]);
  });

  it('takes messages without a number as they come, and a number that is none for a bad message', async () => {
    const { values: rows, status, send } = await sequenced({});
    const peer = await send(1);
    peer.send({ v: 10 });
    peer.send({ n: 1.5, v: 11 });
    peer.send({ n: 2, v: 2 });
    expect(await rows.take(3)).toEqual([1, 10, 2]);
    expect(status.of('bad-message')[0]?.message).toBe('the number of a message must be a whole number >= 0, got 1.5');
  });
});

describe('hold', () => {
  it('stops the sender by TCP and loses nothing', async () => {
    const server = await liveServer();
    const hold = new Subject<boolean>();
    const samples = (message: unknown) => [(message as [number])[0]];
    const source = watch(fromWebSocket<number>(server.url, { hold, samples }));
    const peer = await server.peers.next();
    peer.send([-1]);
    expect(await source.values.next()).toBe(-1);
    hold.next(true);
    const count = 800;
    const filler = 'x'.repeat(20_000);
    // 16 MB: more than all buffers between take
    for (let i = 0; i < count; i++) peer.send([i, filler]);
    // sent and answered after all that was written before: nothing of it was read
    const other = await liveServer();
    const probe = watch(fromWebSocket(other.url));
    (await other.peers.next()).send([1]);
    await probe.values.next();
    expect(source.values.left).toBe(0);
    expect(peer.socket.bufferedAmount).toBeGreaterThan(1_000_000);
    hold.next(false);
    for (let i = 0; i < count; i++) expect(await source.values.next()).toBe(i);
  });

  it('is no silence: a deadline that passes while held cuts nothing', async () => {
    const server = await liveServer();
    const hold = new Subject<boolean>();
    const status = new StatusLog();
    const held = watch(fromWebSocket<number[]>(server.url, { hold, deadlineMs: 40, status: status.add }));
    const peer = await server.peers.next();
    await status.next('open');
    hold.next(true);
    // another connection with the same deadline is cut meanwhile: so long has passed
    const mute = await liveServer();
    const log = new StatusLog();
    watch(fromWebSocket(mute.url, { deadlineMs: 120, status: log.add }));
    await log.next('closed');
    expect(status.of('closed')).toEqual([]);
    peer.send([1]);
    hold.next(false);
    expect(await held.values.next()).toEqual([1]);
  });

  it('hands on what it holds before it says that the server refused for good', async () => {
    const server = await liveServer();
    const hold = new Subject<boolean>();
    const status = new StatusLog();
    const { values: rows, end } = watch(fromWebSocket<number[]>(server.url, { hold, status: status.add }));
    const peer = await server.peers.next();
    peer.send([1]);
    expect(await rows.next()).toEqual([1]);
    // read in one piece: the message and the close come though the socket is paused after the first
    hold.next(true);
    hold.next(false);
    peer.send([2]);
    peer.socket.close(4401, 'token');
    expect(await end).toMatchObject({ error: { code: 'UNAVAILABLE' } });
    expect(await rows.next()).toEqual([2]);
  });
});

it('50 connections that last a moment leave no socket and no timer behind', async () => {
  const server = await liveServer({ onPeer: (peer) => peer.reset() });
  const status = new StatusLog();
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const heartbeat = { everyMs: 1_000, message: 'x', answerMs: 500 };
  const { subscription } = watch(
    fromWebSocket(server.url, { ...QUICK, heartbeat, deadlineMs: 5_000, maxSendPerSecond: 5, status: status.add }),
  );
  for (let i = 0; i < 50; i++) await status.next('closed');
  subscription.unsubscribe();
  expect(status.of('connecting').at(-1)?.attempt).toBeGreaterThanOrEqual(50);
  await expect.poll(() => server.open()).toBe(0);
  // of this test's own server and runner there may come some; of 50 connections there would come 100
  expect(timers()).toBeLessThanOrEqual(before + 5);
});

it('the handshake that is never answered ends at its limit and is tried again', async () => {
  const server = await muteServer();
  watch(fromWebSocket(server.url, { ...QUICK, handshakeTimeoutMs: 20 }));
  await server.connections.next();
  await server.connections.next();
});

describe('wrong options are refused at call time', () => {
  it.each<[string, object, RegExp]>([
    [
      'heartbeat without everyMs',
      { heartbeat: { message: 'x' } },
      /fromWebSocket requires heartbeat.everyMs to be a number/,
    ],
    ['heartbeat without a message', { heartbeat: { everyMs: 5 } }, /heartbeat.message to be a string/],
    [
      'an unknown heartbeat option',
      { heartbeat: { everyMs: 5, message: 'x', every: 1 } },
      /no option 'heartbeat.every'/,
    ],
    ['answerMs 0', { heartbeat: { everyMs: 5, message: 'x', answerMs: 0 } }, /heartbeat.answerMs > 0, got 0/],
    ['answer that is none', { answer: 'pong' }, /answer to be a function, got pong/],
    ['half a message a second', { maxSendPerSecond: 0.5 }, /maxSendPerSecond to be an integer >= 1, got 0.5/],
    ['sequence without of', { sequence: {} }, /sequence.of to be a function/],
    ['an unknown sequence option', { sequence: { of: numbered, window: 1 } }, /no option 'sequence.window'/],
    ['reorder below 0', { sequence: { of: numbered, reorder: -1 } }, /sequence.reorder to be an integer >= 0, got -1/],
    ['hold that is no Observable', { hold: true }, /hold to be an Observable of true and false, got true/],
    ['onHole that is none', { onHole: 1 }, /onHole to be a function, got 1/],
  ])('%s', (_, options, text) => {
    expect(() => fromWebSocket('ws://127.0.0.1:1', options)).toThrow(text);
  });
});
