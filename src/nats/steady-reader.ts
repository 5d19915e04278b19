import type { JsMsg } from '@nats-io/jetstream';
import type { Broker } from './broker.ts';
import { type LogPlace, LogReader, type ReadOptions } from './log-reader.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;

/** A `LogReader` that begins again behind its last message whenever it fails: it reads on for ever. */
export class SteadyReader {
  readonly #broker: Broker;
  readonly #place: LogPlace;
  readonly #options: ReadOptions;
  readonly #onFailure: (error: unknown) => void;
  #reader: LogReader | undefined;
  #from: number;
  #failures: number;
  #closed: boolean;

  constructor(broker: Broker, place: LogPlace, options: ReadOptions, onFailure: (error: unknown) => void = () => {}) {
    this.#broker = broker;
    this.#place = place;
    this.#options = options;
    this.#onFailure = onFailure;
    this.#reader = undefined;
    this.#from = place.from;
    this.#failures = 0;
    this.#closed = false;
  }

  /** All that has arrived, as soon as there is any; none after a while, when it has failed, and once it is closed. */
  async next(): Promise<readonly JsMsg[]> {
    if (this.#closed) return [];
    try {
      this.#reader ??= await LogReader.open(this.#broker, { ...this.#place, from: this.#from }, this.#options);
      if (this.#closed) {
        await this.close();
        return [];
      }
      const messages = await this.#reader.next();
      this.#failures = 0;
      const last = messages.at(-1);
      if (last !== undefined) this.#from = last.seq + 1;
      return messages;
    } catch (error) {
      if (this.#closed) return [];
      this.#onFailure(error);
      await this.#drop();
      const ms = Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures++, 10));
      await new Promise((resolve) => setTimeout(resolve, ms));
      return [];
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }
}
