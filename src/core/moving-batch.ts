import { BatchSummary } from './batch-summary.ts';
import { MovingBatchStats } from './moving-batch-stats.ts';
import { requireBoolean, requireKnown, requireNumber, requireOneOf, requirePositiveInteger } from './parameter.ts';
import { RATE_OPTIONS, type RateOptions, rateByCount } from './rate.ts';
import { StateReader, type StatisticState } from './state.ts';
import type { Statistic, StatisticFactory } from './statistic.ts';
import { TotalBatchStats } from './total-batch-stats.ts';
import { isUsable, MAX_MAGNITUDE } from './usable.ts';

export interface MovingBatchOptions extends RateOptions {
  /** Rows a batch; 64. */
  size?: number;
  /** Takes the weight of the start values 0 and 1 out; false, as PyTorch, and always true for `variance: 'total'`. */
  debias?: boolean;
  /** The spread within batches (`'within'`, as PyTorch), or with that of the batch means added (`'total'`). */
  variance?: 'within' | 'total';
}

export interface MovingBatchState extends StatisticState {
  readonly format: 'streamnorm.moving-batch/1';
  readonly features: number;
  /** The rate; absent for a cumulative one. */
  readonly alpha?: number;
  readonly size: number;
  readonly debias: boolean;
  readonly variance: 'within' | 'total';
  readonly version: number;
  readonly frozen?: true;
  /** Usable values of each feature in closed batches. */
  readonly count: number[];
  readonly runningMean: number[];
  readonly runningVar: number[];
  readonly meanBatches: number[];
  readonly varianceBatches: number[];
  /** Σw of the batches, Σw²/n, Σw·mean/Σw, and Σw·(spread within + (mean - their mean)²). */
  readonly weight: number[];
  readonly weight2: number[];
  readonly totalMean: number[];
  readonly totalM2: number[];
  /** Which features begin anew with their next batch, as `MovingBatchStats` counts them; only while some do. */
  readonly anew?: number[];
  /** Rows of the open batch, row-major; null for what was not usable. */
  readonly pending: (number | null)[];
}

const FORMAT = 'streamnorm.moving-batch/1';
const DEFAULT_SIZE = 64;
/** Memory at first; a large batch takes more as it fills. */
const FIRST_ROWS = 64;

/**
 * Moving averages of batch statistics that serve single samples: batch normalization as it is used after training, on a
 * live stream. `size` rows are collected; then mean and variance move by that batch, as `MovingBatchStats` does, and
 * stay until the next batch is full.
 *
 * `variance: 'within'` is PyTorch's: the average of the batches' unbiased variances. It is not the variance of the
 * stream: for the ramp 0…99 in batches of 10 (cumulative) it is 9.17, and z(99) is 16.3. `variance: 'total'` adds the
 * spread of the batch means (law of total variance): 841.7 and 1.71, the unbiased variance of those 100 numbers. Exactly:
 * batch t of n_t values weighs `w_t = (1 - alpha)^(k - t)` (1 when cumulative), each of its values w_t/n_t, and the
 * variance is the unbiased one of all values under these weights,
 * `Σw_t·(M2_t/n_t + (mean_t - mean)²) / (W - W2/W)`, `W = Σw_t`, `W2 = Σw_t²/n_t`. That has no start values, so it is
 * debiased by itself, and so is its mean.
 *
 * A feature is defined once a batch had two usable values of it (`'total'`: once two were learned). A row without any
 * usable value is not collected. What is in the open batch when a stream ends is in `state()`, and in no statistic unless
 * `close` is called.
 *
 * Source: S. Ioffe, C. Szegedy, "Batch Normalization", 2015; D. H. D. West, 1979 (weighted update).
 * Cost: a copy a value, and two passes over a batch when it closes; memory `size` + 13 float64 a feature.
 *
 * @throws TypeError, RangeError for wrong options
 * @example
 * const m = new MovingBatch({ features: 1, size: 2, alpha: 0.5, debias: true });
 * for (const x of [1, 3, 5, 9]) m.update([x]);
 * m.mean[0]; // 5.333333333333333
 * m.variance[0]; // 6
 */
export class MovingBatch implements Statistic {
  readonly features: number;
  readonly size: number;
  readonly debias: boolean;
  readonly varianceOf: 'within' | 'total';
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly count: Float64Array;
  /** Batches that moved the statistics. */
  version: number;
  readonly byTime: boolean;
  readonly #rate: { alpha: number } | { cumulative: true };
  readonly #moving: MovingBatchStats;
  readonly #summary: BatchSummary;
  readonly #learned: Float64Array;
  readonly #total: TotalBatchStats;
  #pending: Float64Array;
  #rows: number;
  #frozen: boolean;

  constructor(options: MovingBatchOptions & { features: number }) {
    requireKnown('MovingBatch', options, ['features', ...OPTIONS]);
    const features = requirePositiveInteger('MovingBatch', 'features', options.features);
    const { rate, size, debias, variance } = checked('MovingBatch', options);
    this.features = features;
    this.size = size;
    this.debias = debias;
    this.varianceOf = variance;
    this.mean = new Float64Array(features);
    this.variance = new Float64Array(features);
    this.count = new Float64Array(features);
    this.version = 0;
    this.byTime = false;
    this.#rate = rate;
    this.#moving = new MovingBatchStats(features, rate);
    this.#summary = new BatchSummary(features);
    this.#learned = new Float64Array(features);
    this.#total = new TotalBatchStats(features, rate);
    this.#pending = new Float64Array(Math.min(size, FIRST_ROWS) * features);
    this.#rows = 0;
    this.#frozen = false;
  }

  update(row: ArrayLike<number>): void {
    if (this.#frozen) return;
    const { features } = this;
    const from = this.#rows * features;
    if (from === this.#pending.length) this.#reserve(Math.min(this.#rows * 2, this.size));
    let usable = false;
    for (let j = 0; j < features; j++) {
      const x = row[j];
      // Math.abs(null) is 0
      const known = Math.abs(x) <= MAX_MAGNITUDE && x !== null;
      this.#pending[from + j] = known ? x + 0 : Number.NaN; // JSON has no -0
      if (known) usable = true;
    }
    if (usable && ++this.#rows === this.size) this.close();
  }

  /** Closes the open batch now, however few rows it holds; nothing happens when it holds none. */
  close(): void {
    const { features } = this;
    if (this.#rows === 0 || this.#frozen) return;
    this.#summary.of({ data: this.#pending, rows: this.#rows, features });
    this.#rows = 0;
    this.#moving.update(this.#summary);
    for (let j = 0; j < features; j++) this.#learned[j] += this.#summary.count[j];
    this.#total.update(this.#summary);
    this.#read();
    this.version++;
  }

  /**
   * Adds the batches of another shard: as if all had been seen here, exactly with a cumulative rate; with alpha they weigh
   * alike, since their common order is not known, as `MovingBatchStats.merge` says. Any order and any tree gives the same,
   * and one that has seen nothing changes nothing.
   *
   * The open batches are closed as they are, each for itself: what a batch of rows of two shards would hold would depend
   * on the order of merging. `other` does not change.
   *
   * @throws TypeError for other features, another rate or other options
   */
  merge(other: MovingBatch): void {
    for (const name of ['features', 'size', 'debias', 'varianceOf'] as const) {
      if (other[name] === this[name]) continue;
      const option = name === 'varianceOf' ? 'variance' : name;
      throw new TypeError(`MovingBatch.merge requires ${option} ${this[name]}, got ${other[name]}`);
    }
    this.#moving.requireMergeable('MovingBatch.merge', other.#moving);
    if (this.#frozen || other.#isEmpty) return;
    const added = MovingBatch.from(other.state()).unfreeze();
    if (this.#isEmpty) {
      this.#reserve(added.#rows);
      this.#pending.set(added.#pending.subarray(0, added.#rows * this.features));
      this.#rows = added.#rows;
    } else {
      this.close();
      added.close();
    }
    this.#total.merge(added.#total, this.#moving.meanBatches, added.#moving.meanBatches);
    this.#moving.merge(added.#moving);
    for (let j = 0; j < this.features; j++) this.#learned[j] += added.#learned[j];
    this.version += added.version;
    this.#read();
  }

  /** (Σw)² / Σw² over the values learned, each weighing as its batch over the number of its values. */
  nEff(feature: number): number {
    const weight = this.#total.weight[feature];
    return weight === 0 ? 0 : (weight * weight) / this.#total.weight2[feature];
  }

  /** Its values in the open batch are forgotten, too. */
  forget(feature: number): void {
    if (this.#frozen) return;
    this.#moving.forget(feature, this.debias);
    this.#total.forget(feature);
    for (const numbers of [this.#learned, this.mean, this.variance, this.count]) numbers[feature] = 0;
    for (let row = 0; row < this.#rows; row++) this.#pending[row * this.features + feature] = Number.NaN;
    this.version++;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** From now on nothing moves the statistics. */
  freeze(): this {
    this.#frozen = true;
    return this;
  }

  unfreeze(): this {
    this.#frozen = false;
    return this;
  }

  state(): MovingBatchState {
    const moving = this.#moving;
    return {
      format: FORMAT,
      features: this.features,
      ...('alpha' in this.#rate && { alpha: this.#rate.alpha }),
      size: this.size,
      debias: this.debias,
      variance: this.varianceOf,
      version: this.version,
      ...(this.#frozen && { frozen: true as const }),
      count: Array.from(this.#learned),
      runningMean: Array.from(moving.mean),
      runningVar: Array.from(moving.variance),
      meanBatches: Array.from(moving.meanBatches),
      varianceBatches: Array.from(moving.varianceBatches),
      weight: Array.from(this.#total.weight),
      weight2: Array.from(this.#total.weight2),
      totalMean: Array.from(this.#total.mean),
      totalM2: Array.from(this.#total.m2),
      ...moving.anewState(),
      pending: Array.from(this.#pending.subarray(0, this.#rows * this.features), (x) => (Number.isNaN(x) ? null : x)),
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): MovingBatch {
    const reader = new StateReader(state, FORMAT);
    const features = reader.width();
    // before memory is taken for as many features as the state claims
    const runningMean = reader.means('runningMean', features);
    const size = reader.number('size', (n) => Number.isSafeInteger(n) && n >= 2, 'be a whole number >= 2');
    const pending = reader.get<(number | null)[]>('pending', (value) => {
      const known = (x: unknown) => x === null || (typeof x === 'number' && isUsable(x));
      const fits = Array.isArray(value) && value.length % features === 0 && value.length / features < size;
      return fits && value.every(known) ? value : reader.fail('pending', `be fewer than ${size} rows of ${features}`);
    });
    const debias = reader.get('debias', (v) =>
      typeof v === 'boolean' ? v : reader.fail('debias', 'be true or false'),
    );
    const variance = reader.get('variance', (v) =>
      v === 'within' || (v === 'total' && debias) ? v : reader.fail('variance', "be 'within', or 'total' with debias"),
    );
    const rate = reader.has('alpha')
      ? { alpha: reader.number('alpha', (a) => a > 0 && a <= 1, 'be in (0, 1]') }
      : { cumulative: true };
    const batch = new MovingBatch({ features, size, debias, variance, ...rate });
    batch.version = reader.count('version');
    batch.#frozen = reader.flag('frozen');
    batch.#learned.set(reader.nonNegatives('count', features));
    batch.#moving.mean.set(runningMean);
    batch.#moving.variance.set(reader.nonNegatives('runningVar', features));
    batch.#moving.meanBatches.set(reader.nonNegatives('meanBatches', features));
    batch.#moving.varianceBatches.set(reader.nonNegatives('varianceBatches', features));
    batch.#moving.batches = batch.version;
    batch.#moving.readAnew(reader);
    batch.#total.weight.set(reader.nonNegatives('weight', features));
    batch.#total.weight2.set(reader.nonNegatives('weight2', features));
    batch.#total.mean.set(reader.means('totalMean', features));
    batch.#total.m2.set(reader.nonNegatives('totalM2', features));
    batch.#reserve(pending.length / features);
    batch.#pending.set(pending.map((x) => x ?? Number.NaN));
    batch.#rows = pending.length / features;
    batch.#read();
    return batch;
  }

  get #isEmpty(): boolean {
    return this.version === 0 && this.#rows === 0;
  }

  #reserve(rows: number): void {
    if (rows * this.features <= this.#pending.length) return;
    const larger = new Float64Array(rows * this.features);
    larger.set(this.#pending);
    this.#pending = larger;
  }

  /** What `normalize` reads. */
  #read(): void {
    const moving = this.#moving;
    for (let j = 0; j < this.features; j++) {
      const learned = this.#learned[j];
      if (learned === 0) continue;
      // batches of one value have no variance within: not defined, however many there were
      const within = this.varianceOf === 'within';
      this.count[j] = within && moving.varianceBatches[j] === 0 ? 1 : learned;
      if (within && !this.debias) {
        this.mean[j] = moving.mean[j];
        this.variance[j] = moving.variance[j];
      } else if (within) {
        this.mean[j] = moving.debiasedMean(j);
        this.variance[j] = moving.varianceBatches[j] === 0 ? 0 : moving.debiasedVariance(j);
      } else {
        const variance = this.#total.variance(j);
        this.mean[j] = this.#total.mean[j];
        this.variance[j] = Number.isNaN(variance) ? 0 : variance;
      }
    }
  }
}

const OPTIONS = [...RATE_OPTIONS, 'size', 'debias', 'variance', 'momentum'] as const;

/**
 * Moving averages of batch statistics for `normalize`; see `MovingBatch`. Default: batches of 64, `alpha: 0.1`.
 *
 * @throws TypeError, RangeError for wrong options
 * @example of(1, 3, 5).pipe(normalize(movingBatch({ size: 2, alpha: 1 }), { eps: 0 })) // NaN, NaN, 2.121…
 */
export function movingBatch<S = unknown>(options: MovingBatchOptions = {}): StatisticFactory<S> {
  requireKnown('movingBatch', options, OPTIONS);
  checked('movingBatch', options);
  return {
    kind: 'movingBatch',
    create: (features) => new MovingBatch({ features, ...options }),
    settings: options,
    restore: MovingBatch.from,
  };
}

function checked(where: string, options: MovingBatchOptions) {
  // defaults by destructuring: null is no absence
  const { variance = 'within', debias = variance === 'total', size = DEFAULT_SIZE } = options;
  const rate = rateByCount(where, options);
  requireOneOf(where, 'variance', variance, ['within', 'total']);
  requireBoolean(where, 'debias', debias);
  if (variance === 'total' && !debias) {
    throw new TypeError(`${where} requires debias to be true or absent with variance 'total', got false`);
  }
  const holds = (n: number) => Number.isSafeInteger(n) && n >= 2;
  requireNumber(where, 'size', size, holds, 'to be a whole number >= 2');
  return { rate, variance, debias, size };
}
