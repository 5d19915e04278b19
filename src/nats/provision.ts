import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import { headers, type NatsConnection, nanos } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import { type Broker, brokerOf, isWrongLast, requireJetStream } from './broker.ts';
import { isNoStream, type LogMeta, META_FORMAT, readMeta, writeMeta } from './log-meta.ts';
import { LogNames } from './log-names.ts';
import { HEADER } from './message-headers.ts';

/** Options of `provisionLog`. */
export interface ProvisionOptions {
  /** First part of all names. Default `streamnorm`. */
  readonly prefix?: string;
  readonly channel: string;
  /** How many parts the log has, 1 to 1,024. It is changed by `repartitionLog` alone. */
  readonly partitions: number;
  /** Copies that a cluster keeps. Default 1. */
  readonly replicas?: number;
  /** Room of the log, in bytes; producers are refused while it is full. Default 1 GiB. */
  readonly maxLogBytes?: number;
  /** Outputs kept of each partition: what a subscriber can go back to. Default 1,024. */
  readonly maxOutputs?: number;
  /** Kept beside it, and compared: who comes with another one is refused. */
  readonly about?: unknown;
}

export const MAX_PARTITIONS = 1_024;
/** Room for messages that could not be taken; the oldest go first. */
const MAX_DEAD_BYTES = 64 * 1_024 * 1_024;

/**
 * Makes the streams of a channel, and keeps what they are with them. Doing so again changes their limits and nothing else.
 *
 * Retention: the log discards nothing by itself, and refuses when it is full; only a checkpoint lets go of the messages
 * before it. Outputs are kept by number for each partition, so that the last of each, which its successor must follow, is
 * always there.
 *
 * @throws RangeError for wrong options; StreamnormError LOG_MISMATCH when the channel is there with other partitions or
 *   another `about`, UNAVAILABLE without JetStream
 */
export async function provisionLog(connection: NatsConnection, options: ProvisionOptions): Promise<LogMeta> {
  const { prefix = 'streamnorm', channel, partitions, about = null } = options;
  if (!(Number.isSafeInteger(partitions) && partitions >= 1 && partitions <= MAX_PARTITIONS)) {
    throw new RangeError(
      `provisionLog requires partitions to be a whole number in [1, ${MAX_PARTITIONS}], got ${partitions}`,
    );
  }
  const names = new LogNames(prefix, channel);
  const broker = await brokerOf(connection);
  await requireJetStream(broker);
  const known = await readMeta(broker, names).catch((error) => {
    if (error instanceof StreamnormError && error.code === 'LOG_MISMATCH' && /has no log/.test(error.message))
      return undefined;
    throw error;
  });
  if (known !== undefined) requireSame(known, partitions, about);
  const generation = known?.generation ?? 1;
  await makeStream(broker, stateStream(names, options));
  await makeStream(broker, inStream(names, generation, options));
  await makeStream(broker, outStream(names, options));
  await makeStream(broker, deadStream(names, options));
  await writeOrigins(broker, names, generation, partitions);
  if (known !== undefined) return known;
  const meta: LogMeta = { format: META_FORMAT, channel, partitions, generation, epoch: newEpoch(), about };
  try {
    await writeMeta(broker, names, meta, 0);
    return meta;
  } catch (error) {
    if (!(error instanceof StreamnormError && error.code === 'FENCED')) throw error;
    // somebody else did the same at the same time
    const other = await readMeta(broker, names);
    requireSame(other, partitions, about);
    return other;
  }
}

function requireSame(known: LogMeta, partitions: number, about: unknown): void {
  if (known.partitions !== partitions) {
    throw new StreamnormError(
      'LOG_MISMATCH',
      `channel ${known.channel} has ${known.partitions} partitions, not ${partitions}: a key would change its place; ` +
        `use 'streamnorm nats repartition'`,
    );
  }
  if (JSON.stringify(known.about) !== JSON.stringify(about)) {
    throw new StreamnormError(
      'LOG_MISMATCH',
      `channel ${known.channel} was provisioned for ${JSON.stringify(known.about)}, not for ${JSON.stringify(about)}`,
    );
  }
}

/** The first message of each partition. Where it is, nothing has been discarded. */
export async function writeOrigins(
  broker: Broker,
  names: LogNames,
  generation: number,
  partitions: number,
): Promise<void> {
  const head = headers();
  head.set(HEADER.origin, '1');
  const stream = names.inStream(generation);
  for (let partition = 0; partition < partitions; partition++) {
    const expect = { streamName: stream, lastSubjectSequence: 0 };
    try {
      await broker.client.publish(names.inSubject(generation, partition), new Uint8Array(), { headers: head, expect });
    } catch (error) {
      // it is there, or others after it are
      if (!isWrongLast(error)) throw error;
    }
  }
}

type Limits = Pick<ProvisionOptions, 'replicas' | 'maxLogBytes' | 'maxOutputs'>;
type Wanted = Partial<StreamConfig> & { name: string };

function kept(name: string, subjects: string[], { replicas = 1 }: Limits): Wanted {
  return {
    name,
    subjects,
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    num_replicas: replicas,
    allow_direct: false,
  };
}

export function inStream(names: LogNames, generation: number, limits: Limits): Wanted {
  return {
    ...kept(names.inStream(generation), [names.inSubject(generation, '*')], limits),
    discard: DiscardPolicy.New,
    max_bytes: limits.maxLogBytes ?? 1_073_741_824,
    // repeats within it are found by the broker already; the fold finds them at any time
    duplicate_window: nanos(120_000),
  };
}

function outStream(names: LogNames, limits: Limits): Wanted {
  return {
    ...kept(names.outStream, [names.outSubject('*')], limits),
    max_msgs_per_subject: limits.maxOutputs ?? 1_024,
  };
}

function stateStream(names: LogNames, limits: Limits): Wanted {
  return { ...kept(names.stateStream, [`${names.stateSubject}.>`], limits), max_msgs_per_subject: 1 };
}

function deadStream(names: LogNames, limits: Limits): Wanted {
  return {
    ...kept(names.deadStream, [names.deadSubject('*', '*', '*')], limits),
    max_msgs_per_subject: 1,
    max_bytes: MAX_DEAD_BYTES,
  };
}

/** Makes a stream, or brings its limits up to date. */
export async function makeStream(broker: Broker, wanted: Wanted): Promise<void> {
  const { streams } = broker.manager;
  try {
    await streams.info(wanted.name);
  } catch (error) {
    if (!isNoStream(error)) throw error;
    await streams.add(wanted);
    return;
  }
  await streams.update(wanted.name, wanted);
}

/** What the broker knows of a channel. */
export async function logMeta(connection: NatsConnection, prefix: string, channel: string): Promise<LogMeta> {
  return readMeta(await brokerOf(connection), new LogNames(prefix, channel));
}

function newEpoch(): string {
  return Math.random().toString(36).slice(2, 10);
}
