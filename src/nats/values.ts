import type { Payload } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import { type Broker, isWrongLast } from './broker.ts';

export interface Value {
  readonly data: Uint8Array;
  /** Number of the message that holds it. */
  readonly revision: number;
  readonly time: Date;
}

/**
 * Values by key, in a stream that keeps the last message of each subject.
 *
 * Not used: the client's KV. It is such a stream as well, but reads from any replica, leaves a marker for each key that is
 * deleted, and forbids to delete one message by its number, which is how a value is given back here: exactly the one
 * that was written, whoever has written since.
 */
export class Values {
  readonly #broker: Broker;
  readonly #stream: string;
  readonly #prefix: string;

  /** @param prefix of the subjects; a key is what follows it and a dot */
  constructor(broker: Broker, stream: string, prefix: string) {
    this.#broker = broker;
    this.#stream = stream;
    this.#prefix = prefix;
  }

  /** The value as the stream's leader has it. */
  async get(key: string): Promise<Value | undefined> {
    const message = await this.#broker.manager.streams.getMessage(this.#stream, { last_by_subj: this.#subject(key) });
    return message === null ? undefined : { data: message.data, revision: message.seq, time: message.time };
  }

  /**
   * Replaces revision `revision`; 0: there must be none.
   *
   * @returns its own revision
   * @throws StreamnormError FENCED when another one is there
   */
  async put(key: string, data: Payload, revision: number): Promise<number> {
    try {
      const { seq } = await this.#broker.client.publish(this.#subject(key), data, {
        expect: { streamName: this.#stream, lastSubjectSequence: revision },
      });
      return seq;
    } catch (cause) {
      if (!isWrongLast(cause)) throw cause;
      throw new StreamnormError('FENCED', `${key} is no longer at revision ${revision}`, { cause });
    }
  }

  /** Removes this one revision; false when it is gone already. */
  async remove(revision: number): Promise<boolean> {
    try {
      return await this.#broker.manager.streams.deleteMessage(this.#stream, revision, false);
    } catch {
      return false;
    }
  }

  /** Removes all values of a key, which may end in `>`. */
  async clear(key: string): Promise<void> {
    await this.#broker.manager.streams.purge(this.#stream, { filter: this.#subject(key) });
  }

  /** The keys that fit, which may end in `>`. */
  async keys(filter: string): Promise<string[]> {
    const { state } = await this.#broker.manager.streams.info(this.#stream, { subjects_filter: this.#subject(filter) });
    return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(this.#prefix.length + 1));
  }

  #subject(key: string): string {
    return `${this.#prefix}.${key}`;
  }
}
