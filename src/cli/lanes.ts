import { DueTimes } from '../core/due-times.ts';
import { FLAG } from '../core/flags.ts';
import { createNormalizer, type Method, type MethodOptions, type SavedNumbers } from '../core/methods.ts';
import { MissingValue } from '../core/missing-values.ts';
import type { Arrival, NormalizedRows, RowDrift, RowNormalizer } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import { textOfBytes } from './bytes-text.ts';
import type { KeptOut } from './kept-out.ts';
import type { RowQueue } from './row-queue.ts';
import { asUsage } from './usage-error.ts';

/** The rows of one key: its normalizer, and the rows that it is given next. */
export interface Lane {
  readonly key: string;
  readonly normalizer: RowNormalizer;
  /** Row-major. */
  values: Float64Array;
  times: Float64Array;
  /** Numbers of the rows in the queue. */
  rows: Float64Array;
  gathered: number;
}

/** What makes the normalizers. */
export interface LaneSettings {
  readonly method: Method;
  readonly options: MethodOptions;
  /** Saved states by key. */
  readonly saved: ReadonlyMap<string, StatisticState>;
  /** Is told of each change of a mean: which row showed it, and of which key. */
  readonly tellDrift?: ((drift: RowDrift, time: number, key: string) => void) | undefined;
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
  readonly #due: DueTimes<Lane>;
  readonly #keptOut: KeptOut;
  #features: readonly string[] | undefined;

  constructor(settings: LaneSettings, queue: RowQueue, keptOut: KeptOut) {
    this.#settings = settings;
    this.#queue = queue;
    this.list = [];
    this.#byBytes = new Map();
    this.#byText = new Map();
    this.#touched = new Set();
    this.#due = new DueTimes();
    this.#keptOut = keptOut;
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
      const [times, rows] = [new Float64Array(larger.length / width), new Float64Array(larger.length / width)];
      times.set(lane.times);
      rows.set(lane.rows);
      lane.times = times;
      lane.rows = rows;
    }
    for (let j = 0; j < width; j++) lane.values[at + j] = values[from + j];
    lane.rows[lane.gathered] = row;
    lane.times[lane.gathered++] = time;
    this.#touched.add(lane);
  }

  /** Gives the normalizers what was gathered. */
  push(elapsedMs: number, nowMs: number): void {
    for (const lane of this.#touched) {
      const { gathered, rows } = lane;
      lane.gathered = 0;
      // the memory is filled anew: a normalizer copies what it keeps
      this.#push(lane, gathered, { elapsedMs, nowMs, ids: rows });
    }
    this.#touched.clear();
  }

  /** Closes the open windows of a lane. */
  flush(lane: Lane): void {
    this.#finish(lane, () => lane.normalizer.flush());
  }

  /** Closes the windows that are due. */
  closeDue(elapsedMs: number): void {
    for (const lane of this.#due.take(elapsedMs)) this.#finish(lane, () => lane.normalizer.advance(elapsedMs));
  }

  /** When `closeDue` may have something to do. */
  get dueMs(): number {
    return this.#due.nextMs;
  }

  #push(lane: Lane, count: number, arrival: Arrival): void {
    const { normalizer, values, times, rows } = lane;
    try {
      this.#finish(lane, () => normalizer.push(values, count, times, arrival));
    } catch (error) {
      if (!(error instanceof MissingValue)) throw error;
      // the rows before it are whole
      if (error.row > 0) this.#finish(lane, () => normalizer.push(values, error.row, times, arrival));
      const { line } = this.#queue.source(rows[error.row]);
      throw new StreamnormError('DATA', `line ${line}: ${error.message.replace(/^row \d+ has /, '')}`, {
        cause: error,
      });
    }
  }

  #finish(lane: Lane, step: () => NormalizedRows | undefined): void {
    let done: NormalizedRows | undefined;
    try {
      done = step();
    } catch (cause) {
      if (cause instanceof MissingValue) throw cause;
      // a batch of one row with `single: 'error'`: here it is the data that is wrong, not the option
      throw new StreamnormError('DATA', (cause as Error).message, { cause });
    }
    this.#due.note(lane, lane.normalizer.dueMs);
    if (done?.ids === undefined) return;
    const { rows, features, z, flags, ids } = done;
    for (let i = 0, from = 0; i < rows; i++, from += features) {
      if ((flags[i] & FLAG.quarantined) !== 0) this.#keptOut.add(flags[i], this.#queue.source(ids[i]));
      if ((flags[i] & FLAG.dropped) !== 0) this.#queue.leaveOut(ids[i]);
      else this.#queue.finish(ids[i], z, from);
    }
    for (const drift of done.drifts ?? []) {
      this.#settings.tellDrift?.({ ...drift, row: ids[drift.row] }, done.times[drift.row], lane.key);
    }
  }

  #create(key: string): number {
    const { method, options, saved } = this.#settings;
    const state = saved.get(key);
    const numbers: SavedNumbers | undefined = state === undefined ? undefined : { state };
    const features = this.#features ?? [];
    const normalizer = asUsage(() => createNormalizer(method, features, options, numbers));
    const none = new Float64Array(0);
    return this.list.push({ key, normalizer, rows: none, values: none, times: none, gathered: 0 }) - 1;
  }
}

function lacksStatistics(method: Method, { mean }: MethodOptions): boolean {
  return method === 'frozen' && mean === undefined;
}
