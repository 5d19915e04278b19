import type { JsMsg, StoredMsg } from '@nats-io/jetstream';
import type { NormalizedRows } from '../core/row-normalizer.ts';
import type { Broker } from '../nats/broker.ts';
import type { LogNames } from '../nats/log-names.ts';
import { HEADER } from '../nats/message-headers.ts';
import { SteadyReader } from '../nats/steady-reader.ts';
import { decodePieces } from './log-rows.ts';

/** Who hears of the rows of a log. */
export interface FollowerHooks {
  /** Rows, whose first has this number; those between the row before and this one can no longer be had. */
  rows(seq: number, content: NormalizedRows): void;
  failure(error: unknown): void;
}

/** Outputs that are read again at the start, at most: what a subscriber may go back to. */
const MAX_REPLAY = 10_000;

/**
 * Follows all partitions of a channel in the one order of their stream, and numbers their rows.
 *
 * Idea: every output says how many rows of its partition are out with it. So how many rows of the channel are out at a
 * place of the stream is a sum over the partitions, which can be had at any place: from the first output of each partition
 * behind it. The number of a row follows from the log alone, and is the same for every edge, whenever it was started.
 */
export class LogFollower {
  readonly #broker: Broker;
  readonly #names: LogNames;
  readonly #hooks: FollowerHooks;
  #reader: SteadyReader | undefined;
  /** Number of the next message of the stream. */
  #next: number;
  #closed: boolean;
  /** Rows that are out of each partition, by subject. */
  readonly #ends: Map<string, number>;
  /** Number of the last row. */
  seq: number;
  #ended: Promise<void>;

  constructor(broker: Broker, names: LogNames, hooks: FollowerHooks) {
    this.#broker = broker;
    this.#names = names;
    this.#hooks = hooks;
    this.#reader = undefined;
    this.#next = 1;
    this.#closed = false;
    this.#ends = new Map();
    this.seq = 0;
    this.#ended = Promise.resolve();
  }

  /**
   * Reads what is there, `rows` at least as far as it is kept; then follows.
   *
   * @returns the number of the row before the first one that was read
   */
  async start(rows: number, begin: (seq: number) => void): Promise<void> {
    const last = await this.#anchor(Math.min(rows, MAX_REPLAY));
    begin(this.seq);
    while (this.#next <= last) await this.#read();
    this.#ended = this.#follow();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#reader?.close();
    await this.#ended;
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#read();
      } catch (error) {
        this.#hooks.failure(error);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  async #read(): Promise<void> {
    const stream = this.#names.outStream;
    this.#reader ??= new SteadyReader(
      this.#broker,
      { stream, subject: this.#names.outSubject('*'), from: this.#next },
      { waitMs: 1_000 },
      (error) => this.#hooks.failure(error),
    );
    for (const message of await this.#reader.next()) {
      if (message.seq !== this.#next) {
        // outputs were discarded before they were read
        await this.#reader.close();
        this.#reader = undefined;
        await this.#anchor(0);
        return;
      }
      this.#take(message);
      this.#next++;
    }
  }

  #take(message: JsMsg): void {
    for (const { first, content } of decodePieces(message.data)) {
      if (first <= (this.#ends.get(message.subject) ?? 0)) {
        // once more: a cluster of 2.9 was seen to take two outputs behind the same one while it lost its leader
        continue;
      }
      this.#ends.set(message.subject, first + content.rows - 1);
      const seq = this.seq + 1;
      this.seq += content.rows;
      this.#hooks.rows(seq, content);
    }
  }

  /**
   * Finds the place to read on from, and how many rows are out there.
   *
   * @param replay messages to go back, at most
   * @returns number of the last message of the stream
   */
  async #anchor(replay: number): Promise<number> {
    const { streams } = this.#broker.manager;
    const stream = this.#names.outStream;
    for (;;) {
      const { state } = await streams.info(stream, { subjects_filter: this.#names.outSubject('*') });
      const partitions = Object.keys(state.subjects ?? {});
      // the oldest outputs go partition by partition: behind the first of each that has lost some, nothing is missing
      let after = Math.max(0, state.last_seq - replay, state.first_seq - 1);
      for (const subject of partitions) {
        const first = await this.#nextOf(subject, 1);
        if (first !== null && first.seq > after && !this.#isFirstOf(first)) after = first.seq;
      }
      let rows = 0;
      let isWhole = true;
      for (const subject of partitions) {
        const next = await this.#nextOf(subject, after + 1);
        const at = next ?? (await streams.getMessage(stream, { last_by_subj: subject }));
        // one that has come in between, or gone: look again
        if (at === null || (next === null && at.seq > after)) isWhole = false;
        else {
          const end = Number(at.header.get(HEADER.end)) - (next === null ? 0 : rowsIn(at.data));
          this.#ends.set(subject, end);
          rows += end;
        }
      }
      if (!isWhole) continue;
      this.#next = after + 1;
      this.seq = Math.max(this.seq, rows);
      return state.last_seq;
    }
  }

  /** The first message of a subject from number `seq` on. */
  #nextOf(subject: string, seq: number): Promise<StoredMsg | null> {
    // the types of the client leave it out, the broker has it since 2.9
    const query = { seq, next_by_subj: subject } as { seq: number };
    return this.#broker.manager.streams.getMessage(this.#names.outStream, query);
  }

  /** Nothing of its partition can have been discarded before it. */
  #isFirstOf(message: StoredMsg): boolean {
    return Number(message.header.get(HEADER.end)) === rowsIn(message.data);
  }
}

function rowsIn(output: Uint8Array): number {
  let rows = 0;
  for (const { content } of decodePieces(output)) rows += content.rows;
  return rows;
}
