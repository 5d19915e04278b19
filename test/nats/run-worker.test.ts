import type { NatsConnection } from '@nats-io/nats-core';
import { expect, onTestFinished } from 'vitest';
import { StreamnormError } from '../../src/errors.ts';
import { brokerOf } from '../../src/nats/broker.ts';
import { JetStreamPort } from '../../src/nats/jet-stream-port.ts';
import { LogNames } from '../../src/nats/log-names.ts';
import { LogReader } from '../../src/nats/log-reader.ts';
import { HEADER } from '../../src/nats/message-headers.ts';
import { provisionLog } from '../../src/nats/provision.ts';
import type { OpenFold } from '../../src/nats/run.ts';
import { runWorker, type WorkerEvent, type WorkerOptions } from '../../src/nats/run-worker.ts';
import { text } from './model.ts';
import { testBroker, withBroker } from './with-broker.ts';

const names = new LogNames('streamnorm', 'sums');

/** Numbers its messages, and sums them up. */
const openSum: OpenFold = (state) => {
  let [sum, end] = state === undefined ? [0, 0] : text(state).split(' ').map(Number);
  return {
    apply: ({ data }) => {
      const value = Number(text(data));
      if (Number.isNaN(value)) throw new StreamnormError('BAD_VALUE', `${text(data)} is no number`);
      sum += value;
      return [{ data: new TextEncoder().encode(`${sum};`), end: ++end }];
    },
    snapshot: () => new TextEncoder().encode(`${sum} ${end}`),
  };
};

interface Worker {
  readonly partitions: Set<number>;
  readonly events: WorkerEvent[];
  /** Ends it in order. */
  stop(): Promise<void>;
  until(holds: (worker: Worker) => boolean): Promise<void>;
}

function work(connection: NatsConnection, options: WorkerOptions = {}): Worker {
  const partitions = new Set<number>();
  const events: WorkerEvent[] = [];
  const stop = new AbortController();
  const waiting = new Set<() => void>();
  const onEvent = (event: WorkerEvent) => {
    events.push(event);
    if (event.type === 'taken') partitions.add(event.partition);
    if (event.type === 'given-back' || event.type === 'lost') partitions.delete(event.partition);
    for (const look of waiting) look();
  };
  const ended = runWorker(
    connection,
    [{ channel: 'sums', open: openSum }],
    { leaseMs: 900, checkpointMessages: 5, ...options, onEvent },
    stop.signal,
  );
  const worker: Worker = {
    partitions,
    events,
    stop: () => {
      stop.abort();
      return ended;
    },
    until: (holds) =>
      new Promise((resolve) => {
        const look = () => {
          if (!holds(worker)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
  onTestFinished(() => worker.stop());
  return worker;
}

async function send(connection: NatsConnection, partition: number, ...values: unknown[]): Promise<void> {
  const { client } = await brokerOf(connection);
  for (const value of values) await client.publish(names.inSubject(1, partition), String(value));
}

/** What is out of a partition, once it is `count` sums. */
async function sums(connection: NatsConnection, partition: number, count: number): Promise<number[]> {
  const reader = await LogReader.open(await brokerOf(connection), {
    stream: names.outStream,
    subject: names.outSubject(partition),
    from: 1,
  });
  const found: number[] = [];
  while (found.length < count) {
    for (const { data, headers: head } of await reader.next()) {
      found.push(...text(data).split(';').filter(Boolean).map(Number));
      expect(Number(head?.get(HEADER.end))).toBe(found.length);
    }
  }
  await reader.close();
  return found;
}

const running = (values: number[]) => values.map((_, i) => values.slice(0, i + 1).reduce((a, b) => a + b, 0));

withBroker('folds every message of every partition, and goes on from its checkpoint', async () => {
  const { connection } = await testBroker();
  await provisionLog(connection, { channel: 'sums', partitions: 3 });
  const values = Array.from({ length: 23 }, (_, i) => i + 1);
  await send(connection, 0, ...values);
  await send(connection, 2, 7);
  const first = work(connection);
  expect(await sums(connection, 0, 23)).toEqual(running(values));
  expect(await sums(connection, 2, 1)).toEqual([7]);
  await first.stop();
  await send(connection, 0, 100);
  work(connection);
  expect(await sums(connection, 0, 24)).toEqual(running([...values, 100]));
  // the log has let go of what is in the checkpoint, but for its last message
  const { manager } = await brokerOf(connection);
  const { state } = await manager.streams.info(names.inStream(1), { subjects_filter: '>' });
  expect(state.subjects?.[names.inSubject(1, 0)]).toBeLessThanOrEqual(3);
});

withBroker('shares the partitions fairly with workers that come and go', async () => {
  const { connection } = await testBroker();
  await provisionLog(connection, { channel: 'sums', partitions: 5 });
  const first = work(connection, { worker: 'first' });
  await first.until(({ partitions }) => partitions.size === 5);
  const second = work(connection, { worker: 'second' });
  await Promise.all([
    first.until(({ partitions }) => partitions.size <= 3),
    second.until(({ partitions }) => partitions.size >= 2),
  ]);
  expect([...first.partitions, ...second.partitions].sort()).toEqual([0, 1, 2, 3, 4]);
  await first.stop();
  await second.until(({ partitions }) => partitions.size === 5);
  await send(connection, 4, 1, 2, 3);
  expect(await sums(connection, 4, 3)).toEqual([1, 3, 6]);
});

withBroker('puts aside a message that cannot be taken, once, with its reason, and goes on', async () => {
  const { connection } = await testBroker();
  await provisionLog(connection, { channel: 'sums', partitions: 1 });
  await send(connection, 0, 1, 'nonsense', 2);
  const worker = work(connection);
  expect(await sums(connection, 0, 2)).toEqual([1, 3]);
  await worker.stop();
  expect(worker.events.filter(({ type }) => type === 'rejected')).toHaveLength(1);
  const { manager } = await brokerOf(connection);
  const { state } = await manager.streams.info(names.deadStream);
  expect(state.messages).toBe(1);
  const dead = await manager.streams.getMessage(names.deadStream, { seq: state.last_seq });
  expect(dead?.subject).toBe(names.deadSubject(1, 0, 3));
  expect(dead?.string()).toBe('nonsense');
  expect(dead?.header.get(HEADER.error)).toBe('nonsense is no number');
});

withBroker('keeps a state that is larger than a message of the broker', async () => {
  const { connection } = await testBroker();
  await provisionLog(connection, { channel: 'sums', partitions: 1 });
  const large = 'x'.repeat(2_500_000);
  const open: OpenFold = (state) => {
    if (state !== undefined) expect(text(state).slice(0, large.length) === large).toBe(true);
    let count = state === undefined ? 0 : Number(text(state).slice(large.length));
    return {
      apply: () => [{ data: new TextEncoder().encode(`${++count};`), end: count }],
      snapshot: () => new TextEncoder().encode(large + count),
    };
  };
  const once = async (messages: number, from: number) => {
    const stop = new AbortController();
    const ended = runWorker(
      connection,
      [{ channel: 'sums', open }],
      { leaseMs: 900, checkpointMessages: 2 },
      stop.signal,
    );
    for (let i = 0; i < messages; i++) await send(connection, 0, i);
    expect(await sums(connection, 0, from + messages)).toEqual(
      Array.from({ length: from + messages }, (_, i) => i + 1),
    );
    stop.abort();
    await ended;
  };
  await once(7, 0);
  await once(5, 7);
  const { manager } = await brokerOf(connection);
  const { state } = await manager.streams.info(names.stateStream, { subjects_filter: '>' });
  // meta, one manifest and its three chunks: nothing of earlier checkpoints is left
  expect(Object.keys(state.subjects ?? {})).toHaveLength(5);
});

withBroker('refuses, and says why, when messages behind the checkpoint are gone', async () => {
  const { connection } = await testBroker();
  await provisionLog(connection, { channel: 'sums', partitions: 1 });
  await send(connection, 0, 1, 2, 3);
  const first = work(connection);
  expect(await sums(connection, 0, 3)).toEqual([1, 3, 6]);
  await first.stop();
  await send(connection, 0, 4, 5);
  const { manager } = await brokerOf(connection);
  await manager.streams.purge(names.inStream(1), { seq: 6, filter: names.inSubject(1, 0) });
  const second = work(connection);
  await second.until(({ events }) => events.some(({ type }) => type === 'failure'));
  expect(second.events.find(({ type }) => type === 'failure')).toMatchObject({
    error: {
      code: 'LOG_GAP',
      message: 'the log begins with message 6 and no longer holds 4, the last of the checkpoint',
    },
  });
});

withBroker('goes on after kill -9 of the broker, with every output once', async () => {
  const { server, connection } = await testBroker();
  await provisionLog(connection, { channel: 'sums', partitions: 2 });
  const worker = work(connection);
  const values = Array.from({ length: 200 }, (_, i) => i);
  await send(connection, 1, ...values.slice(0, 100));
  await server.killAndStart();
  const again = await server.connect();
  onTestFinished(() => again.close());
  await send(again, 1, ...values.slice(100));
  expect(await sums(again, 1, 200)).toEqual(running(values));
  await worker.stop();
});

// a purge up to message 1 purges everything, as brokers read it: a take-over that saved the origin lost the whole partition
withBroker('a checkpoint of the first message of the log lets go of nothing', async () => {
  const { connection } = await testBroker();
  await provisionLog(connection, { channel: 'sums', partitions: 1 });
  await send(connection, 0, 1, 2, 3);
  const broker = await brokerOf(connection);
  const port = new JetStreamPort(broker, { names, generation: 1, partition: 0 });
  const kept = async () => (await broker.manager.streams.info(names.inStream(1))).state.messages;
  const state = new Uint8Array(1);
  let revision = await port.save(0, { source: 1, state });
  expect(await kept()).toBe(4);
  revision = await port.save(revision, { source: 2, state });
  expect(await kept()).toBe(3);
  await port.save(revision, { source: 4, state });
  expect(await kept()).toBe(1);
});
