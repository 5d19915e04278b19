import { RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import type { Broker } from './broker.ts';
import { requireName } from './log-names.ts';
import { makeStream } from './provision.ts';
import { Values } from './values.ts';

/**
 * Who is there, and who has what: values that the broker forgets when they are not renewed in time. They only keep two
 * workers from doing the same work; that the work comes out right does not depend on them.
 */
export class Leases {
  readonly #values: Values;
  readonly #worker: string;
  /** Revisions of what this worker has, by key. */
  readonly #held: Map<string, number>;
  /** Revision of the word that this worker is there. */
  #here: number;

  private constructor(values: Values, worker: string) {
    this.#values = values;
    this.#worker = worker;
    this.#held = new Map();
    this.#here = 0;
  }

  /** @param spanMs how long a lease lasts that is not renewed; all workers have the same, and the first one to come sets it */
  static async open(
    broker: Broker,
    { prefix, worker, spanMs, replicas }: { prefix: string; worker: string; spanMs: number; replicas: number },
  ): Promise<Leases> {
    requireName('worker', worker);
    const name = `${prefix}_leases`;
    await makeStream(broker, {
      name,
      subjects: [`${prefix}.leases.>`],
      retention: RetentionPolicy.Limits,
      // in a file, since one in memory would be gone with the broker
      storage: StorageType.File,
      num_replicas: replicas,
      max_msgs_per_subject: 1,
      max_age: nanos(spanMs),
      // must not be longer than max_age
      duplicate_window: nanos(Math.min(spanMs, 2_000)),
    });
    return new Leases(new Values(broker, name, `${prefix}.leases`), worker.replaceAll('.', '='));
  }

  get held(): ReadonlySet<string> {
    return new Set(this.#held.keys());
  }

  /** Says that this worker is there. */
  async beHere(): Promise<void> {
    const key = `worker.${this.#worker}`;
    try {
      this.#here = await this.#values.put(key, this.#worker, this.#here);
    } catch (error) {
      if (!(error instanceof StreamnormError && error.code === 'FENCED')) throw error;
      // it has expired, or the answer to the last one was lost
      this.#here = await this.#values.put(key, this.#worker, (await this.#values.get(key))?.revision ?? 0);
    }
  }

  /** The workers that are there. */
  async workers(): Promise<string[]> {
    return (await this.#values.keys('worker.>')).map((key) => key.slice('worker.'.length));
  }

  /** What is taken, by whomever. */
  async taken(): Promise<Set<string>> {
    return new Set((await this.#values.keys('unit.>')).map((key) => key.slice('unit.'.length)));
  }

  async ownerOf(unit: string): Promise<string | undefined> {
    const value = await this.#values.get(`unit.${unit}`);
    return value && new TextDecoder().decode(value.data);
  }

  /** Takes what nobody has; false when somebody has it. */
  async take(unit: string): Promise<boolean> {
    try {
      this.#held.set(unit, await this.#values.put(`unit.${unit}`, this.#worker, 0));
      return true;
    } catch (error) {
      if (error instanceof StreamnormError && error.code === 'FENCED') return false;
      throw error;
    }
  }

  /** False when it is lost. */
  async renew(unit: string): Promise<boolean> {
    try {
      this.#held.set(unit, await this.#values.put(`unit.${unit}`, this.#worker, this.#held.get(unit) ?? 0));
      return true;
    } catch (error) {
      if (!(error instanceof StreamnormError && error.code === 'FENCED')) throw error;
      this.#held.delete(unit);
      return false;
    }
  }

  /** Gives back exactly what this worker has written, whatever others have written since. */
  async giveBack(unit: string): Promise<void> {
    const revision = this.#held.get(unit);
    this.#held.delete(unit);
    if (revision !== undefined) await this.#values.remove(revision);
  }

  /** The worker goes. */
  async leave(): Promise<void> {
    if (this.#here !== 0) await this.#values.remove(this.#here);
    this.#here = 0;
  }
}
