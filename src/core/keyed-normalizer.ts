import { DueTimes } from './due-times.ts';
import { FLAG } from './flags.ts';
import { KeyTable, requireMaxKeys } from './key-table.ts';
import { KeyedSnapshot } from './keyed-snapshot.ts';
import { createNormalizer, type Method, type MethodOptions, type SavedNumbers } from './methods.ts';
import {
  type Arrival,
  arrivalOf,
  emptyRows,
  NO_CLOCK,
  type NormalizedRows,
  type PendingRows,
  type RowDrift,
  type RowNormalizer,
  type StatisticsReport,
} from './row-normalizer.ts';
import { reportOf, SampleNormalizer } from './sample-normalizer.ts';
import type { Standardizer } from './standardizer.ts';
import type { StatisticState } from './state.ts';
import { StatisticSlots } from './statistic-slots.ts';

/** Normalised rows of many keys, in the order in which they are done. */
export interface KeyedRows extends NormalizedRows {
  readonly keys: readonly string[];
}

/** What is kept of one key: its name, its statistics, the rows of its open window. */
export type KeyedEntry = readonly [key: string, state: StatisticState, pending?: PendingRows];

/** A key has lost its statistics. */
export interface KeyEviction {
  readonly key: string;
  /** `maxKeys`: it was the one unused for longest when a new key came; `idle`: it was unused for that time. */
  readonly reason: 'maxKeys' | 'idle';
  /** What would bring them back; to be asked for at once, or never. */
  saved(): SavedNumbers;
}

export interface KeyedOptions {
  /** Keys that have statistics at a time; the one unused for longest loses them. */
  readonly maxKeys: number;
  /** A key that was unused for so many ms loses its statistics; undefined: never. */
  readonly idleMs?: number | undefined;
  readonly onEvict?: ((eviction: KeyEviction) => void) | undefined;
  /** What a key knew that comes, or comes back; undefined: nothing. */
  readonly restore?: ((key: string) => SavedNumbers | undefined) | undefined;
}

export const DEFAULT_MAX_KEYS = 100_000;

/**
 * One method of normalising with statistics for each key: what a keyed channel of the server and `pipe --key` run.
 *
 * A method that scores row by row takes `StatisticSlots`: 224 bytes a key of 8 features for `ewma`, and the same numbers
 * as a normalizer of its own. Others, with windows, have a normalizer a key. Time is given by whoever calls: the same
 * calls give the same result wherever they run.
 */
export class KeyedNormalizer {
  readonly features: number;
  readonly maxKeys: number;
  /** Keys that have lost their statistics so far, by reason. */
  readonly evictions: { maxKeys: number; idle: number };
  readonly #create: (saved?: SavedNumbers) => RowNormalizer;
  readonly #table: KeyTable<string>;
  readonly #idleMs: number | undefined;
  readonly #onEvict: KeyedOptions['onEvict'];
  readonly #restore: KeyedOptions['restore'];
  readonly #packed: { standardizer: Standardizer; slots: StatisticSlots } | undefined;
  /** By slot, of methods that are not packed. */
  readonly #normalizers: (RowNormalizer | undefined)[];
  /** When windows close, by slot. */
  readonly #due: DueTimes<number>;
  readonly #x: Float64Array;
  readonly #z: Float64Array;
  #pending: number;
  /** By slot, of packed keys: 1 until the first row after a hole in the feed; null where there was none. */
  #afterGap: Uint8Array | null;
  /** What the standardizer keeps of a hole, of the keys that lacked a value after it. */
  readonly #aged: Map<number, Uint8Array>;
  #snapshot: KeyedSnapshot<string> | undefined;

  /** @throws TypeError, RangeError as `createNormalizer`, and for a wrong `maxKeys` */
  constructor(create: (saved?: SavedNumbers) => RowNormalizer, options: KeyedOptions) {
    const { maxKeys, idleMs, onEvict, restore } = options;
    requireMaxKeys('key', maxKeys);
    const first = create();
    this.features = first.features;
    this.maxKeys = maxKeys;
    this.evictions = { maxKeys: 0, idle: 0 };
    this.#create = create;
    this.#table = new KeyTable(idleMs !== undefined);
    this.#idleMs = idleMs;
    this.#onEvict = onEvict;
    this.#restore = restore;
    this.#packed =
      // given statistics may come with scales of their own, a key each
      first instanceof SampleNormalizer && !first.watches && first.standardizer.statistic.frozen !== true
        ? {
            standardizer: first.standardizer,
            slots: new StatisticSlots(() => (create() as SampleNormalizer).standardizer.statistic),
          }
        : undefined;
    this.#normalizers = [];
    this.#due = new DueTimes();
    this.#x = new Float64Array(first.features);
    this.#z = new Float64Array(first.features);
    this.#pending = 0;
    this.#afterGap = null;
    this.#aged = new Map();
    this.#snapshot = undefined;
  }

  /** Number of keys that have statistics. */
  get size(): number {
    return this.#table.size;
  }

  /** The keys whose rows came last, the newest first, at most `most` of them. */
  newestKeys(most: number): string[] {
    return this.#table.newestKeys(most);
  }

  /** Rows that wait for their window to close. */
  get pending(): number {
    return this.#pending;
  }

  /** When `advance` may have something to do; Infinity: never. */
  get dueMs(): number {
    return Math.min(this.#due.nextMs, this.#expiryMs);
  }

  get #expiryMs(): number {
    const { oldest } = this.#table;
    return this.#idleMs === undefined || oldest < 0
      ? Number.POSITIVE_INFINITY
      : this.#table.usedAt(oldest) + this.#idleMs;
  }

  /**
   * Takes rows, each with its key; returns those that are normalised by now, or undefined when there are none. In order
   * within a key, and where no method waits for a window, in all.
   *
   * @param nowMs on the clock that windows and idle keys go by
   * @param arrival the wall clock, and what the caller calls the rows
   */
  push(
    keys: readonly string[],
    data: Float64Array,
    rows: number,
    times: Float64Array,
    nowMs: number,
    { nowMs: wallMs, ids, weights }: Omit<Arrival, 'elapsedMs' | 'keptOut'> = NO_CLOCK,
  ): KeyedRows | undefined {
    if (rows === 0) return undefined;
    const done: Done[] = [];
    this.#expire(nowMs, done);
    if (this.#packed === undefined) {
      return this.#pushToWindows(keys, data, rows, times, { elapsedMs: nowMs, nowMs: wallMs, ids, weights }, done);
    }
    const { standardizer, slots } = this.#packed;
    const width = this.features;
    const names = new Array<string>(rows);
    const out = { ...emptyRows(rows, width), ids: ids?.slice(0, rows), keys: names };
    out.raw.set(data.subarray(0, rows * width));
    out.times.set(times.subarray(0, rows));
    const [x, z] = [this.#x, this.#z];
    let inHand = -1;
    for (let row = 0, from = 0; row < rows; row++, from += width) {
      let slot = this.#table.find(keys[row]);
      if (slot < 0 || slot !== inHand) {
        if (inHand >= 0) slots.give(inHand, weights !== undefined);
        slot = this.#use(keys[row], slot, nowMs, undefined, done);
        standardizer.statistic = slots.take(slot);
        inHand = slot;
      }
      // the text that is kept anyway, not another one of the same key
      names[row] = this.#table.key(slot);
      const gap = this.#afterGap === null ? 0 : this.#endGap(slot, standardizer);
      for (let j = 0; j < width; j++) x[j] = data[from + j];
      out.flags[row] = standardizer.stepWeighted(x, z, times[row], weights?.[row]) | gap;
      for (let j = 0; j < width; j++) out.z[from + j] = z[j];
      if (standardizer.aged !== null) this.#keepAged(slot, standardizer);
    }
    slots.give(inHand, weights !== undefined);
    return out;
  }

  /** There is a hole in the feed before the next row of every key: see `RowNormalizer.cut`. */
  cut(): KeyedRows | undefined {
    const done: Done[] = [];
    if (this.#packed !== undefined) {
      for (const slot of this.#table.inOrder()) this.#snapshot?.before(slot);
      this.#afterGap = new Uint8Array(this.#table.slots).fill(1);
      return undefined;
    }
    for (const slot of this.#table.inOrder()) {
      this.#snapshot?.before(slot);
      this.#step(slot, (normalizer) => normalizer.cut(), done);
    }
    return joined(done, this.features);
  }

  /** Closes all open windows, of the key unused for longest first. */
  flush(): KeyedRows | undefined {
    const done: Done[] = [];
    if (this.#pending > 0) for (const slot of this.#table.inOrder()) this.#flushSlot(slot, done);
    return joined(done, this.features);
  }

  /** Closes the open window of a key. */
  flushKey(key: string): KeyedRows | undefined {
    const slot = this.#table.find(key);
    const done: Done[] = [];
    if (slot >= 0) this.#flushSlot(slot, done);
    return joined(done, this.features);
  }

  /** Closes the windows that are due, and takes the statistics of the keys that were unused for too long. */
  advance(nowMs: number): KeyedRows | undefined {
    const done: Done[] = [];
    this.#expire(nowMs, done);
    for (const slot of this.#due.take(nowMs)) {
      if (this.#normalizers[slot] === undefined) continue;
      this.#snapshot?.before(slot);
      this.#step(slot, (normalizer) => normalizer.advance(nowMs), done);
    }
    return joined(done, this.features);
  }

  has(key: string): boolean {
    return this.#table.find(key) >= 0;
  }

  /** Where the statistics of a key stand; undefined for one that has none. It does not count as use. */
  report(key: string): StatisticsReport | undefined {
    const slot = this.#table.find(key);
    if (slot < 0) return undefined;
    return this.#packed === undefined ? this.#normalizers[slot]?.report() : reportOf(this.#packed.slots.take(slot));
  }

  state(key: string): StatisticState | undefined {
    const slot = this.#table.find(key);
    return slot < 0 ? undefined : this.#savedOf(slot).state;
  }

  /** Gives a key its statistics back. It is the newest then: saved keys come in the order in which they were saved. */
  restore(key: string, saved: SavedNumbers, nowMs: number): void {
    const known = this.#table.find(key);
    if (known >= 0) this.#forget(known);
    this.#use(key, -1, nowMs, saved, []);
  }

  /**
   * Begins to save every key as of now: texts of `KeyedEntry`, the key unused for longest first. The former one must have
   * been read or given up: there is one at a time.
   */
  snapshot(): KeyedSnapshot<string> {
    const entry = (slot: number) => JSON.stringify(this.#entryOf(slot));
    this.#snapshot = new KeyedSnapshot(this.#table.inOrder(), this.#table.slots, entry);
    return this.#snapshot;
  }

  /** The snapshot has been read, or is no longer wanted. */
  endSnapshot(): void {
    this.#snapshot = undefined;
  }

  /** Every key as of now; nothing may move meanwhile. */
  *entries(): Generator<KeyedEntry> {
    for (const slot of this.#table.inOrder()) yield this.#entryOf(slot);
  }

  #entryOf(slot: number): KeyedEntry {
    const key = this.#table.key(slot);
    const { state, pending } = this.#savedOf(slot);
    return pending === undefined ? [key, state] : [key, state, pending];
  }

  #savedOf(slot: number): SavedNumbers {
    if (this.#packed !== undefined) {
      const state = this.#packed.slots.take(slot).state();
      return this.#afterGap?.[slot] === 1 ? { state, pending: { data: [], times: [], gap: true } } : { state };
    }
    const normalizer = this.#normalizers[slot] as RowNormalizer;
    const state = normalizer.state();
    const pending = normalizer.pendingRows();
    // lists of rows, a hole, a line: whatever there is besides no rows
    return pending.times.length > 0 || Object.keys(pending).length > 2 ? { state, pending } : { state };
  }

  /** The first row of a key after a hole. */
  #endGap(slot: number, standardizer: Standardizer): number {
    const afterGap = this.#afterGap as Uint8Array;
    const aged = this.#aged.get(slot);
    standardizer.aged = aged ?? null;
    if (aged !== undefined) this.#aged.delete(slot);
    if (afterGap[slot] !== 1) return 0;
    afterGap[slot] = 0;
    standardizer.cut();
    return FLAG.gap;
  }

  #keepAged(slot: number, standardizer: Standardizer): void {
    this.#aged.set(slot, standardizer.aged as Uint8Array);
    standardizer.aged = null;
  }

  #expire(nowMs: number, done: Done[]): void {
    while (this.#expiryMs <= nowMs) this.#evict(this.#table.oldest, 'idle', done);
  }

  /** The slot of a key, which is the newest now; a new key gets one. */
  #use(key: string, known: number, nowMs: number, saved: SavedNumbers | undefined, done: Done[]): number {
    const table = this.#table;
    let slot = known;
    if (slot >= 0) {
      this.#snapshot?.before(slot);
      table.renew(slot);
    } else {
      const numbers = saved ?? this.#restore?.(key);
      // before the key has a slot: a state that does not fit changes nothing
      const normalizer = numbers === undefined && this.#packed !== undefined ? undefined : this.#create(numbers);
      while (table.size >= this.maxKeys) this.#evict(table.oldest, 'maxKeys', done);
      slot = table.add(key);
      if (this.#packed === undefined) {
        this.#normalizers[slot] = normalizer;
        this.#pending += normalizer?.pending ?? 0;
        // the time of a window that was open begins anew
        normalizer?.advance(nowMs);
        this.#due.note(slot, normalizer?.dueMs ?? Number.POSITIVE_INFINITY);
      } else {
        if (normalizer === undefined) this.#packed.slots.open(slot);
        else this.#packed.slots.put(slot, (normalizer as SampleNormalizer).standardizer.statistic);
        this.#setAfterGap(slot, numbers?.pending?.gap === true);
      }
    }
    table.setUsedAt(slot, nowMs);
    return slot;
  }

  #setAfterGap(slot: number, isAfter: boolean): void {
    if (isAfter && slot >= (this.#afterGap?.length ?? 0)) {
      const larger = new Uint8Array(2 * slot + 1);
      if (this.#afterGap !== null) larger.set(this.#afterGap);
      this.#afterGap = larger;
    }
    if (this.#afterGap !== null && slot < this.#afterGap.length) this.#afterGap[slot] = isAfter ? 1 : 0;
  }

  #evict(slot: number, reason: KeyEviction['reason'], done: Done[]): void {
    this.#snapshot?.before(slot);
    this.#flushSlot(slot, done);
    this.evictions[reason]++;
    const key = this.#table.key(slot);
    this.#onEvict?.({ key, reason, saved: () => this.#savedOf(slot) });
    this.#forget(slot);
  }

  #forget(slot: number): void {
    this.#snapshot?.before(slot);
    if (this.#packed === undefined) {
      this.#pending -= this.#normalizers[slot]?.pending ?? 0;
      this.#normalizers[slot] = undefined;
    } else {
      this.#packed.slots.close(slot);
      this.#aged.delete(slot);
    }
    this.#table.remove(slot);
  }

  #pushToWindows(
    keys: readonly string[],
    data: Float64Array,
    rows: number,
    times: Float64Array,
    arrival: Arrival,
    done: Done[],
  ): KeyedRows | undefined {
    const width = this.features;
    for (let row = 0; row < rows; ) {
      const key = keys[row];
      const first = row;
      while (++row < rows && keys[row] === key);
      const slot = this.#use(key, this.#table.find(key), arrival.elapsedMs, undefined, done);
      const part = data.subarray(first * width, row * width);
      const own = arrivalOf(arrival, first, row);
      this.#step(slot, (normalizer) => normalizer.push(part, row - first, times.subarray(first, row), own), done);
    }
    return joined(done, width);
  }

  #flushSlot(slot: number, done: Done[]): void {
    const normalizer = this.#normalizers[slot];
    if (normalizer === undefined || normalizer.pending === 0) return;
    this.#snapshot?.before(slot);
    this.#step(slot, () => normalizer.flush(), done);
  }

  #step(slot: number, step: (normalizer: RowNormalizer) => NormalizedRows | undefined, done: Done[]): void {
    const normalizer = this.#normalizers[slot] as RowNormalizer;
    const before = normalizer.pending;
    const content = step(normalizer);
    this.#pending += normalizer.pending - before;
    this.#due.note(slot, normalizer.dueMs);
    if (content !== undefined) done.push({ key: this.#table.key(slot), content });
  }
}

interface Done {
  readonly key: string;
  readonly content: NormalizedRows;
}

function joined(done: readonly Done[], features: number): KeyedRows | undefined {
  if (done.length === 0) return undefined;
  const rows = done.reduce((sum, { content }) => sum + content.rows, 0);
  const out = emptyRows(
    rows,
    features,
    done.some(({ content }) => content.ids !== undefined),
  );
  const keys: string[] = [];
  const drifts: RowDrift[] = [];
  let at = 0;
  for (const { key, content } of done) {
    out.raw.set(content.raw, at * features);
    out.z.set(content.z, at * features);
    out.times.set(content.times, at);
    out.flags.set(content.flags, at);
    if (content.ids !== undefined) out.ids?.set(content.ids, at);
    for (const drift of content.drifts ?? []) drifts.push({ ...drift, row: at + drift.row });
    at += content.rows;
    while (keys.length < at) keys.push(key);
  }
  return { ...out, keys, ...(drifts.length > 0 && { drifts }) };
}

/**
 * `createNormalizer` for a stream of many keys.
 *
 * @throws TypeError, RangeError for a wrong method or option
 * @example
 * const keyed = createKeyedNormalizer('cumulative', ['x'], { eps: 0 }, { maxKeys: 1_000 });
 * const times = new Float64Array(5);
 * keyed.push(['a', 'b', 'a', 'a', 'b'], Float64Array.of(1, 7, 3, 4, 8), 5, times, 0)?.z[3]; // 2
 */
export function createKeyedNormalizer(
  method: Method,
  features: readonly string[],
  options: MethodOptions,
  keyed: KeyedOptions,
): KeyedNormalizer {
  return new KeyedNormalizer((saved) => createNormalizer(method, features, options, saved), keyed);
}
