import { createNormalizer, type Method, type MethodOptions, type SavedNumbers } from '../core/methods.ts';
import { OpenWindows } from '../core/open-windows.ts';
import type { NormalizedRows, RowNormalizer } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import { textOfBytes } from './bytes-text.ts';
import type { RowQueue } from './row-queue.ts';
import { asUsage } from './usage-error.ts';

/** The rows of one key: its normalizer, and the rows it has been or will be given and has not given back. */
export interface Lane {
  readonly key: string;
  readonly normalizer: RowNormalizer;
  /** Numbers of the rows in the queue. */
  rows: number[];
  /** Rows not yet pushed, row-major. */
  values: Float64Array;
  times: Float64Array;
  gathered: number;
}

/** What makes the normalizers. */
export interface LaneSettings {
  readonly method: Method;
  readonly options: MethodOptions;
  /** Longest time in ms that a window stays open after its first row came. */
  readonly withinMs: number;
  /** Saved states by key. */
  readonly saved: ReadonlyMap<string, StatisticState>;
}

/** One normalizer a key, or one alone. Rows are gathered, so that a normalizer gets many of them in one push. */
export class Lanes {
  readonly list: Lane[];
  readonly #settings: LaneSettings;
  readonly #queue: RowQueue;
  /** By the bytes of the key, and by its text: keys that differ in encoding only are one. */
  readonly #byBytes: Map<string, number>;
  readonly #byText: Map<string, number>;
  readonly #touched: Set<Lane>;
  readonly #windows: OpenWindows<Lane>;
  #features: readonly string[] | undefined;

  constructor(settings: LaneSettings, queue: RowQueue) {
    this.#settings = settings;
    this.#queue = queue;
    this.list = [];
    this.#byBytes = new Map();
    this.#byText = new Map();
    this.#touched = new Set();
    this.#windows = new OpenWindows(settings.withinMs);
    this.#features = undefined;
  }

  /** Names the features, the first time; saved keys get their lanes, so that they are saved again. */
  open(features: readonly string[]): void {
    if (this.#features !== undefined) return;
    this.#features = features;
    for (const key of this.#settings.saved.keys()) this.#byText.set(key, this.#create(key));
  }

  /**
   * Index of the lane of a key, made when it is new; -1 when given statistics were asked for and there are none for it.
   * The characters of the key stand for one byte each.
   */
  indexOf(bytes: string): number {
    const known = this.#byBytes.get(bytes);
    if (known !== undefined) return known;
    const text = textOfBytes(bytes);
    const { method, options } = this.#settings;
    const index = this.#byText.get(text) ?? (lacksStatistics(method, options) ? -1 : this.#create(text));
    this.#byText.set(text, index);
    this.#byBytes.set(bytes, index);
    return index;
  }

  gather(index: number, row: number, values: Float64Array, from: number, time: number): void {
    const lane = this.list[index];
    const width = lane.normalizer.features;
    const at = lane.gathered * width;
    if (at === lane.values.length) {
      const larger = new Float64Array(Math.max(at * 2, width));
      larger.set(lane.values);
      lane.values = larger;
      const times = new Float64Array(larger.length / width);
      times.set(lane.times);
      lane.times = times;
    }
    for (let j = 0; j < width; j++) lane.values[at + j] = values[from + j];
    lane.times[lane.gathered++] = time;
    lane.rows.push(row);
    this.#touched.add(lane);
  }

  /** Gives the normalizers what was gathered. */
  push(nowMs: number): void {
    for (const lane of this.#touched) {
      const { gathered, normalizer } = lane;
      lane.gathered = 0;
      this.#finish(lane, () => normalizer.push(lane.values, gathered, lane.times), nowMs);
    }
    this.#touched.clear();
  }

  /** Closes the open window of a lane. */
  flush(lane: Lane, nowMs: number): void {
    this.#finish(lane, () => lane.normalizer.flush(), nowMs);
  }

  /** Closes the windows that have been open long enough. */
  flushOverdue(nowMs: number): void {
    for (const lane of this.#windows.overdue(nowMs)) this.flush(lane, nowMs);
  }

  /** When `flushOverdue` will have something to do. */
  get dueMs(): number {
    return this.#windows.dueMs;
  }

  #finish(lane: Lane, step: () => NormalizedRows | undefined, nowMs: number): void {
    let done: NormalizedRows | undefined;
    try {
      done = step();
    } catch (cause) {
      // a batch of one row with `single: 'error'`: here it is the data that is wrong, not the option
      throw new StreamnormError('DATA', (cause as Error).message, { cause });
    }
    this.#windows.note(lane, lane.normalizer.pending > 0, done !== undefined, nowMs);
    if (done === undefined) return;
    const { rows } = lane;
    for (let i = 0, from = 0; i < done.rows; i++, from += done.features) this.#queue.finish(rows[i], done.z, from);
    lane.rows = done.rows === rows.length ? [] : rows.slice(done.rows);
  }

  #create(key: string): number {
    const { method, options, saved } = this.#settings;
    const state = saved.get(key);
    const numbers: SavedNumbers | undefined = state === undefined ? undefined : { state };
    const features = this.#features ?? [];
    const normalizer = asUsage(() => createNormalizer(method, features, options, numbers));
    const none = new Float64Array(0);
    return this.list.push({ key, normalizer, rows: [], values: none, times: none, gathered: 0 }) - 1;
  }
}

function lacksStatistics(method: Method, { mean }: MethodOptions): boolean {
  return method === 'frozen' && mean === undefined;
}
