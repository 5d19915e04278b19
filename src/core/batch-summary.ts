import { batchKernel } from './batch-kernel.ts';
import { exactSum } from './exact-sum.ts';
import type { Rows } from './rows.ts';
import { StateReader, type StatisticState } from './state.ts';
import { isUsable, MAX_MAGNITUDE } from './usable.ts';

/** The saved form of a `BatchSummary`, to bring a shard's to where it is merged. */
export interface BatchSummaryState extends StatisticState {
  readonly format: 'streamnorm.batch-summary/1';
  readonly features: number;
  readonly rows: number;
  readonly count: number[];
  readonly mean: number[];
  /** Σ(x - mean)². */
  readonly m2: number[];
  /** null where the count is 0. */
  readonly min: (number | null)[];
  readonly max: (number | null)[];
}

const FORMAT = 'streamnorm.batch-summary/1';

/**
 * Count, mean, squared deviations, minimum and maximum of a batch, per feature.
 *
 * Idea: two passes a column. The sums carry their rounding errors along (TwoSum), and the second pass corrects for the
 * rounding of the mean: `M2 = Σ(x - mean)² - (Σ(x - mean))²/n`. Both mean and variance come out within 4 ulp of the
 * exact result, also for 1e9 + noise, where `Σx² - n·mean²` has no correct digit. Not done: one pass (Welford divides
 * once a value and is less accurate).
 *
 * Values that are NaN, infinite or larger than `MAX_MAGNITUDE` are skipped, each feature on its own.
 *
 * Sources: T. Ogita, S. M. Rump, S. Oishi, "Accurate sum and dot product", 2005 (Sum2); T. F. Chan, G. H. Golub,
 * R. J. LeVeque, "Algorithms for computing the sample variance", 1983 (corrected two-pass, and the merge).
 *
 * Cost: two passes over the data; memory 5 float64 a feature, reused by `of`.
 *
 * @example
 * const summary = new BatchSummary(1).of({ data: Float64Array.of(1, 2, 3), rows: 3, features: 1 });
 * summary.mean[0]; // 2
 * summary.variance(0); // 0.6666666666666666
 * summary.unbiasedVariance(0); // 1
 * summary.merge(new BatchSummary(1).of({ data: Float64Array.of(10), rows: 1, features: 1 }));
 * summary.unbiasedVariance(0); // 16.666666666666668
 */
export class BatchSummary {
  readonly features: number;
  /** Rows of the batch, usable or not. */
  rows: number;
  /** Usable values, per feature. */
  readonly count: Float64Array;
  /** 0 where the count is 0. */
  readonly mean: Float64Array;
  /** Σ(x - mean)². */
  readonly m2: Float64Array;
  /** Infinity where the count is 0. */
  readonly min: Float64Array;
  /** -Infinity where the count is 0. */
  readonly max: Float64Array;

  constructor(features: number) {
    this.features = features;
    this.rows = 0;
    this.count = new Float64Array(features);
    this.mean = new Float64Array(features);
    this.m2 = new Float64Array(features);
    this.min = new Float64Array(features);
    this.max = new Float64Array(features);
  }

  /** Replaces the content by the summary of `batch`. */
  of(batch: Rows): this {
    this.rows = batch.rows;
    const kernel = batchKernel(batch.rows, this.features);
    kernel?.sum(batch);
    for (let j = 0; j < this.features; j++) {
      if (kernel?.column(this, j) !== true) this.#column(batch.data, batch.rows, j);
    }
    return this;
  }

  /**
   * Adds a part of the same batch that was summarised elsewhere, as if its rows had been here: the statistics of a batch
   * that is spread over shards (SyncBatchNorm). Exact but for rounding, hence in any order and any tree; an empty part
   * changes nothing.
   *
   * @throws TypeError for another number of features
   */
  merge(other: BatchSummary): this {
    if (other.features !== this.features) {
      throw new TypeError(`BatchSummary.merge requires ${this.features} features, got ${other.features}`);
    }
    this.rows += other.rows;
    for (let j = 0; j < this.features; j++) {
      const count = other.count[j];
      if (count === 0) continue;
      const own = this.count[j];
      if (own === 0) {
        this.count[j] = count;
        this.mean[j] = other.mean[j];
        this.m2[j] = other.m2[j];
        this.min[j] = other.min[j];
        this.max[j] = other.max[j];
        continue;
      }
      const n = own + count;
      const mean = other.mean[j];
      const delta = mean - this.mean[j];
      this.m2[j] += other.m2[j] + delta * delta * own * (count / n);
      // from the nearer end: the mean stays between the two
      this.mean[j] = own > count ? this.mean[j] + delta * (count / n) : mean - delta * (own / n);
      this.count[j] = n;
      this.min[j] = Math.min(this.min[j], other.min[j]);
      this.max[j] = Math.max(this.max[j], other.max[j]);
    }
    return this;
  }

  state(): BatchSummaryState {
    const orNull = (extreme: Float64Array) => Array.from(extreme, (x, j) => (this.count[j] > 0 ? x : null));
    return {
      format: FORMAT,
      features: this.features,
      rows: this.rows,
      count: Array.from(this.count),
      mean: Array.from(this.mean),
      m2: Array.from(this.m2),
      min: orNull(this.min),
      max: orNull(this.max),
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): BatchSummary {
    const reader = new StateReader(state, FORMAT);
    const features = reader.width();
    // before memory is taken for as many features as the state claims
    const mean = reader.means('mean', features);
    const summary = new BatchSummary(features);
    summary.rows = reader.count('rows');
    summary.count.set(reader.nonNegatives('count', features));
    summary.mean.set(mean);
    summary.m2.set(reader.nonNegatives('m2', features));
    for (const [name, none] of [
      ['min', Number.POSITIVE_INFINITY],
      ['max', Number.NEGATIVE_INFINITY],
    ] as const) {
      const fits = (x: unknown, j: number) =>
        summary.count[j] === 0 ? x === null : typeof x === 'number' && isUsable(x);
      const values = reader.get<(number | null)[]>(name, (value) =>
        Array.isArray(value) && value.length === features && value.every(fits)
          ? value
          : reader.fail(name, `be an array of ${features} numbers, null where the count is 0`),
      );
      for (let j = 0; j < features; j++) summary[name][j] = values[j] ?? none;
    }
    return summary;
  }

  /** Biased: M2 / n; NaN where the count is 0. */
  variance(feature: number): number {
    return this.m2[feature] / this.count[feature];
  }

  /** Unbiased: M2 / (n - 1); NaN where the count is below 2. */
  unbiasedVariance(feature: number): number {
    const count = this.count[feature];
    return count < 2 ? Number.NaN : this.m2[feature] / (count - 1);
  }

  #column(data: Float64Array, rows: number, feature: number): void {
    const width = this.features;
    // an imported name is looked up each time, a local one is not
    const limit = MAX_MAGNITUDE;
    const end = rows * width;
    let count = 0;
    let sum = 0;
    let sumError = 0;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = feature; i < end; i += width) {
      const x = data[i];
      if (!(Math.abs(x) <= limit)) continue;
      count++;
      const next = sum + x;
      const part = next - sum;
      sumError += sum - (next - part) + (x - part);
      sum = next;
      if (x < min) min = x;
      if (x > max) max = x;
    }
    let mean = count === 0 ? 0 : (sum + sumError) / count;
    // the rounding of the errors' own sum, at most n³·ε²·|x|/8, reaches the result only where nearly all of it cancels
    if (Math.abs(mean) < count * count * (Number.EPSILON / 4) * Math.max(-min, max)) {
      mean = exactSum(data, feature, end, width) / count;
    }
    // rounding can put the mean of equal values one step outside of them
    if (count > 0) mean = mean < min ? min : mean > max ? max : mean;
    let m2 = 0;
    for (let again = 0; again < 2; again++) {
      let squares = 0;
      let squaresError = 0;
      let shift = 0;
      for (let i = feature; i < end; i += width) {
        const x = data[i];
        if (!(Math.abs(x) <= limit)) continue;
        const delta = x - mean;
        shift += delta;
        const square = delta * delta;
        const next = squares + square;
        const part = next - squares;
        squaresError += squares - (next - part) + (square - part);
        squares = next;
      }
      const excess = count === 0 ? 0 : (shift * shift) / count;
      m2 = squares + (squaresError - excess);
      // values a few ulp apart: a mean that is one ulp off costs most of the digits, so take the next one
      if (excess <= squares / 4) break;
      mean += shift / count;
    }
    this.count[feature] = count;
    this.mean[feature] = mean;
    this.m2[feature] = m2 > 0 ? m2 : 0;
    this.min[feature] = min;
    this.max[feature] = max;
  }
}
