import type { BatchNorm } from './batch-norm.ts';
import { FLAG } from './flags.ts';
import {
  emptyRows,
  type NormalizedRows,
  orNull,
  type PendingRows,
  type RowNormalizer,
  type StatisticsReport,
} from './row-normalizer.ts';
import type { StatisticState } from './state.ts';

/** Each window of `size` rows by its own statistics: `BatchNorm.train` on a stream of rows. Memory: one window. */
export class WindowNormalizer implements RowNormalizer {
  readonly features: number;
  readonly size: number;
  readonly model: BatchNorm;
  pending: number;
  readonly #data: Float64Array;
  readonly #times: Float64Array;
  /** The first row of the window that is open, or opens next, comes after a hole. */
  #afterGap: boolean;

  constructor(model: BatchNorm, size: number) {
    this.model = model;
    this.size = size;
    this.features = model.features;
    this.pending = 0;
    this.#data = new Float64Array(size * model.features);
    this.#times = new Float64Array(size);
    this.#afterGap = false;
  }

  push(data: Float64Array, rows: number, times: Float64Array): NormalizedRows | undefined {
    const width = this.features;
    const closing = Math.floor((this.pending + rows) / this.size) * this.size;
    const out = closing === 0 ? undefined : emptyRows(closing, width);
    let written = 0;
    for (let from = 0; from < rows; ) {
      const take = Math.min(rows - from, this.size - this.pending);
      this.#data.set(data.subarray(from * width, (from + take) * width), this.pending * width);
      this.#times.set(times.subarray(from, from + take), this.pending);
      this.pending += take;
      from += take;
      if (this.pending === this.size && out !== undefined) written += this.#close(out, written);
    }
    return out;
  }

  flush(): NormalizedRows | undefined {
    if (this.pending === 0) return undefined;
    const out = emptyRows(this.pending, this.features);
    this.#close(out, 0);
    return out;
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
    const { batches, samples, batch } = this.model;
    const moving = Array.from({ length: this.features }, (_, j) => this.model.moving(j));
    const { rows } = batch;
    const [count, mean, m2, min, max] = [batch.count, batch.mean, batch.m2, batch.min, batch.max].map((x) => x.slice());
    return () => {
      const perFeature = (value: (j: number) => number) => moving.map((_, j) => orNull(value(j)));
      return {
        version: batches,
        rows: samples,
        mean: perFeature((j) => (batches > 0 ? moving[j].mean : Number.NaN)),
        std: perFeature((j) => (batches > 0 ? Math.sqrt(moving[j].variance) : Number.NaN)),
        batch:
          rows === 0
            ? null
            : {
                count: rows,
                mean: perFeature((j) => (count[j] > 0 ? mean[j] : Number.NaN)),
                std: perFeature((j) => Math.sqrt(m2[j] / count[j])),
                min: perFeature((j) => min[j]),
                max: perFeature((j) => max[j]),
              },
      };
    };
  }

  state(): StatisticState {
    return this.model.state();
  }

  pendingRows(): PendingRows {
    return {
      data: Array.from(this.#data.subarray(0, this.pending * this.features), savedValue),
      times: Array.from(this.#times.subarray(0, this.pending)),
      ...(this.#afterGap && { gap: true as const }),
    };
  }

  #close(out: NormalizedRows, row: number): number {
    const rows = this.pending;
    const width = this.features;
    const data = this.#data.subarray(0, rows * width);
    out.raw.set(data, row * width);
    out.times.set(this.#times.subarray(0, rows), row);
    // a window that the model refuses is gone: nothing may wait for it to be accepted
    this.pending = 0;
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

function savedValue(x: number): number | string | null {
  if (Object.is(x, -0)) return '-0';
  return Number.isFinite(x) ? x : Number.isNaN(x) ? null : String(x);
}
