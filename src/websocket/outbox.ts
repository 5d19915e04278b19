/** One sample waiting to be written, and when it came (wall clock, ms). */
export interface Waiting<S> {
  readonly sample: S;
  readonly time: number;
}

/**
 * A queue of bounded length that drops its oldest entry to make room for the newest: a ring, so that both ends cost
 * the same however long it is.
 */
export class Outbox<S> {
  readonly #ring: (Waiting<S> | undefined)[];
  readonly #most: number;
  #head: number;
  #size: number;

  constructor(most: number) {
    this.#ring = [];
    this.#most = most;
    this.#head = 0;
    this.#size = 0;
  }

  get size(): number {
    return this.#size;
  }

  /** True when the oldest entry was dropped for this one. */
  push(sample: S, time: number): boolean {
    const full = this.#size === this.#most;
    if (full) this.shift();
    this.#ring[(this.#head + this.#size) % this.#most] = { sample, time };
    this.#size += 1;
    return full;
  }

  shift(): Waiting<S> | undefined {
    if (this.#size === 0) return undefined;
    const oldest = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#most;
    this.#size -= 1;
    return oldest;
  }

  /** Empties the queue and says how many there were. */
  clear(): number {
    const { size } = this;
    while (this.shift() !== undefined);
    return size;
  }
}
