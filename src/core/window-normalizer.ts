import type { BatchNorm } from './batch-norm.ts';
import { captureBatches, copyOf } from './batch-report.ts';
import type { DriftWatch } from './drift-watch.ts';
import { FLAG } from './flags.ts';
import {
  emptyRows,
  NO_CLOCK,
  type NormalizedRows,
  type PendingRows,
  type RowNormalizer,
  rowDrifts,
  type StatisticsReport,
} from './row-normalizer.ts';
import { savedNumber } from './saved-number.ts';
import type { StatisticState } from './state.ts';

/**
 * Each window of `size` rows, or of those within a time of its first, by its own statistics: `BatchNorm.train` on a
 * stream of rows. Memory: one window.
 *
 * A watch sees the rows of a window one by one when it closes, so a drift is told of the row that showed it. It acts on the
 * moving statistics alone: with the batch that showed it they begin anew, or it and the next ones move them faster, as
 * many as hold the rows asked for. Each batch is normalised by its own statistics, as ever.
 */
export class WindowNormalizer implements RowNormalizer {
  readonly features: number;
  readonly size: number;
  readonly model: BatchNorm;
  pending: number;
  readonly #data: Float64Array;
  readonly #times: Float64Array;
  readonly #withinMs: number;
  /** When the first row of the open window came; -Infinity for one that was restored, until the clock is known. */
  #openedMs: number;
  /** Undefined until rows come with names. */
  #ids: Float64Array | undefined;
  /** The first row of the window that is open, or opens next, comes after a hole. */
  #afterGap: boolean;
  readonly #watch: DriftWatch | null;

  /** @throws TypeError when the watch is to forget faster, and the model has no rate */
  constructor(model: BatchNorm, size: number, withinMs = Number.POSITIVE_INFINITY, watch: DriftWatch | null = null) {
    if (watch?.action === 'faster') model.requireRate('batch');
    this.model = model;
    this.size = size;
    this.features = model.features;
    this.pending = 0;
    this.#data = new Float64Array(size * model.features);
    this.#times = new Float64Array(size);
    this.#withinMs = withinMs;
    this.#openedMs = Number.NEGATIVE_INFINITY;
    this.#ids = undefined;
    this.#afterGap = false;
    this.#watch = watch;
  }

  get dueMs(): number {
    // not as a sum: a window that was restored has opened at -Infinity
    const isTimed = this.pending > 0 && this.#withinMs < Number.POSITIVE_INFINITY;
    return isTimed ? this.#openedMs + this.#withinMs : Number.POSITIVE_INFINITY;
  }

  push(data: Float64Array, rows: number, times: Float64Array, arrival = NO_CLOCK): NormalizedRows | undefined {
    const width = this.features;
    const { elapsedMs, ids } = arrival;
    if (ids !== undefined) this.#ids ??= new Float64Array(this.size);
    const closing = Math.floor((this.pending + rows) / this.size) * this.size;
    const out = closing === 0 ? undefined : emptyRows(closing, width, this.#ids !== undefined);
    let written = 0;
    for (let from = 0; from < rows; ) {
      const take = Math.min(rows - from, this.size - this.pending);
      if (this.pending === 0) this.#openedMs = elapsedMs;
      this.#data.set(data.subarray(from * width, (from + take) * width), this.pending * width);
      this.#times.set(times.subarray(from, from + take), this.pending);
      if (ids !== undefined) this.#ids?.set(ids.subarray(from, from + take), this.pending);
      this.pending += take;
      from += take;
      if (this.pending === this.size && out !== undefined) written += this.#close(out, written);
    }
    return this.#watched(out);
  }

  /** Puts a saved window back: its time begins with the next call of `advance`. */
  restore(data: Float64Array, times: Float64Array): void {
    this.push(data, times.length, times);
    this.#openedMs = Number.NEGATIVE_INFINITY;
  }

  advance(elapsedMs: number): NormalizedRows | undefined {
    if (this.#openedMs === Number.NEGATIVE_INFINITY) this.#openedMs = elapsedMs;
    return elapsedMs >= this.dueMs ? this.flush() : undefined;
  }

  flush(): NormalizedRows | undefined {
    if (this.pending === 0) return undefined;
    const out = emptyRows(this.pending, this.features, this.#ids !== undefined);
    this.#close(out, 0);
    return this.#watched(out);
  }

  cut(): NormalizedRows | undefined {
    const out = this.flush();
    this.#afterGap = true;
    return out;
  }

  report(): StatisticsReport {
    return this.capture()();
  }

  capture(): () => StatisticsReport {
    return captureBatches(this.model, copyOf(this.model.batch));
  }

  state(): StatisticState {
    const state = this.model.state();
    return this.#watch === null ? state : ({ ...state, drift: this.#watch.state() } as StatisticState);
  }

  pendingRows(): PendingRows {
    return {
      data: Array.from(this.#data.subarray(0, this.pending * this.features), savedNumber),
      times: Array.from(this.#times.subarray(0, this.pending)),
      ...(this.#afterGap && { gap: true as const }),
    };
  }

  #act(watch: DriftWatch, data: Float64Array, rows: number): void {
    const width = this.features;
    const hurries = new Set<number>();
    for (let row = 0; row < rows; row++) {
      const values = data.subarray(row * width, (row + 1) * width);
      const changed = watch.update(values);
      if (changed !== undefined && watch.action === 'reset') for (const j of changed) this.model.forget(j);
      if (watch.hurried === undefined) continue;
      for (let j = 0; j < width; j++) if (watch.hurries(j, values[j])) hurries.add(j);
    }
    for (const j of hurries) this.model.hasten(j, watch.factor);
  }

  /** With the drifts that these rows showed. */
  #watched(out: NormalizedRows | undefined): NormalizedRows | undefined {
    if (out === undefined || this.#watch === null) return out;
    const drifts = rowDrifts(this.#watch, this.#watch.rows - out.rows);
    if (drifts !== undefined) out.drifts = drifts;
    return out;
  }

  #close(out: NormalizedRows, row: number): number {
    const rows = this.pending;
    const width = this.features;
    const data = this.#data.subarray(0, rows * width);
    out.raw.set(data, row * width);
    out.times.set(this.#times.subarray(0, rows), row);
    if (this.#ids !== undefined) out.ids?.set(this.#ids.subarray(0, rows), row);
    // a window that the model refuses is gone: nothing may wait for it to be accepted
    this.pending = 0;
    if (this.#watch !== null) this.#act(this.#watch, data, rows);
    this.model.trainInto(
      { data, rows, features: width },
      out.z.subarray(row * width, (row + rows) * width),
      out.flags.subarray(row, row + rows),
    );
    if (this.#afterGap) out.flags[row] |= FLAG.gap;
    this.#afterGap = false;
    return rows;
  }
}
