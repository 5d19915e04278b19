import { headers, type MsgHdrs } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import { type Broker, isWrongLast } from './broker.ts';
import { CheckpointValues, joined } from './checkpoint-values.ts';
import type { LogNames } from './log-names.ts';
import { LogReader } from './log-reader.ts';
import { HEADER } from './message-headers.ts';
import type { Checkpoint, Entry, Output, Port, SavedCheckpoint, Tail } from './port.ts';
import { Values } from './values.ts';

/** Where a partition lies. */
export interface Partition {
  readonly names: LogNames;
  readonly generation: number;
  readonly partition: number;
}

/** One partition in JetStream. To be closed when its run has ended. */
export class JetStreamPort implements Port {
  readonly #broker: Broker;
  readonly #place: Partition;
  readonly #checkpoints: CheckpointValues;
  #reader: LogReader | undefined;
  /** Number that the reader stands before. */
  #next: number;

  constructor(broker: Broker, place: Partition) {
    const { names, generation, partition } = place;
    const maxPayload = broker.connection.info?.max_payload ?? 1_048_576;
    this.#broker = broker;
    this.#place = place;
    const values = new Values(broker, names.stateStream, names.stateSubject);
    this.#checkpoints = new CheckpointValues(values, generation, partition, maxPayload);
    this.#reader = undefined;
    this.#next = -1;
  }

  async read(from: number): Promise<readonly Entry[]> {
    const { names, generation, partition } = this.#place;
    if (this.#reader === undefined || from !== this.#next) {
      await this.close();
      const place = { stream: names.inStream(generation), subject: names.inSubject(generation, partition), from };
      this.#reader = await LogReader.open(this.#broker, place);
      this.#next = from;
    }
    const messages = await this.#reader.next();
    const entries = messages.map((message) => ({
      seq: message.seq,
      time: Math.floor(message.info.timestampNanos / 1e6),
      data: message.data,
      origin: message.headers?.has(HEADER.origin) ?? false,
    }));
    const last = entries.at(-1);
    if (last !== undefined) this.#next = last.seq + 1;
    return entries;
  }

  async tail(): Promise<Tail> {
    const { names, generation, partition } = this.#place;
    // every session begins here: what the former one had asked for is given up
    await this.close();
    const subject = names.outSubject(partition);
    const last = await this.#broker.manager.streams.getMessage(names.outStream, { last_by_subj: subject });
    if (last === null) return { position: 0, source: 0, pieces: 0, end: 0 };
    const found = numberIn(last.header, HEADER.generation);
    if (found !== generation) {
      throw new StreamnormError(
        'LOG_MISMATCH',
        `the last output of ${subject} is of generation ${found}, this is ${generation}: the log has been repartitioned`,
      );
    }
    return {
      position: last.seq,
      source: numberIn(last.header, HEADER.source),
      pieces: numberIn(last.header, HEADER.pieces),
      end: numberIn(last.header, HEADER.end),
    };
  }

  async append(position: number, output: Output): Promise<number> {
    const { names, generation, partition } = this.#place;
    const subject = names.outSubject(partition);
    try {
      const { seq } = await this.#broker.client.publish(subject, joined(output.content), {
        headers: outputHeaders(generation, output),
        expect: { streamName: names.outStream, lastSubjectSequence: position },
      });
      return seq;
    } catch (cause) {
      if (!isWrongLast(cause)) throw cause;
      throw new StreamnormError('FENCED', `the last output of ${subject} is no longer ${position}`, { cause });
    }
  }

  load(): Promise<SavedCheckpoint | undefined> {
    return this.#checkpoints.load();
  }

  async save(revision: number, checkpoint: Checkpoint): Promise<number> {
    const saved = await this.#checkpoints.save(revision, checkpoint);
    const { names, generation, partition } = this.#place;
    // brokers take a purge up to message 1 for one of everything
    if (checkpoint.source <= 1) return saved;
    try {
      // the message of the checkpoint itself stays: it shows that nothing after it has been discarded
      await this.#broker.manager.streams.purge(names.inStream(generation), {
        filter: names.inSubject(generation, partition),
        seq: checkpoint.source,
      });
    } catch {
      // it only takes room, and the next checkpoint comes by
    }
    return saved;
  }

  /** Keeps a message that cannot be taken, once. */
  async reject({ seq, data }: Entry, error: unknown): Promise<void> {
    const { names, generation, partition } = this.#place;
    const why = headers();
    why.set(HEADER.error, (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').slice(0, 512));
    try {
      await this.#broker.client.publish(names.deadSubject(generation, partition, seq), data, {
        headers: why,
        expect: { streamName: names.deadStream, lastSubjectSequence: 0 },
      });
    } catch (cause) {
      // it is there already
      if (!isWrongLast(cause)) throw cause;
    }
  }

  /** A read that waits for messages ends without any. */
  wake(): void {
    this.#reader?.wake();
  }

  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }
}

export function outputHeaders(generation: number, { source, pieces, end }: Omit<Output, 'content'>): MsgHdrs {
  const head = headers();
  head.set(HEADER.generation, String(generation));
  head.set(HEADER.source, String(source));
  head.set(HEADER.pieces, String(pieces));
  head.set(HEADER.end, String(end));
  return head;
}

function numberIn(head: MsgHdrs, name: string): number {
  const value = Number(head.get(name) || Number.NaN);
  if (!Number.isSafeInteger(value)) {
    throw new StreamnormError('LOG_MISMATCH', `an output has no header ${name}: something else has written there`);
  }
  return value;
}
