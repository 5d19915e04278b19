import { concatMap, delay, from, lastValueFrom, map, of, take, tap, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { brokerOf } from '../../src/nats/broker.ts';
import { fromJetStream } from '../../src/nats/from-jet-stream.ts';
import { LogNames } from '../../src/nats/log-names.ts';
import { partitionOf } from '../../src/nats/partition-of.ts';
import { provisionLog } from '../../src/nats/provision.ts';
import { publishBatches } from '../../src/nats/publish-batches.ts';
import { toJetStream } from '../../src/nats/to-jet-stream.ts';
import { text } from './model.ts';
import { testBroker, withBroker } from './with-broker.ts';

const numberOf = ({ data }: { data: Uint8Array }) => Number(text(data));

withBroker('what toJetStream publishes, fromJetStream emits, in order and from any number on', async () => {
  const { connection } = await testBroker();
  const { manager } = await brokerOf(connection);
  await manager.streams.add({ name: 'TICKS', subjects: ['ticks.*'] });
  const published = await lastValueFrom(
    from([1, 2, 3, 4, 5]).pipe(
      toJetStream(connection, { subject: (n) => `ticks.${n % 2 === 0 ? 'even' : 'odd'}`, maxInFlight: 1 }),
      toArray(),
    ),
  );
  expect(published).toEqual([1, 2, 3, 4, 5].map((value) => ({ value, seq: value, duplicate: false })));
  const read = (options: { subject?: string; after?: number }, count: number) =>
    lastValueFrom(
      fromJetStream(connection, { stream: 'TICKS', ...options }).pipe(map(numberOf), take(count), toArray()),
    );
  expect(await read({}, 5)).toEqual([1, 2, 3, 4, 5]);
  expect(await read({ after: 3 }, 2)).toEqual([4, 5]);
  expect(await read({ subject: 'ticks.even' }, 2)).toEqual([2, 4]);
  // readers that are gone leave nothing behind
  await expect.poll(async () => (await manager.streams.info('TICKS')).state.consumer_count).toBe(0);
});

withBroker('a value with the id of one before it is kept once', async () => {
  const { connection } = await testBroker();
  const { manager } = await brokerOf(connection);
  await manager.streams.add({ name: 'TICKS', subjects: ['ticks'] });
  const options = { subject: 'ticks', id: (n: number) => `tick-${n % 2}`, maxInFlight: 1 };
  const published = await lastValueFrom(from([1, 2, 3]).pipe(toJetStream(connection, options), toArray()));
  expect(published.map(({ duplicate }) => duplicate)).toEqual([false, false, true]);
  expect((await manager.streams.info('TICKS')).state.messages).toBe(2);
});

withBroker('fromJetStream asks for no more while work is under way', async () => {
  const { connection } = await testBroker();
  const { manager } = await brokerOf(connection);
  await manager.streams.add({ name: 'TICKS', subjects: ['ticks'] });
  await lastValueFrom(
    from(Array.from({ length: 500 }, (_, i) => i)).pipe(toJetStream(connection, { subject: 'ticks', maxInFlight: 1 })),
  );
  let [begun, ended, handedOut] = [0, 0, 0];
  const work = (message: { data: Uint8Array }) =>
    of(numberOf(message)).pipe(
      tap(() => begun++),
      concatMap(async (n) => {
        // one at a time
        expect(begun - ended).toBe(1);
        if (n % 50 === 0) {
          for await (const { delivered } of manager.consumers.list('TICKS')) handedOut = delivered.consumer_seq;
          // what is in work, and as much read ahead
          expect(handedOut).toBeLessThanOrEqual(ended + 20 + 1);
        }
        return n;
      }),
      delay(0),
      tap(() => ended++),
    );
  const read = fromJetStream(connection, { stream: 'TICKS', maxMessages: 10 }, work).pipe(take(300), toArray());
  expect(await lastValueFrom(read)).toEqual(Array.from({ length: 300 }, (_, i) => i));
  expect(handedOut).toBeGreaterThan(200);
});

withBroker('fromJetStream goes on behind its last message after kill -9 of the broker', async () => {
  const { server, connection } = await testBroker();
  const { manager } = await brokerOf(connection);
  await manager.streams.add({ name: 'TICKS', subjects: ['ticks'] });
  const source = from(Array.from({ length: 40 }, (_, i) => i));
  await lastValueFrom(source.pipe(take(20), toJetStream(connection, { subject: 'ticks', maxInFlight: 1 })));
  const seen: number[] = [];
  const all = lastValueFrom(
    fromJetStream(connection, { stream: 'TICKS' }).pipe(
      map(numberOf),
      tap((n) => seen.push(n)),
      take(40),
      toArray(),
    ),
  );
  await expect.poll(() => seen.length).toBe(20);
  await server.killAndStart();
  await lastValueFrom(
    source.pipe(
      concatMap((n) => (n < 20 ? [] : [n])),
      toJetStream(connection, { subject: 'ticks', maxInFlight: 1 }),
    ),
  );
  expect(await all).toEqual(Array.from({ length: 40 }, (_, i) => i));
});

withBroker('toJetStream errors when more values wait than it may hold', async () => {
  const { connection } = await testBroker();
  const { manager } = await brokerOf(connection);
  await manager.streams.add({ name: 'TICKS', subjects: ['ticks'] });
  const flood = from(Array.from({ length: 100 }, (_, i) => i));
  const options = { subject: 'ticks', maxWaiting: 10, maxInFlight: 2 };
  await expect(lastValueFrom(flood.pipe(toJetStream(connection, options)))).rejects.toMatchObject({
    code: 'QUEUE_OVERFLOW',
    message: '10 values wait for the broker',
  });
});

withBroker('publishBatches keeps a key in one partition and in order, in windows of size', async () => {
  const { connection } = await testBroker();
  await provisionLog(connection, { channel: 'ticks', partitions: 4 });
  const samples = Array.from({ length: 100 }, (_, i) => ({ key: `k${i % 7}`, i }));
  const batches = await lastValueFrom(
    from(samples).pipe(publishBatches(connection, { channel: 'ticks', keyOf: ({ key }) => key, size: 8 }), toArray()),
  );
  const names = new LogNames('streamnorm', 'ticks');
  for (let partition = 0; partition < 4; partition++) {
    const own = samples.filter(({ key }) => partitionOf(key, 4) === partition);
    const windows = batches.filter((batch) => batch.partition === partition).map((batch) => batch.samples);
    expect(windows.flat()).toEqual(own);
    for (const window of windows.slice(0, -1)) expect(window).toHaveLength(8);
    if (own.length === 0) continue;
    const read = fromJetStream(connection, { stream: names.inStream(1), subject: names.inSubject(1, partition) }).pipe(
      // the first message of a partition is its origin
      map(({ data }) => (data.length === 0 ? [] : JSON.parse(text(data)))),
      take(1 + windows.length),
      toArray(),
    );
    expect((await lastValueFrom(read)).flat()).toEqual(own);
  }
});

describe('partitionOf', () => {
  test.each([
    ['', 2_166_136_261],
    ['a', 3_826_002_220],
    ['foobar', 3_214_735_720],
  ])("is FNV-1a: of '%s' it is %i", (key, hash) => expect(partitionOf(key, 2 ** 32)).toBe(hash));

  withBroker("is the broker's own {{partition()}}", async () => {
    const { connection } = await testBroker('mappings = { "raw.*": "part.{{partition(16,1)}}.{{wildcard(1)}}" }');
    const keys = ['btc', 'eth', 'a', 'Zürich', '東京', 'long-'.repeat(20), '0', '00'];
    const subscription = connection.subscribe('part.>', { max: keys.length });
    await connection.flush();
    for (const key of keys) connection.publish(`raw.${key}`);
    for await (const { subject } of subscription) {
      const [, partition, key] = subject.split('.');
      expect(`${key} ${partition}`).toBe(`${key} ${partitionOf(key, 16)}`);
    }
  });
});

test('wrong options throw at once', () => {
  const connection = {} as never;
  expect(() => fromJetStream(connection, { stream: 'x', after: -1 })).toThrow(
    'fromJetStream requires after to be a whole number >= 0, got -1',
  );
  expect(() => toJetStream(connection, { subject: 'x', maxInFlight: 0 })).toThrow(
    'toJetStream requires maxInFlight to be a whole number >= 1, got 0',
  );
  expect(() => publishBatches(connection, { channel: 'x', size: 1.5 })).toThrow(
    'publishBatches requires size to be a whole number >= 1, got 1.5',
  );
});
