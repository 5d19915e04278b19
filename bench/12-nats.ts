import type { NatsConnection } from '@nats-io/nats-core';
import { brokerOf } from '../src/nats/broker.ts';
import { LogNames } from '../src/nats/log-names.ts';
import { ChannelFold } from '../src/server/channel-fold.ts';
import { parseConfig } from '../src/server/config.ts';
import { encodeBatch } from '../src/server/log-batch.ts';
import { type LogConfig, provisionLogs, runLogWorker } from '../src/server/log-worker.ts';
import type { Push } from '../src/server/push.ts';
import { NatsServer, natsServerPath } from '../test/nats/nats-server.ts';
import { effortOf, type Row, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';

const FEATURES = 8;
const ROWS = 512;
/** Messages under way to the broker at a time. */
const IN_FLIGHT = 32;

const { smoke, rounds } = effortOf(process.argv);
const MESSAGES = smoke ? 40 : 1_600;
const features = Array.from({ length: FEATURES }, (_, j) => `f${j}`);
const message = encodeBatch([pushOf()], FEATURES);

function pushOf(): Push {
  const data = Float64Array.from(sampleRows(ROWS, FEATURES).flat());
  const times = Float64Array.from({ length: ROWS }, (_, i) => i);
  return { data, rows: ROWS, times, keys: undefined, producer: undefined, seq: undefined, answered: false };
}

function configOf(prefix: string, partitions: number): LogConfig {
  return parseConfig({
    nats: { prefix, partitions, lease: '60s', maxOutputs: 8 },
    channels: { rows: { features, method: 'batch', size: 64 } },
  }) as LogConfig;
}

/** ns a row without a broker: what one core does of the same work. */
function withoutBroker(): number {
  const config = configOf('none', 1);
  const fold = new ChannelFold(config.channels.get('rows') as never, config.limits);
  const began = performance.now();
  for (let i = 0; i < MESSAGES; i++) fold.apply({ seq: i + 2, time: i, data: message, origin: false });
  return ((performance.now() - began) * 1e6) / (MESSAGES * ROWS);
}

let runs = 0;

/** ns a row from the publisher, through the log, one worker, and the log of outputs, all on this machine. */
async function throughBroker(connection: NatsConnection, partitions: number): Promise<number> {
  const config = configOf(`bench${runs++}`, partitions);
  await provisionLogs(connection, config);
  const { client, manager } = await brokerOf(connection);
  const names = new LogNames(config.nats.prefix, 'rows');
  const stop = new AbortController();
  const taken = new Set<number>();
  const last = new Map<number, number>();
  let published = false;
  const out = new Map<number, number>();
  let done = () => {};
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  let ready = () => {};
  const allTaken = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const look = () => {
    if (published && [...last].every(([partition, seq]) => (out.get(partition) ?? 0) >= seq)) done();
  };
  const worker = runLogWorker(
    connection,
    config,
    {
      onEvent: (event) => {
        if (event.type === 'taken' && taken.add(event.partition).size === partitions) ready();
        if (event.type === 'failure') process.stderr.write(`${(event.error as Error).message}\n`);
        if (event.type !== 'progress') return;
        out.set(event.partition, event.progress.published);
        look();
      },
    },
    stop.signal,
  );
  await allTaken;
  const began = performance.now();
  let next = 0;
  const publish = async () => {
    while (next < MESSAGES) {
      const partition = next++ % partitions;
      const { seq } = await client.publish(names.inSubject(1, partition), message);
      last.set(partition, Math.max(seq, last.get(partition) ?? 0));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, publish));
  published = true;
  look();
  await all;
  const ns = ((performance.now() - began) * 1e6) / (MESSAGES * ROWS);
  stop.abort();
  await worker;
  for (const stream of [names.inStream(1), names.outStream, names.stateStream, names.deadStream]) {
    await manager.streams.delete(stream);
  }
  return ns;
}

if (natsServerPath === undefined) {
  process.stderr.write('bench 12: there is no nats-server: apt-get install nats-server\n');
  process.exit(0);
}
const server = await NatsServer.start();
const connection = await server.connect();
const rows: Row[] = [];
const times = Math.min(rounds, 5);
const through = await alternate(times, () => throughBroker(connection, 8), withoutBroker);
rows.push({
  workload: '12',
  what: `rows through NATS and one worker, ${ROWS} × ${FEATURES} a message, 8 partitions`,
  unit: 'rows/s',
  ours: 1e9 / through.ours,
  reference: 1e9 / through.reference,
  referenceName: 'decode + fold + encode without a broker',
  ratio: 1 / through.ratio,
  target: 0.35,
  wanted: 'at least',
});
const flat = await alternate(
  times,
  () => throughBroker(connection, 64),
  () => throughBroker(connection, 1),
);
rows.push({
  workload: '12',
  what: 'the same, 64 partitions',
  unit: 'ns/row',
  ours: flat.ours,
  reference: flat.reference,
  referenceName: '1 partition',
  ratio: flat.ratio,
  target: 1.25,
  wanted: 'at most',
});
report(rows);
await connection.close();
await server.remove();
