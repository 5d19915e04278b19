import { NumberSlab } from './number-slab.ts';
import type { Statistic, StatisticNumbers } from './statistic.ts';

/** First number of a record whose statistic is an object of its own; a version is never negative. */
const OBJECT = Number.NEGATIVE_INFINITY;

/**
 * Many statistics of one kind and the same options, by slot, in little more memory than their numbers take.
 *
 * Idea: the formulas stay where they are. One statistic, the one in hand, takes the numbers of a slot, moves by a sample
 * as any other does, and its numbers go back: two copies of a few dozen numbers, in one piece of memory. So the results
 * are those of a statistic of one's own, to the last bit.
 *
 * What is alike for all features (count, weights, time) is kept once a slot while it is. When a feature misses a value,
 * its slot takes a second record, with one of each a feature. A statistic without `numbers` (a window or a sketch, of no
 * fixed size; a frozen one; a cumulative one that has learned a weight) stays an object.
 *
 * Memory: of F features `ewma` takes 8·(3F + 4) bytes a slot (by time one number more), `cumulative` 8·(3F + 2), `minMax`
 * 8·(2F + 2); with missing values about three times that. Cost: two copies a sample that comes to another slot than the one before it.
 */
export class StatisticSlots {
  readonly #create: () => Statistic;
  /** What the packed slots take turns in. */
  #hand: Statistic;
  #numbers: StatisticNumbers | undefined;
  readonly #settings: string;
  /** Version, numbers that are alike, numbers of each feature. Or where the statistic is. */
  readonly #records: NumberSlab;
  readonly #initial: Float64Array;
  readonly #wide: NumberSlab;
  readonly #freeWide: number[];
  #usedWide: number;
  readonly #objects: Map<number, Statistic>;

  constructor(create: () => Statistic) {
    this.#create = create;
    this.#hand = create();
    this.#numbers = this.#hand.frozen === true ? undefined : this.#hand.numbers?.();
    this.#settings = settingsOf(this.#hand);
    const { alike = [], each = [] } = this.#numbers ?? {};
    const { features } = this.#hand;
    this.#records = new NumberSlab(1 + alike.length + each.length * features);
    this.#wide = new NumberSlab(1 + (alike.length + each.length) * features);
    this.#freeWide = [];
    this.#usedWide = 0;
    this.#objects = new Map();
    this.#initial = new Float64Array(this.#records.width);
    if (this.#numbers === undefined) this.#initial[0] = OBJECT;
    else pack(this.#numbers, this.#hand.version, this.#initial, 0);
  }

  /** Bytes that a slot takes, as long as its features miss no values; 0 when each is an object. */
  get recordBytes(): number {
    return this.#numbers === undefined ? 0 : 8 * this.#records.width;
  }

  /** A new statistic in a slot that is empty. */
  open(slot: number): void {
    const records = this.#records;
    records.reserve(slot);
    records.chunk(slot).set(this.#initial, records.offset(slot));
    if (this.#numbers === undefined) this.#objects.set(slot, this.#create());
  }

  /** A statistic that was restored, in a slot that is empty. What its numbers do not say is kept as an object. */
  put(slot: number, statistic: Statistic): void {
    this.open(slot);
    const numbers = statistic.frozen === true ? undefined : statistic.numbers?.();
    if (this.#numbers === undefined || numbers === undefined || settingsOf(statistic) !== this.#settings) {
      this.#keep(slot, statistic);
    } else {
      this.#store(slot, numbers, statistic.version);
    }
  }

  /** The statistic of a slot. Packed ones share one object: what changes it must be followed by `give` before the next. */
  take(slot: number): Statistic {
    const records = this.#records;
    const record = records.chunk(slot);
    const at = records.offset(slot);
    const head = record[at];
    if (head === OBJECT) return this.#objects.get(slot) as Statistic;
    const numbers = this.#numbers as StatisticNumbers;
    if (head >= 0) {
      unpack(numbers, record, at);
    } else {
      const index = -1 - head;
      unpackWide(numbers, this.#wide.chunk(index), this.#wide.offset(index));
    }
    return this.#hand;
  }

  /**
   * Keeps what `take` gave for this slot, as it is now.
   *
   * @param weighted whether it may have learned a weight: `cumulative` knows more then than its numbers say
   */
  give(slot: number, weighted = false): void {
    if (this.#numbers === undefined || this.#isObject(slot)) return;
    if (weighted && this.#hand.numbers?.() === undefined) {
      this.#keep(slot, this.#hand);
      this.#hand = this.#create();
      this.#numbers = this.#hand.numbers?.();
      return;
    }
    this.#store(slot, this.#numbers, this.#hand.version);
  }

  /** Empties a slot. */
  close(slot: number): void {
    const records = this.#records;
    const head = records.chunk(slot)[records.offset(slot)];
    if (head === OBJECT) this.#objects.delete(slot);
    else if (head < 0) this.#freeWide.push(-1 - head);
  }

  clear(): void {
    this.#records.clear();
    this.#wide.clear();
    this.#freeWide.length = 0;
    this.#usedWide = 0;
    this.#objects.clear();
  }

  /** From now on the slot is this object. */
  #keep(slot: number, statistic: Statistic): void {
    const record = this.#records.chunk(slot);
    const at = this.#records.offset(slot);
    if (record[at] < 0) this.#freeWide.push(-1 - record[at]);
    record[at] = OBJECT;
    this.#objects.set(slot, statistic);
  }

  #isObject(slot: number): boolean {
    return this.#records.chunk(slot)[this.#records.offset(slot)] === OBJECT;
  }

  #store(slot: number, numbers: StatisticNumbers, version: number): void {
    const record = this.#records.chunk(slot);
    const at = this.#records.offset(slot);
    const head = record[at];
    if (isAlike(numbers.alike)) {
      if (head < 0) this.#freeWide.push(-1 - head);
      pack(numbers, version, record, at);
      return;
    }
    let index = -1 - head;
    if (head >= 0) {
      index = this.#freeWide.pop() ?? this.#usedWide++;
      this.#wide.reserve(index);
      record[at] = -1 - index;
    }
    packWide(numbers, version, this.#wide.chunk(index), this.#wide.offset(index));
  }
}

/** The options that a statistic was made with, as its state has them. */
function settingsOf(statistic: Statistic): string {
  const fields = Object.entries(statistic.state()).filter(
    ([name, value]) => name !== 'version' && !Array.isArray(value),
  );
  return JSON.stringify(fields);
}

function isAlike(columns: readonly Float64Array[]): boolean {
  for (const column of columns) {
    const first = column[0];
    for (let j = 1; j < column.length; j++) {
      const value = column[j];
      // NaN is a time that is not there
      if (value !== first && !(Number.isNaN(value) && Number.isNaN(first))) return false;
    }
  }
  return true;
}

function pack({ alike, each }: StatisticNumbers, version: number, into: Float64Array, at: number): void {
  let to = at;
  into[to++] = version;
  for (let i = 0; i < alike.length; i++) into[to++] = alike[i][0];
  for (let i = 0; i < each.length; i++) {
    const column = each[i];
    for (let j = 0; j < column.length; j++) into[to++] = column[j];
  }
}

function unpack(numbers: StatisticNumbers, record: Float64Array, at: number): void {
  const { alike, each } = numbers;
  let from = at + 1;
  for (let i = 0; i < alike.length; i++) {
    const column = alike[i];
    const value = record[from++];
    for (let j = 0; j < column.length; j++) column[j] = value;
  }
  for (let i = 0; i < each.length; i++) {
    const column = each[i];
    for (let j = 0; j < column.length; j++) column[j] = record[from++];
  }
  numbers.recall(record[at]);
}

function packWide({ alike, each }: StatisticNumbers, version: number, into: Float64Array, at: number): void {
  let to = at;
  into[to++] = version;
  for (const columns of [alike, each]) for (const column of columns) for (const value of column) into[to++] = value;
}

function unpackWide(numbers: StatisticNumbers, record: Float64Array, at: number): void {
  let from = at + 1;
  for (const columns of [numbers.alike, numbers.each]) {
    for (const column of columns) for (let j = 0; j < column.length; j++) column[j] = record[from++];
  }
  numbers.recall(record[at]);
}
