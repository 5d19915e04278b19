import type { NatsConnection } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import { type Broker, brokerOf, isWrongLast, requireJetStream } from './broker.ts';
import { CheckpointValues, joined } from './checkpoint-values.ts';
import { outputHeaders } from './jet-stream-port.ts';
import { type LogMeta, readMeta, valuesOf, writeMeta } from './log-meta.ts';
import { LogNames } from './log-names.ts';
import { HEADER } from './message-headers.ts';
import type { Piece } from './port.ts';
import { inStream, MAX_PARTITIONS, makeStream, type ProvisionOptions, writeOrigins } from './provision.ts';

/** Options of `repartitionLog`. */
export interface RepartitionOptions extends Pick<ProvisionOptions, 'prefix' | 'channel' | 'replicas' | 'maxLogBytes'> {
  readonly partitions: number;
  /** Ends what a state has open, such as a window: what that gives, and the state after it. */
  readonly flush: (state: Uint8Array) => { readonly pieces: readonly Piece[]; readonly state: Uint8Array };
  /**
   * The states of the new partitions from those of the old ones; undefined begins one from nothing.
   *
   * @param ends how many rows are out of each new partition: its numbering goes on there
   */
  readonly split: (
    states: readonly (Uint8Array | undefined)[],
    partitions: number,
    ends: readonly number[],
  ) => readonly (Uint8Array | undefined)[];
  /** Told while it waits for workers to fold what is in the log: so many messages. */
  readonly onWait?: (lag: number) => void;
  readonly signal?: AbortSignal;
}

const POLL_MS = 200;

/**
 * Changes the number of partitions of a channel, by a new generation of its log.
 *
 * The old log is sealed: the broker refuses what still comes there, and edges hold it back. Workers fold what is in it, and
 * write their checkpoints; then the new states are made, and only then, in one write, the new generation counts. Until
 * that write the old one does; begun again after a crash, it goes on where it was.
 *
 * @returns what the channel is now
 * @throws RangeError for wrong options; StreamnormError LOG_MISMATCH when it is under way to another number
 */
export async function repartitionLog(connection: NatsConnection, options: RepartitionOptions): Promise<LogMeta> {
  const { prefix = 'streamnorm', channel, partitions, flush, split, onWait, signal } = options;
  if (!(Number.isSafeInteger(partitions) && partitions >= 1 && partitions <= MAX_PARTITIONS)) {
    throw new RangeError(
      `repartitionLog requires partitions to be a whole number in [1, ${MAX_PARTITIONS}], got ${partitions}`,
    );
  }
  const broker = await brokerOf(connection);
  await requireJetStream(broker);
  const names = new LogNames(prefix, channel);
  let { revision, ...meta } = await readMeta(broker, names);
  if (meta.repartitioningTo === undefined) {
    if (meta.partitions === partitions) return meta;
    meta = { ...meta, repartitioningTo: partitions };
    revision = await writeMeta(broker, names, meta, revision);
  } else if (meta.repartitioningTo !== partitions) {
    throw new StreamnormError(
      'LOG_MISMATCH',
      `channel ${channel} is being repartitioned to ${meta.repartitioningTo}: end that first`,
    );
  }
  const { streams } = broker.manager;
  const old = names.inStream(meta.generation);
  if (!(await streams.info(old)).config.sealed) {
    // the types of the client leave it out, the broker has it
    await streams.update(old, { sealed: true } as Parameters<typeof streams.update>[1]);
  }
  const flushed = (await drained(broker, names, meta, onWait, signal)).map((state) => state && flush(state));

  const generation = meta.generation + 1;
  await makeStream(broker, inStream(names, generation, options));
  await writeOrigins(broker, names, generation, partitions);
  const sources: number[] = [];
  const ends: number[] = [];
  for (let partition = 0; partition < Math.max(partitions, meta.partitions); partition++) {
    const origin = await streams.getMessage(names.inStream(generation), {
      last_by_subj: names.inSubject(generation, partition),
    });
    const source = origin?.seq ?? 0;
    sources.push(source);
    ends.push(await goOn(broker, names, partition, generation, source, flushed[partition]?.pieces ?? []));
  }
  const made = split(
    flushed.map((each) => each?.state),
    partitions,
    ends,
  );
  for (let partition = 0; partition < partitions; partition++) {
    const state = made[partition];
    if (state === undefined) continue;
    const checkpoints = checkpointsOf(broker, names, generation, partition);
    // one that is there was made by this before it was interrupted, from the same states
    if ((await checkpoints.head()) === undefined) await checkpoints.save(0, { source: sources[partition], state });
  }
  const { repartitioningTo: _, ...kept } = meta;
  const next: LogMeta = { ...kept, partitions, generation };
  await writeMeta(broker, names, next, revision);
  await streams.delete(old);
  const values = valuesOf(broker, names);
  for (const kind of ['manifest', 'chunk']) await values.clear(`${kind}.${meta.generation}.>`);
  return next;
}

/**
 * Ends the outputs of the old generation in a partition, once: whoever still has it is fenced.
 *
 * @returns how many rows are out
 */
async function goOn(
  broker: Broker,
  names: LogNames,
  partition: number,
  generation: number,
  source: number,
  pieces: readonly Piece[],
): Promise<number> {
  const subject = names.outSubject(partition);
  const tail = await broker.manager.streams.getMessage(names.outStream, { last_by_subj: subject });
  const end = Number(tail?.header.get(HEADER.end) || 0);
  if (tail?.header.get(HEADER.generation) === String(generation)) return end;
  const output = { source, pieces: 0, end: pieces.at(-1)?.end ?? end };
  try {
    await broker.client.publish(subject, joined(pieces.map(({ data }) => data)), {
      headers: outputHeaders(generation, output),
      expect: { streamName: names.outStream, lastSubjectSequence: tail?.seq ?? 0 },
    });
    return output.end;
  } catch (cause) {
    if (!isWrongLast(cause)) throw cause;
    throw new StreamnormError('FENCED', `partition ${partition} of ${names.channel} has moved on: try again`, {
      cause,
    });
  }
}

/** The states of all partitions once everything in the log is part of them. */
async function drained(
  broker: Broker,
  names: LogNames,
  { partitions, generation }: LogMeta,
  onWait: RepartitionOptions['onWait'],
  signal: AbortSignal | undefined,
): Promise<(Uint8Array | undefined)[]> {
  for (;;) {
    signal?.throwIfAborted();
    let behind = 0;
    for (let partition = 0; partition < partitions; partition++) {
      const last = await broker.manager.streams.getMessage(names.inStream(generation), {
        last_by_subj: names.inSubject(generation, partition),
      });
      const saved = await checkpointsOf(broker, names, generation, partition).head();
      // an origin alone is nothing to fold
      const isEmpty = saved === undefined && last?.header.has(HEADER.origin);
      if (!isEmpty && (saved?.source ?? 0) < (last?.seq ?? 0)) behind++;
    }
    if (behind === 0) break;
    onWait?.(behind);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const states: (Uint8Array | undefined)[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    states.push((await checkpointsOf(broker, names, generation, partition).load())?.state);
  }
  return states;
}

function checkpointsOf(broker: Broker, names: LogNames, generation: number, partition: number): CheckpointValues {
  const maxPayload = broker.connection.info?.max_payload ?? 1_048_576;
  return new CheckpointValues(valuesOf(broker, names), generation, partition, maxPayload);
}
