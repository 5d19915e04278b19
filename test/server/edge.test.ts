import { describe, expect, onTestFinished } from 'vitest';
import { createNormalizer } from '../../src/core/methods.ts';
import { brokerOf } from '../../src/nats/broker.ts';
import { LogNames } from '../../src/nats/log-names.ts';
import { parseConfig } from '../../src/server/config.ts';
import type { ServerConfigInput } from '../../src/server/index.ts';
import { type LogConfig, provisionLogs, repartition, runLogWorker } from '../../src/server/log-worker.ts';
import { NatsServer } from '../nats/nats-server.ts';
import { testBroker, withBroker } from '../nats/with-broker.ts';
import { getJson, type Next, produce, push, rowsOf, serve, subscribe } from './clients.ts';

/** A broker with the logs of some channels, and a worker on them. */
async function cluster(channels: ServerConfigInput['channels'], nats: object = {}) {
  const { server, connection } = await testBroker();
  const input = { nats: { servers: server.url, lease: '900ms', checkpoint: '500ms', ...nats }, channels };
  const config = parseConfig(input) as LogConfig;
  await provisionLogs(connection, config);
  const work = () => {
    const stop = new AbortController();
    const ended = runLogWorker(connection, config, {}, stop.signal);
    const end = () => {
      stop.abort();
      return ended;
    };
    onTestFinished(end);
    return end;
  };
  return { server, connection, work, edge: () => serve(input as ServerConfigInput) };
}

function expected(options: object, rows: number[][]): number[][] {
  const normalizer = createNormalizer('cumulative', ['a', 'b'], options);
  const { z } = normalizer.push(Float64Array.from(rows.flat()), rows.length, new Float64Array(rows.length))!;
  return rows.map((_, i) => Array.from(z.subarray(2 * i, 2 * i + 2)));
}

const numbers = (blocks: Next[]) => blocks.flatMap(({ z }) => z.map((row) => row.map((x) => x ?? Number.NaN)));
const CHANNELS = { ticks: { features: ['a', 'b'], method: 'cumulative' as const } };

withBroker(
  'a push at one edge is answered once the broker has it, and comes out at every edge under the same number',
  async () => {
    const { work, edge } = await cluster(CHANNELS);
    const [one, two] = [await edge(), await edge()];
    const [here, there] = [await subscribe(one, 'ticks', '?digits=17'), await subscribe(two, 'ticks', '?digits=17')];
    expect(here.snapshot).toMatchObject({ seq: 0 });
    expect(there.snapshot.epoch).toBe(here.snapshot.epoch);
    const producer = await produce(one, 'ticks');
    const rows = rowsOf(40, 2);
    // accepted, although no worker is there yet
    await push(producer, rows.slice(0, 20));
    await push(producer, rows.slice(20));
    work();
    const z = expected({}, rows);
    for (const { client } of [here, there]) expect(numbers(await client.rows(1, 40))).toEqual(z);
  },
);

withBroker('a push that is repeated, at another edge too, is applied once', async () => {
  const { work, edge } = await cluster(CHANNELS);
  work();
  const [one, two] = [await edge(), await edge()];
  const { client } = await subscribe(one, 'ticks');
  for (const server of [one, two, one]) {
    const producer = await produce(server, 'ticks');
    producer.send({
      type: 'push',
      producer: 'p',
      seq: 1,
      x: [
        [1, 1],
        [2, 4],
      ],
    });
    expect(await producer.next()).toEqual({ type: 'accepted', producer: 'p', seq: 1 });
  }
  const producer = await produce(two, 'ticks');
  producer.send({ type: 'push', producer: 'p', seq: 2, x: [[3, 9]] });
  expect(await producer.next()).toMatchObject({ type: 'accepted' });
  const blocks = await client.rows(1, 3);
  expect(blocks.at(-1)?.seq).toBe(3);
});

withBroker('since of one edge goes on at another, and at one that was started later, without a hole', async () => {
  const { work, edge } = await cluster({ ticks: { ...CHANNELS.ticks } }, { partitions: 3 });
  work();
  const one = await edge();
  const first = await subscribe(one, 'ticks');
  const producer = await produce(one, 'ticks');
  const rows = rowsOf(60, 2);
  // of six producers, whose rows lie in several partitions
  for (let i = 0; i < 60; i += 5) await push(producer, rows.slice(i, i + 5), `p${(i / 5) % 6}`);
  const seen = await first.client.rows(1, 60);
  const two = await edge();
  const later = await subscribe(two, 'ticks', `?since=${first.snapshot.epoch}.20`);
  expect(later.snapshot).toMatchObject({ seq: 20, recovered: true, epoch: first.snapshot.epoch });
  const again = await later.client.rows(21, 40);
  // the same rows have the same numbers, whichever edge tells them
  expect(numbers(again)).toEqual(numbers(seen).slice(20));
});

withBroker('an edge that is started when old outputs are gone numbers rows as the others do', async () => {
  const { work, edge, connection } = await cluster(CHANNELS, { partitions: 2, maxOutputs: 3 });
  work();
  const one = await edge();
  const { client, snapshot } = await subscribe(one, 'ticks');
  const producer = await produce(one, 'ticks');
  const rows = rowsOf(50, 2);
  for (let i = 0; i < 50; i += 5) {
    await push(producer, rows.slice(i, i + 5), `p${(i / 5) % 5}`);
    await client.rows(i + 1, 5);
  }
  const names = new LogNames('streamnorm', 'ticks');
  const { manager } = await brokerOf(connection);
  expect((await manager.streams.info(names.outStream)).state.first_seq).toBeGreaterThan(1);
  const two = await edge();
  const late = await subscribe(two, 'ticks', `?since=${snapshot.epoch}.0`);
  expect(late.snapshot).toMatchObject({ type: 'gap', from: 1, to: 50, reason: 'history' });
  expect(await late.client.next()).toMatchObject({ type: 'snapshot', seq: 50, recovered: false });
  await push(producer, rows.slice(0, 3), 'p1');
  const both = [await client.rows(51, 3), await late.client.rows(51, 3)].map(numbers);
  expect(both[0]).toEqual(both[1]);
});

withBroker('the state of a channel is that of all partitions, merged', async () => {
  const { work, edge } = await cluster(CHANNELS, { partitions: 4 });
  work();
  const one = await edge();
  const { client } = await subscribe(one, 'ticks');
  const producer = await produce(one, 'ticks');
  const rows = rowsOf(80, 2);
  for (let i = 0; i < 80; i += 8) await push(producer, rows.slice(i, i + 8), `p${i / 8}`);
  await client.rows(1, 80);
  const state = async () => (await getJson(one, '/channels/ticks/state')) as { count: number[]; mean: number[] };
  await expect.poll(async () => (await state()).count, { timeout: 20_000 }).toEqual([80, 80]);
  const mean = (j: number) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length;
  const { mean: means } = await state();
  expect(means[0]).toBeCloseTo(mean(0), 12);
  expect(means[1]).toBeCloseTo(mean(1), 12);
  expect(await getJson(one, '/channels/ticks')).toMatchObject({ stats: { rows: 80 } });
  const sklearn = (await getJson(one, '/channels/ticks/state?format=sklearn')) as { n_samples_seen_: number };
  expect(sklearn.n_samples_seen_).toBe(80);
});

withBroker('keys keep their statistics in partitions, also when these become more', async () => {
  const { server, connection, work, edge } = await cluster(
    { ticks: { ...CHANNELS.ticks, key: 'k' } },
    { partitions: 2 },
  );
  work();
  const one = await edge();
  const { client } = await subscribe(one, 'ticks', '?digits=17');
  const producer = await produce(one, 'ticks');
  const keys = ['a', 'b', 'c', 'd', 'e'];
  const rows = rowsOf(100, 2);
  const seen = new Map<string, number[][]>();
  const take = async (first: number, count: number) => {
    for (const block of await client.rows(first, count)) {
      const { k } = block as unknown as { k: string[] };
      for (const [i, z] of numbers([block]).entries()) seen.set(k[i], [...(seen.get(k[i]) ?? []), z]);
    }
  };
  const send = async (from: number) => {
    const x = rows.slice(from, from + 10).map(([a, b], i) => ({ a, b, k: keys[(from + i) % 5] }));
    await push(producer, x);
  };
  for (let from = 0; from < 50; from += 10) await send(from);
  await take(1, 50);
  const input = { nats: { servers: server.url, partitions: 2 }, channels: { ticks: { ...CHANNELS.ticks, key: 'k' } } };
  const meta = await repartition(connection, parseConfig(input) as LogConfig, 'ticks', 5);
  expect(meta).toMatchObject({ partitions: 5, generation: 2 });
  // the first push after it is refused, and the producer begins again with that one
  const next = rows.slice(50, 60).map(([a, b], i) => ({ a, b, k: keys[i % 5] }));
  producer.send({ type: 'push', producer: 'test', seq: 6, x: next });
  expect(await producer.next()).toMatchObject({ type: 'error', code: 'OVERLOADED', retry: true });
  expect(await producer.closed).toMatchObject({ code: 1013 });
  const again = await produce(one, 'ticks');
  again.send({ type: 'push', producer: 'test', seq: 6, x: next });
  expect(await again.next()).toEqual({ type: 'accepted', producer: 'test', seq: 6 });
  await take(51, 10);
  for (const [i, key] of keys.entries()) {
    expect(seen.get(key)).toEqual(
      expected(
        {},
        rows.slice(0, 60).filter((_, row) => row % 5 === i),
      ),
    );
  }
});

describe('an edge', () => {
  withBroker('refuses what a server refuses, at once', async () => {
    const { edge } = await cluster(CHANNELS);
    const producer = await produce(await edge(), 'ticks');
    producer.send('[[1,2,3]]');
    expect(await producer.next()).toMatchObject({ type: 'error', code: 'BAD_DIM', retry: false });
    producer.send('{');
    expect(await producer.next()).toMatchObject({ type: 'error', code: 'BAD_JSON' });
  });

  withBroker('sends what it has taken before it closes, and goes on after kill -9 of the broker', async () => {
    const { server, work, edge } = await cluster(CHANNELS);
    work();
    const one = await edge();
    const { client } = await subscribe(one, 'ticks');
    const producer = await produce(one, 'ticks');
    await push(producer, rowsOf(10, 2));
    await client.rows(1, 10);
    await server.killAndStart();
    producer.send({ type: 'push', producer: 'test', seq: 2, x: rowsOf(10, 2, 10) });
    await client.rows(11, 10);
    expect(await producer.next()).toMatchObject({ type: 'accepted', seq: 2 });
  });

  withBroker('refuses and closes, for the producer to begin there again, when the broker does not answer', async () => {
    const { server, edge } = await cluster(CHANNELS, { giveUp: '300ms' });
    const producer = await produce(await edge(), 'ticks');
    await server.kill();
    for (const seq of [1, 2, 3]) producer.send({ type: 'push', producer: 'p', seq, x: [[1, 2]] });
    expect(await producer.next()).toMatchObject({ type: 'error', code: 'UNAVAILABLE', retry: true });
    expect(await producer.closed).toMatchObject({ code: 1013 });
  });

  withBroker('is refused at the start, with the reason, without a log or without a broker', async () => {
    const broker = await NatsServer.start();
    onTestFinished(() => broker.remove());
    const input = { channels: CHANNELS, nats: { servers: broker.url } };
    await expect(serve(input)).rejects.toMatchObject({
      code: 'LOG_MISMATCH',
      message: "channel ticks has no log on this broker: run 'streamnorm nats provision' first",
    });
    await broker.kill();
    await expect(serve(input)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
