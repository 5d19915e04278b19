import { FLAG } from '../core/flags.ts';
import { KeyedNormalizer } from '../core/keyed-normalizer.ts';
import { createNormalizer, type Method, type MethodOptions } from '../core/methods.ts';
import { MissingValue } from '../core/missing-values.ts';
import type { Arrival, NormalizedRows, RowDrift, RowNormalizer, StatisticsReport } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import type { KeptOut } from './kept-out.ts';
import { KeyTexts } from './key-texts.ts';
import type { RowQueue } from './row-queue.ts';
import { asUsage } from './usage-error.ts';

export interface PipeNormalizerSettings {
  readonly method: Method;
  readonly options: MethodOptions;
  /** Keys that have statistics at a time; undefined: there are no keys. */
  readonly maxKeys: number | undefined;
  /** Saved states: by key, or one under ''. */
  readonly saved: ReadonlyMap<string, StatisticState>;
  /** Whether rows come with weights; else all weigh 1. */
  readonly weighted: boolean;
  /** Whether what evicted keys knew is kept for when they come again, and for the end. */
  readonly keepsEvicted: boolean;
  /** Is told of each change of a mean: which row showed it, and of which key. */
  readonly tellDrift?: ((drift: RowDrift, time: number, key: string) => void) | undefined;
  /** Is told of the first key that is evicted. */
  readonly tellEviction?: (() => void) | undefined;
}

/** What the rows of a run go through: statistics for each key, or one for all. */
type Numbers =
  | { readonly all: RowNormalizer; readonly byKey?: undefined }
  | { readonly byKey: KeyedNormalizer; readonly all?: undefined };

/**
 * Gathers rows, gives them to the normalizer in one push, and the queue what comes out.
 *
 * Saved states wait until their key comes, as do those of evicted keys where they are kept.
 */
export class PipeNormalizer {
  readonly #settings: PipeNormalizerSettings;
  readonly #queue: RowQueue;
  readonly #keptOut: KeptOut;
  readonly #texts: KeyTexts;
  /** States of keys that have no statistics now. */
  readonly #waiting: Map<string, StatisticState>;
  /** Rows in one push: 1 where the data may end the run, so that the rows before are whole. */
  readonly #most: number;
  #numbers: Numbers | undefined;
  #features: readonly string[];
  #used: boolean;
  // rows that are gathered, row-major, and their numbers in the queue
  #values: Float64Array;
  #times: Float64Array;
  #rows: Float64Array;
  #weights: Float64Array;
  readonly #keys: string[];
  #gathered: number;

  constructor(settings: PipeNormalizerSettings, queue: RowQueue, keptOut: KeptOut) {
    const { maxKeys, options, saved } = settings;
    this.#settings = settings;
    this.#queue = queue;
    this.#keptOut = keptOut;
    this.#texts = new KeyTexts(maxKeys ?? 0);
    this.#waiting = new Map(maxKeys === undefined ? [] : saved);
    this.#most =
      maxKeys !== undefined && (options.missing === 'error' || options.single === 'error')
        ? 1
        : Number.POSITIVE_INFINITY;
    this.#numbers = undefined;
    this.#features = [];
    this.#used = false;
    this.#values = new Float64Array(0);
    this.#times = new Float64Array(0);
    this.#rows = new Float64Array(0);
    this.#weights = new Float64Array(0);
    this.#keys = [];
    this.#gathered = 0;
  }

  /** Evictions because of `maxKeys`. */
  get evictions(): number {
    return this.#numbers?.byKey?.evictions.maxKeys ?? 0;
  }

  /**
   * Names the features, the first time.
   *
   * @throws UsageError when options or saved states do not fit them
   */
  open(features: readonly string[]): void {
    if (this.#numbers !== undefined) return;
    const { method, options, maxKeys, saved, keepsEvicted, tellEviction } = this.#settings;
    this.#features = features;
    this.#numbers = asUsage(() => {
      if (maxKeys === undefined) {
        const state = saved.get('');
        const all = createNormalizer(method, features, options, state === undefined ? undefined : { state });
        this.#used = state !== undefined;
        return { all };
      }
      // that one does not fit must not come out in the middle of the input
      for (const state of saved.values()) createNormalizer(method, features, options, { state });
      // given statistics are there for some keys only, and rows of others are bad lines
      const [first] = this.#needsSaved ? saved.values() : [];
      const without = first === undefined ? undefined : { state: first };
      const byKey = new KeyedNormalizer((numbers = without) => createNormalizer(method, features, options, numbers), {
        maxKeys,
        onEvict: ({ key, saved: numbers }) => {
          if (this.evictions === 1) tellEviction?.();
          if (keepsEvicted) this.#waiting.set(key, numbers().state);
        },
        restore: (key) => this.#restore(key),
      });
      return { byKey };
    });
  }

  /** The key of rows by its bytes; undefined when given statistics were asked for and there are none for it. */
  keyOf(bytes: string): string | undefined {
    if (this.#settings.maxKeys === undefined) return bytes;
    const key = this.#texts.textOf(bytes);
    if (!this.#needsSaved || this.#settings.saved.has(key)) return key;
    return undefined;
  }

  gather(key: string, row: number, values: Float64Array, from: number, time: number, weight: number): void {
    const width = this.#features.length;
    const at = this.#gathered * width;
    if (at === this.#values.length) this.#grow(width);
    for (let j = 0; j < width; j++) this.#values[at + j] = values[from + j];
    this.#keys[this.#gathered] = key;
    this.#rows[this.#gathered] = row;
    this.#weights[this.#gathered] = weight;
    this.#times[this.#gathered++] = time;
  }

  /** Gives the normalizer what was gathered. */
  push(elapsedMs: number, nowMs: number): void {
    const count = this.#gathered;
    // the memory is filled anew: a normalizer copies what it keeps
    this.#gathered = 0;
    if (count === 0) return;
    this.#used = true;
    const step = Math.min(count, this.#most);
    for (let from = 0; from < count; from += step) this.#push(from, step, { elapsedMs, nowMs });
  }

  /** Closes the open windows of a key. */
  flushKey(key: string): void {
    this.#finish(({ all, byKey }) => all?.flush() ?? byKey?.flushKey(key));
  }

  /** Closes all open windows. */
  flush(): void {
    this.#finish(({ all, byKey }) => (all ?? byKey)?.flush());
  }

  /** Closes the windows that are due. */
  closeDue(elapsedMs: number): void {
    if (elapsedMs >= this.dueMs) this.#finish(({ all, byKey }) => (all ?? byKey)?.advance(elapsedMs));
  }

  /** When `closeDue` may have something to do. */
  get dueMs(): number {
    const { all, byKey } = this.#numbers ?? {};
    return (all ?? byKey)?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** States by key, the one unused for longest first; without keys one under ''. None before the first row. */
  *states(): Generator<[key: string, state: StatisticState]> {
    const { all, byKey } = this.#numbers ?? {};
    if (all !== undefined && this.#used) yield ['', all.state()];
    if (byKey === undefined) return;
    yield* this.#waiting;
    for (const [key, state] of byKey.entries()) yield [key, state];
  }

  /** Where the statistics of each state stand. */
  *reports(): Generator<[key: string, report: StatisticsReport]> {
    const { all, byKey } = this.#numbers ?? {};
    const { method, options } = this.#settings;
    for (const [key, state] of this.states()) {
      const report = all?.report() ?? byKey?.report(key);
      yield [key, report ?? createNormalizer(method, this.#features, options, { state }).report()];
    }
  }

  get #needsSaved(): boolean {
    const { method, options } = this.#settings;
    return method === 'frozen' && options.mean === undefined;
  }

  #restore(key: string): { state: StatisticState } | undefined {
    const state = this.#waiting.get(key);
    this.#waiting.delete(key);
    return state === undefined ? undefined : { state };
  }

  #push(from: number, count: number, arrival: Arrival): void {
    const width = this.#features.length;
    const values = from === 0 ? this.#values : this.#values.subarray(from * width);
    const times = from === 0 ? this.#times : this.#times.subarray(from);
    const ids = from === 0 ? this.#rows : this.#rows.subarray(from);
    const keys = from === 0 ? this.#keys : this.#keys.slice(from, from + count);
    const weights = this.#settings.weighted ? this.#weights.subarray(from) : undefined;
    const step = (rows: number) =>
      this.#finish(({ all, byKey }) => {
        if (all !== undefined) return all.push(values, rows, times, { ...arrival, ids, weights });
        return byKey.push(keys, values, rows, times, arrival.elapsedMs, { nowMs: arrival.nowMs, ids, weights });
      });
    try {
      step(count);
    } catch (error) {
      if (!(error instanceof MissingValue)) throw error;
      // the rows before it are whole
      if (error.row > 0) step(error.row);
      const { line } = this.#queue.source(ids[error.row]);
      throw new StreamnormError('DATA', `line ${line}: ${error.message.replace(/^row \d+ has /, '')}`, {
        cause: error,
      });
    }
  }

  #finish(step: (numbers: Numbers) => NormalizedRows | undefined): void {
    if (this.#numbers === undefined) return;
    let done: NormalizedRows | undefined;
    try {
      done = step(this.#numbers);
    } catch (cause) {
      if (cause instanceof MissingValue) throw cause;
      // a batch of one row with `single: 'error'`: here it is the data that is wrong, not the option
      throw new StreamnormError('DATA', (cause as Error).message, { cause });
    }
    if (done?.ids === undefined) return;
    const { rows, features, z, flags, ids, times, keys } = done;
    for (let i = 0, from = 0; i < rows; i++, from += features) {
      if ((flags[i] & FLAG.quarantined) !== 0) this.#keptOut.add(flags[i], this.#queue.source(ids[i]));
      if ((flags[i] & FLAG.dropped) !== 0) this.#queue.leaveOut(ids[i]);
      else this.#queue.finish(ids[i], z, from);
    }
    for (const drift of done.drifts ?? []) {
      this.#settings.tellDrift?.({ ...drift, row: ids[drift.row] }, times[drift.row], keys?.[drift.row] ?? '');
    }
  }

  #grow(width: number): void {
    const rows = Math.max(16, this.#gathered * 2);
    const larger = (numbers: Float64Array, length: number) => {
      const grown = new Float64Array(length);
      grown.set(numbers);
      return grown;
    };
    this.#values = larger(this.#values, rows * width);
    this.#times = larger(this.#times, rows);
    this.#rows = larger(this.#rows, rows);
    this.#weights = larger(this.#weights, rows);
  }
}
