import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import { type Broker, brokerOf, requireJetStream } from './broker.ts';
import { CheckpointValues } from './checkpoint-values.ts';
import { readMeta, valuesOf } from './log-meta.ts';
import { LogNames } from './log-names.ts';
import { HEADER } from './message-headers.ts';
import { Values } from './values.ts';

export interface PartitionStatus {
  readonly partition: number;
  /** Worker that has it; undefined when nobody has. */
  readonly owner: string | undefined;
  /** Messages of the log that are not out yet. */
  readonly lag: number;
  /** Number of the message that the last output came from. */
  readonly published: number;
  /** Rows that are out. */
  readonly rows: number;
  /** Number of the message of the last checkpoint, and how old that is; undefined when there is none. */
  readonly checkpoint: { readonly source: number; readonly ageMs: number } | undefined;
}

export interface LogStatus {
  readonly channel: string;
  readonly generation: number;
  readonly epoch: string;
  readonly repartitioningTo: number | undefined;
  /** Bytes of the log, and what it may have. */
  readonly logBytes: number;
  readonly maxLogBytes: number;
  /** Messages that could not be taken. */
  readonly dead: number;
  readonly workers: readonly string[];
  readonly partitions: readonly PartitionStatus[];
}

/** Where the partitions of a channel stand. */
export async function logStatus(
  connection: NatsConnection,
  { prefix = 'streamnorm', channel }: { prefix?: string; channel: string },
): Promise<LogStatus> {
  const broker = await brokerOf(connection);
  await requireJetStream(broker);
  const names = new LogNames(prefix, channel);
  const meta = await readMeta(broker, names);
  const { streams } = broker.manager;
  const log = await streams.info(names.inStream(meta.generation));
  const dead = await streams.info(names.deadStream);
  const leases = new Values(broker, `${prefix}_leases`, `${prefix}.leases`);
  const workers = await leases.keys('worker.>').catch(() => []);
  const partitions: PartitionStatus[] = [];
  for (let partition = 0; partition < meta.partitions; partition++) {
    const unit = `unit.${channel.replaceAll('.', '=')}.${partition}`;
    const owner = await leases.get(unit).catch(() => undefined);
    const tail = await streams.getMessage(names.outStream, { last_by_subj: names.outSubject(partition) });
    const published = Number(tail?.header.get(HEADER.source) || 0);
    const maxPayload = broker.connection.info?.max_payload ?? 1_048_576;
    const saved = await new CheckpointValues(valuesOf(broker, names), meta.generation, partition, maxPayload).head();
    partitions.push({
      partition,
      owner: owner && new TextDecoder().decode(owner.data),
      lag: await pendingAfter(
        broker,
        names.inStream(meta.generation),
        names.inSubject(meta.generation, partition),
        published,
      ),
      published,
      rows: Number(tail?.header.get(HEADER.end) || 0),
      checkpoint: saved && { source: saved.source, ageMs: Math.max(0, Date.now() - Date.parse(saved.savedAt)) },
    });
  }
  return {
    channel,
    generation: meta.generation,
    epoch: meta.epoch,
    repartitioningTo: meta.repartitioningTo,
    logBytes: log.state.bytes,
    maxLogBytes: log.config.max_bytes,
    dead: dead.state.messages,
    workers: workers.map((key) => key.slice('worker.'.length)).sort(),
    partitions,
  };
}

/** Messages of a subject behind number `after`; the origin, which is no message to fold, does not count. */
async function pendingAfter(broker: Broker, stream: string, subject: string, after: number): Promise<number> {
  const { name, num_pending } = await broker.manager.consumers.add(stream, {
    filter_subject: subject,
    ack_policy: AckPolicy.None,
    inactive_threshold: nanos(5_000),
    mem_storage: true,
    num_replicas: 1,
    ...(after > 0
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1 }
      : { deliver_policy: DeliverPolicy.All }),
  });
  await broker.manager.consumers.delete(stream, name);
  return after > 0 ? num_pending : Math.max(0, num_pending - 1);
}
