/**
 * What is known of every key at one moment, read bit by bit while the keys go on.
 *
 * Idea: nothing is copied at first. A key that is about to change before its turn is written down then; the others are as
 * they were. So the memory is that of the keys that moved meanwhile.
 *
 * Cost at the start: one number a key, one byte a slot.
 */
export class KeyedSnapshot<E> {
  readonly #slots: Int32Array;
  readonly #entryOf: (slot: number) => E;
  /** 1: it has had its turn, was written down, or is not part of this. */
  readonly #done: Uint8Array;
  readonly #ahead: Map<number, E>;
  #next: number;

  /**
   * @param slots in the order in which they shall be read
   * @param bound every slot is below it
   */
  constructor(slots: Int32Array, bound: number, entryOf: (slot: number) => E) {
    this.#slots = slots;
    this.#entryOf = entryOf;
    this.#done = new Uint8Array(bound).fill(1);
    for (const slot of slots) this.#done[slot] = 0;
    this.#ahead = new Map();
    this.#next = 0;
  }

  /** Number of keys. */
  get size(): number {
    return this.#slots.length;
  }

  /** A slot is about to change, or to be emptied. */
  before(slot: number): void {
    if (slot >= this.#done.length || this.#done[slot] === 1) return;
    this.#done[slot] = 1;
    this.#ahead.set(slot, this.#entryOf(slot));
  }

  /** The next one; undefined at the end. */
  next(): E | undefined {
    if (this.#next === this.#slots.length) return undefined;
    const slot = this.#slots[this.#next++];
    const ahead = this.#ahead.get(slot);
    if (ahead !== undefined) {
      this.#ahead.delete(slot);
      return ahead;
    }
    this.#done[slot] = 1;
    return this.#entryOf(slot);
  }
}
