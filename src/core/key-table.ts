import { requireNumber } from './parameter.ts';

/** Links of a chunk of slots: 128 KiB. */
const CHUNK_SLOTS = 2 ** 14;
const SHIFT = 14;
const MASK = CHUNK_SLOTS - 1;
const NONE = -1;

/** Keys that a table can hold: a JavaScript Map ends at 2^24. */
const MOST_KEYS = 16_000_000;

/**
 * Gives each key a slot, a small whole number under which others keep what belongs to it, and knows which key was unused
 * for longest. Slots are used again.
 *
 * Idea: keys and slots in a Map and its reverse, the order of use as a doubly linked list over typed arrays, which grow
 * by a chunk at a time and are never copied. Each step takes the same time however many keys there are.
 *
 * Not done: an own hash table over the bytes of the keys. Measured with a million texts, the Map and the list of keys
 * take 60 bytes a key beside the text itself, against the 224 of an `Ewma` of 8 features.
 *
 * Memory: 60 bytes a key and the key; 8 more with times.
 */
export class KeyTable<K> {
  readonly #slots: Map<K, number>;
  readonly #keys: (K | undefined)[];
  /** Of each slot the older and the newer one; of a free slot the next free one. */
  readonly #links: Int32Array[];
  readonly #usedAt: Float64Array[] | undefined;
  /** Slots given out so far, free ones included. */
  #used: number;
  #free: number;
  #oldest: number;
  #newest: number;

  /** @param timed whether `usedAt` is kept */
  constructor(timed: boolean) {
    this.#slots = new Map();
    this.#keys = [];
    this.#links = [];
    this.#usedAt = timed ? [] : undefined;
    this.#used = 0;
    this.#free = NONE;
    this.#oldest = NONE;
    this.#newest = NONE;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Every slot is below it. */
  get slots(): number {
    return this.#used;
  }

  /** Slot of the key that was unused for longest; -1 when there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** -1 for a key that has none. */
  find(key: K): number {
    return this.#slots.get(key) ?? NONE;
  }

  /** Gives a slot to a key that has none; it is the newest. */
  add(key: K): number {
    let slot = this.#free;
    if (slot === NONE) {
      slot = this.#used++;
      if ((slot & MASK) === 0) {
        this.#links.push(new Int32Array(2 * CHUNK_SLOTS));
        this.#usedAt?.push(new Float64Array(CHUNK_SLOTS));
      }
    } else {
      this.#free = this.#newer(slot);
    }
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#append(slot);
    return slot;
  }

  /** The key is the newest now. */
  renew(slot: number): void {
    if (slot === this.#newest) return;
    this.#unlink(slot);
    this.#append(slot);
  }

  /** Takes the slot from its key. */
  remove(slot: number): void {
    this.#slots.delete(this.#keys[slot] as K);
    this.#keys[slot] = undefined;
    this.#unlink(slot);
    this.#setNewer(slot, this.#free);
    this.#free = slot;
  }

  clear(): void {
    this.#slots.clear();
    this.#keys.length = 0;
    this.#links.length = 0;
    if (this.#usedAt !== undefined) this.#usedAt.length = 0;
    this.#used = 0;
    this.#free = NONE;
    this.#oldest = NONE;
    this.#newest = NONE;
  }

  key(slot: number): K {
    return this.#keys[slot] as K;
  }

  usedAt(slot: number): number {
    return this.#usedAt === undefined ? Number.NaN : this.#usedAt[slot >>> SHIFT][slot & MASK];
  }

  setUsedAt(slot: number, time: number): void {
    if (this.#usedAt !== undefined) this.#usedAt[slot >>> SHIFT][slot & MASK] = time;
  }

  /** The keys used last, the newest first, at most `most` of them. */
  newestKeys(most: number): K[] {
    const keys: K[] = [];
    for (let slot = this.#newest; slot !== NONE && keys.length < most; slot = this.#older(slot))
      keys.push(this.key(slot));
    return keys;
  }

  /** The slots in use as of now, the one unused for longest first: a copy. */
  inOrder(): Int32Array {
    const slots = new Int32Array(this.size);
    for (let slot = this.#oldest, i = 0; slot !== NONE; slot = this.#newer(slot)) slots[i++] = slot;
    return slots;
  }

  #older(slot: number): number {
    return this.#links[slot >>> SHIFT][2 * (slot & MASK)];
  }

  #newer(slot: number): number {
    return this.#links[slot >>> SHIFT][2 * (slot & MASK) + 1];
  }

  #setNewer(slot: number, newer: number): void {
    this.#links[slot >>> SHIFT][2 * (slot & MASK) + 1] = newer;
  }

  #append(slot: number): void {
    const newest = this.#newest;
    const links = this.#links[slot >>> SHIFT];
    const at = 2 * (slot & MASK);
    links[at] = newest;
    links[at + 1] = NONE;
    if (newest === NONE) this.#oldest = slot;
    else this.#setNewer(newest, slot);
    this.#newest = slot;
  }

  #unlink(slot: number): void {
    const links = this.#links[slot >>> SHIFT];
    const at = 2 * (slot & MASK);
    const older = links[at];
    const newer = links[at + 1];
    if (older === NONE) this.#oldest = newer;
    else this.#setNewer(older, newer);
    if (newer === NONE) this.#newest = older;
    else this.#links[newer >>> SHIFT][2 * (newer & MASK)] = older;
  }
}

/** @throws TypeError, RangeError */
export function requireMaxKeys(where: string, maxKeys: unknown): number {
  const holds = (n: number) => Number.isSafeInteger(n) && n >= 1 && n <= MOST_KEYS;
  return requireNumber(where, 'maxKeys', maxKeys, holds, `to be a whole number from 1 to ${MOST_KEYS}`);
}
