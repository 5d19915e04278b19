import { JetStreamApiError } from '@nats-io/jetstream';
import { StreamnormError } from '../errors.ts';
import type { Broker } from './broker.ts';
import { isNoStream } from './log-meta.ts';

/** Options of `LogWriter`. */
export interface LogWriterOptions<T> {
  readonly stream: string;
  readonly subject: string;
  /** One message of these items. */
  readonly encode: (items: readonly T[]) => Uint8Array;
  /** Most rows in one message; a single item may have more. Default 512. */
  readonly maxRows?: number;
  /** Rows that wait at most; with more, `push` refuses. Default 65,536. */
  readonly maxWaitingRows?: number;
  /** After so long without an answer of the broker items are given up. Default 30,000 ms. */
  readonly giveUpMs?: number;
}

interface Waiting<T> {
  readonly item: T;
  readonly rows: number;
  readonly sinceMs: number;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: unknown) => void;
}

/** The broker's code for a stream that takes no more messages. */
const SEALED = 10_109;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;
let writers = 0;

/**
 * Writes items to one subject, in order, each once.
 *
 * Idea: one message is under way at a time, and what comes meanwhile goes together in the next one. So a message whose fate
 * is not known is sent again before anything can pass it by, batches grow with the load and no timer makes a row wait.
 */
export class LogWriter<T> {
  readonly #broker: Broker;
  readonly #options: Required<LogWriterOptions<T>>;
  /** First part of the names of messages, by which the broker finds those that it has. */
  readonly #id: string;
  #messages: number;
  #waiting: Waiting<T>[];
  #writing: Promise<void> | undefined;
  /** Rows that wait or are under way. */
  waitingRows: number;

  constructor(broker: Broker, options: LogWriterOptions<T>) {
    this.#broker = broker;
    this.#options = { maxRows: 512, maxWaitingRows: 65_536, giveUpMs: 30_000, ...options };
    this.#id = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 10)}${writers++}`;
    this.#messages = 0;
    this.#waiting = [];
    this.#writing = undefined;
    this.waitingRows = 0;
  }

  /**
   * Resolves with the number of the message once the broker has it.
   *
   * @throws StreamnormError OVERLOADED when too many rows wait already; UNAVAILABLE when the broker does not answer;
   *   LOG_MISMATCH when the log takes no more messages, because it is being repartitioned
   */
  push(item: T, rows: number): Promise<number> {
    const { maxWaitingRows, subject } = this.#options;
    if (this.waitingRows > 0 && this.waitingRows + rows > maxWaitingRows) {
      throw new StreamnormError('OVERLOADED', `${this.waitingRows} rows wait to be written to ${subject}: send later`);
    }
    this.waitingRows += rows;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, rows, sinceMs: performance.now(), resolve, reject });
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      let [taken, rows] = [0, 0];
      while (
        taken < this.#waiting.length &&
        (taken === 0 || rows + this.#waiting[taken].rows <= this.#options.maxRows)
      ) {
        rows += this.#waiting[taken++].rows;
      }
      const together = this.#waiting.splice(0, taken);
      try {
        const data = this.#options.encode(together.map(({ item }) => item));
        const seq = await this.#publish(data, together[0].sinceMs);
        for (const { resolve } of together) resolve(seq);
      } catch (error) {
        // nothing may pass a message by whose fate is not known: what waits behind it is given up with it
        for (const { reject } of [...together, ...this.#waiting]) reject(error);
        for (const waiting of this.#waiting) this.waitingRows -= waiting.rows;
        this.#waiting = [];
      }
      this.waitingRows -= rows;
    }
  }

  /** Whether the stream is no more: then nobody answers, as when the broker is away. */
  async #isGone(): Promise<boolean> {
    try {
      await this.#broker.manager.streams.info(this.#options.stream);
      return false;
    } catch (error) {
      return isNoStream(error);
    }
  }

  async #publish(data: Uint8Array, sinceMs: number): Promise<number> {
    const { stream, subject, giveUpMs } = this.#options;
    const msgID = `${this.#id}.${this.#messages++}`;
    for (let failures = 0; ; failures++) {
      try {
        const { seq } = await this.#broker.client.publish(subject, data, { msgID, expect: { streamName: stream } });
        return seq;
      } catch (cause) {
        if ((cause instanceof JetStreamApiError && cause.code === SEALED) || (await this.#isGone())) {
          throw new StreamnormError('LOG_MISMATCH', `${stream} takes no more messages: it is being repartitioned`, {
            cause,
          });
        }
        if (performance.now() - sinceMs > giveUpMs || this.#broker.connection.isClosed()) {
          const why = (cause as Error).message;
          throw new StreamnormError('UNAVAILABLE', `the broker does not take messages of ${subject}: ${why}`, {
            cause,
          });
        }
        const ms = Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
        await new Promise((resolve) => setTimeout(resolve, ms));
      }
    }
  }
}
