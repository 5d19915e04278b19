import { AckPolicy, type ConsumerMessages, DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import type { Broker } from './broker.ts';

export interface LogPlace {
  readonly stream: string;
  /** Subject, wildcards included. */
  readonly subject: string;
  /** Number of the first message wanted. */
  readonly from: number;
}

export interface ReadOptions {
  /** Messages asked for at a time; at most twice as many are held. Default 64. */
  readonly maxMessages?: number;
  /** How long `next` waits for a message. Default 1,000 ms. */
  readonly waitMs?: number;
}

/** How long the broker keeps a request for messages open. */
const EXPIRES_MS = 5_000;
/** A consumer whose reader is gone is dropped by the broker. */
const INACTIVE_MS = 60_000;

/**
 * The messages of a subject from a number on, in order, none left out.
 *
 * Idea: a pull consumer without acknowledgements is a cursor in the broker. One request for a bounded number of messages is
 * open at a time, and the next one is made once those have been taken: back pressure without a timer. What a broken
 * connection swallows is not sent again, so the consumer's own numbering is checked, message by message, and the
 * consumer is asked where it is when nothing comes. Not used: ordered consumers, which begin anew by themselves and were
 * seen to stand still for more than a minute after the end of a broker.
 */
export class LogReader {
  readonly #place: LogPlace;
  readonly #maxMessages: number;
  readonly #waitMs: number;
  readonly #broker: Broker;
  readonly #name: string;
  #queue: JsMsg[];
  #fetching: ConsumerMessages | undefined;
  /** Messages that the consumer has handed out. */
  #delivered: number;
  #failure: unknown;
  #closed: boolean;
  #arrived: (() => void) | undefined;
  #taken: (() => void) | undefined;

  private constructor(
    broker: Broker,
    place: LogPlace,
    name: string,
    { maxMessages = 64, waitMs = 1_000 }: ReadOptions,
  ) {
    this.#broker = broker;
    this.#place = place;
    this.#maxMessages = maxMessages;
    this.#waitMs = waitMs;
    this.#name = name;
    this.#queue = [];
    this.#fetching = undefined;
    this.#delivered = 0;
    this.#failure = undefined;
    this.#closed = false;
    this.#arrived = undefined;
    this.#taken = undefined;
  }

  static async open(broker: Broker, place: LogPlace, options: ReadOptions = {}): Promise<LogReader> {
    const { name } = await broker.manager.consumers.add(place.stream, {
      filter_subject: place.subject,
      ack_policy: AckPolicy.None,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
      ...(place.from > 1
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: place.from }
        : { deliver_policy: DeliverPolicy.All }),
    });
    const reader = new LogReader(broker, place, name, options);
    void reader.#pump();
    return reader;
  }

  /**
   * All that has arrived, as soon as there is any; none after `waitMs`, and none once it is closed.
   *
   * @throws StreamnormError UNAVAILABLE when a message was lost on the way, and what the client throws: open another one then
   */
  async next(): Promise<readonly JsMsg[]> {
    if (this.#queue.length === 0 && this.#failure === undefined && !this.#closed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#waitMs);
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#arrived = undefined;
    }
    const messages = this.#queue;
    if (messages.length === 0 && this.#failure !== undefined) throw this.#failure;
    this.#queue = [];
    this.#taken?.();
    return messages;
  }

  /** Ends the waiting of `next`. */
  wake(): void {
    this.#arrived?.();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#fetching?.stop();
    this.#arrived?.();
    this.#taken?.();
    try {
      await this.#broker.manager.consumers.delete(this.#place.stream, this.#name);
    } catch {
      // it ends by itself soon
    }
  }

  async #pump(): Promise<void> {
    try {
      const { manager, client } = this.#broker;
      const consumer = await client.consumers.get(this.#place.stream, this.#name);
      while (!this.#closed) {
        this.#fetching = await consumer.fetch({ max_messages: this.#maxMessages, expires: EXPIRES_MS });
        let received = 0;
        for await (const message of this.#fetching) {
          received++;
          if (message.info.deliverySequence !== ++this.#delivered) throw this.#lost(message.info.deliverySequence);
          this.#queue.push(message);
          this.#arrived?.();
        }
        if (this.#closed) return;
        if (received === 0) {
          // nothing came, or what came was lost, or the consumer is gone: the last two must not look like the first
          const { delivered } = await manager.consumers.info(this.#place.stream, this.#name);
          if (delivered.consumer_seq !== this.#delivered) throw this.#lost(delivered.consumer_seq);
        }
        while (this.#queue.length > 0 && !this.#closed) {
          await new Promise<void>((resolve) => {
            this.#taken = resolve;
          });
        }
      }
    } catch (error) {
      this.#failure = error;
      this.#arrived?.();
    }
  }

  #lost(number: number): StreamnormError {
    return new StreamnormError(
      'UNAVAILABLE',
      `messages of ${this.#place.subject} were lost on the way: the consumer is at ${number}, ${this.#delivered} expected`,
    );
  }
}
