import { requireSameNames, widthAndNames } from './feature-names.ts';
import type { BatchMoments } from './moving-batch-stats.ts';
import { requireKnown } from './parameter.ts';
import { StateReader, type StatisticState } from './state.ts';
import type { Statistic, StatisticFactory, StatisticNumbers } from './statistic.ts';
import { isWeight, MAX_MAGNITUDE, magnitudeLimit } from './usable.ts';

export interface CumulativeState extends StatisticState {
  readonly format: 'streamnorm.cumulative/1';
  /** How many, or their names where they are known. */
  readonly features: number | readonly string[];
  readonly version: number;
  readonly count: number[];
  readonly mean: number[];
  /** What `mean` rounds off; absent while that is nothing, and in states of before there was one. */
  readonly meanLow?: number[];
  /** Σ(x - mean)². */
  readonly m2: number[];
  /** Σw and Σw²; only where they differ from `count`. */
  readonly weight?: number[];
  readonly weight2?: number[];
  readonly frozen?: true;
}

const FORMAT = 'streamnorm.cumulative/1';

/**
 * Mean and variance of everything so far, each sample weighing the same.
 *
 * Welford's update for samples, `δ = x - mean; mean += δ/n; M2 += δ·(δ - δ/n)`, and Chan's formula for batches and
 * merges. Never `Σx² - n·mean²`. With weights, `W += w; W2 += w²; δ = x - mean; mean += w·δ/W; M2 += w·δ·(δ - w·δ/W)`,
 * the variance is M2/W, the unbiased one M2/(W - W2/W), nEff = W²/W2.
 *
 * The mean is kept in two float64, the second with what the first rounds off (Kahan's summation). Else, of 1e9 + noise
 * the mean would be off by 1e-7 at every step, and so would each δ: 4e-7 of the variance. With it the variance is within
 * 1e-12 of the exact one, there as well and after millions of samples.
 *
 * Sources: B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962;
 * T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm", 1979; D. H. D. West, 1979;
 * W. Kahan, "Further remarks on reducing truncation errors", 1965.
 * Cost: one division a feature and sample; memory 5 float64 a feature (7 with weights), however long
 * the stream.
 *
 * @example
 * const c = new Cumulative({ features: 1 });
 * for (const x of [1, 2, 3]) c.update([x]);
 * c.mean[0]; // 2
 * c.unbiasedVariance(0); // 1
 */
export class Cumulative implements Statistic {
  readonly features: number;
  /** Of the features, where they are known. */
  readonly names: readonly string[] | undefined;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly count: Float64Array;
  version: number;
  readonly byTime: boolean;
  readonly weighted: boolean;
  readonly #m2: Float64Array;
  /** The mean is `mean + low`. */
  readonly #low: Float64Array;
  /** Σw and Σw²; null while every sample weighed 1 and both are the count. */
  #weights: { sum: Float64Array; squares: Float64Array } | null;
  #frozen: boolean;

  /** @throws TypeError, RangeError for wrong options */
  constructor(options: { features: number | readonly string[] }) {
    requireKnown('Cumulative', options, ['features']);
    const { width, names } = widthAndNames('Cumulative', options.features);
    this.features = width;
    this.names = names;
    this.mean = new Float64Array(this.features);
    this.variance = new Float64Array(this.features);
    this.count = new Float64Array(this.features);
    this.version = 0;
    this.byTime = false;
    this.weighted = true;
    this.#weights = null;
    this.#frozen = false;
    this.#m2 = new Float64Array(this.features);
    this.#low = new Float64Array(this.features);
  }

  update(row: ArrayLike<number>, _time?: number, weight = 1): void {
    if (weight !== 1 || this.#weights !== null || this.#frozen) {
      this.#updateWeighted(row, weight);
      return;
    }
    const { features, mean, variance, count } = this;
    const m2 = this.#m2;
    const low = this.#low;
    // an imported name is looked up each time, a local one is not
    const limit = MAX_MAGNITUDE;
    let moved = false;
    for (let j = 0; j < features; j++) {
      const x = row[j];
      // Math.abs(null) is 0
      if (!(Math.abs(x) <= limit) || x === null) continue;
      moved = true;
      const n = count[j] + 1;
      const share = 1 / n;
      const centre = mean[j];
      const delta = x - centre - low[j];
      const part = delta * share;
      const step = low[j] + part;
      const next = centre + step;
      const squares = m2[j] + delta * (delta - part);
      count[j] = n;
      mean[j] = next;
      low[j] = step - (next - centre);
      m2[j] = squares;
      variance[j] = squares * share;
    }
    if (moved) this.version++;
  }

  /** Adds a summarised batch. */
  updateBatch(batch: BatchMoments): void {
    if (this.#frozen) return;
    let moved = false;
    for (let j = 0; j < this.features; j++) {
      const count = batch.count[j];
      if (this.#join(j, count, batch.mean[j], 0, batch.m2[j], count, count)) moved = true;
    }
    if (moved) this.version++;
  }

  /** Adds what another shard has seen, as if its samples had come here. */
  merge(other: Cumulative): void {
    if (other.features !== this.features) {
      throw new TypeError(`Cumulative.merge requires ${this.features} features, got ${other.features}`);
    }
    requireSameNames('Cumulative.merge', this.names, other.names);
    if (this.#frozen) return;
    if (other.#weights !== null) this.#weights ??= this.#equalWeights();
    const { sum, squares } = other.#weights ?? { sum: other.count, squares: other.count };
    for (let j = 0; j < this.features; j++) {
      this.#join(j, other.count[j], other.mean[j], other.#low[j], other.#m2[j], sum[j], squares[j]);
    }
    this.version += other.version;
  }

  /** The number of samples while all weigh the same. */
  nEff(feature: number): number {
    if (this.#weights === null || this.count[feature] === 0) return this.count[feature];
    return this.#weights.sum[feature] ** 2 / this.#weights.squares[feature];
  }

  forget(feature: number): void {
    if (this.#frozen) return;
    for (const numbers of [this.count, this.mean, this.#low, this.#m2, this.variance]) numbers[feature] = 0;
    if (this.#weights !== null) {
      this.#weights.sum[feature] = 0;
      this.#weights.squares[feature] = 0;
    }
    this.version++;
  }

  /** M2 / (n - 1), with weights M2 / (W - W2/W); NaN while n < 2. */
  unbiasedVariance(feature: number): number {
    const n = this.count[feature];
    if (n < 2) return Number.NaN;
    if (this.#weights === null) return this.#m2[feature] / (n - 1);
    const weight = this.#weights.sum[feature];
    return this.#m2[feature] / (weight - this.#weights.squares[feature] / weight);
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

  state(): CumulativeState {
    return {
      format: FORMAT,
      features: this.names ? [...this.names] : this.features,
      version: this.version,
      count: Array.from(this.count),
      mean: Array.from(this.mean),
      ...(this.#low.some((low) => low !== 0) && { meanLow: Array.from(this.#low) }),
      m2: Array.from(this.#m2),
      ...(this.#weights && { weight: Array.from(this.#weights.sum), weight2: Array.from(this.#weights.squares) }),
      ...(this.#frozen && { frozen: true as const }),
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): Cumulative {
    const reader = new StateReader(state, FORMAT);
    const named = reader.features();
    const features = typeof named === 'number' ? named : named.length;
    // before memory is taken for as many features as the state claims
    const mean = reader.means('mean', features);
    const cumulative = new Cumulative({ features: named });
    cumulative.version = reader.count('version');
    cumulative.count.set(reader.nonNegatives('count', features));
    cumulative.mean.set(mean);
    if (reader.has('meanLow')) cumulative.#low.set(reader.numbers('meanLow', features));
    cumulative.#m2.set(reader.nonNegatives('m2', features));
    if (reader.has('weight')) {
      cumulative.#weights = {
        sum: reader.nonNegatives('weight', features),
        squares: reader.nonNegatives('weight2', features),
      };
    }
    cumulative.#frozen = reader.flag('frozen');
    cumulative.#deriveVariance();
    return cumulative;
  }

  /** Undefined once a sample had a weight: then there are more. */
  numbers(): StatisticNumbers | undefined {
    if (this.#weights !== null) return undefined;
    return {
      alike: [this.count],
      each: [this.mean, this.#low, this.#m2],
      recall: (version) => {
        this.version = version;
        this.#deriveVariance();
      },
    };
  }

  /** With the roundings of `update`. */
  #deriveVariance(): void {
    const weight = this.#weights?.sum ?? this.count;
    for (let j = 0; j < this.features; j++) {
      this.variance[j] = weight[j] > 0 ? this.#m2[j] * (1 / weight[j]) : 0;
    }
  }

  #updateWeighted(row: ArrayLike<number>, weight: number): void {
    if (this.#frozen || weight === 0 || !isWeight(weight)) return;
    this.#weights ??= this.#equalWeights();
    const limit = magnitudeLimit(weight);
    let moved = false;
    for (let j = 0; j < this.features; j++) {
      const x = row[j];
      if (!(Math.abs(x) <= limit) || x === null) continue;
      moved = this.#join(j, 1, x, 0, 0, weight, weight * weight);
    }
    if (moved) this.version++;
  }

  #equalWeights() {
    return { sum: this.count.slice(), squares: this.count.slice() };
  }

  #join(j: number, count: number, mean: number, low: number, m2: number, weight: number, squares: number): boolean {
    if (!(count > 0)) return false;
    const own = this.#weights === null ? this.count[j] : this.#weights.sum[j];
    if (own === 0) {
      // as it is, bit by bit: adding to 0 would round the two parts of the mean to others
      this.mean[j] = mean;
      this.#low[j] = low;
      this.#m2[j] = m2;
      this.#count(j, count, weight, squares);
      return true;
    }
    const total = own + weight;
    const delta = mean - this.mean[j] + (low - this.#low[j]);
    const least = own > weight ? weight : own;
    const most = own > weight ? own : weight;
    // never own·weight, nor δ²·own: with weights of any size both could overflow where the result does not
    this.#m2[j] += m2 + delta * (delta * least) * (most / total);
    // from the nearer end: the mean stays between the two
    const base = own > weight ? this.mean[j] : mean;
    const step = own > weight ? this.#low[j] + delta * (weight / total) : low - delta * (own / total);
    this.mean[j] = base + step;
    this.#low[j] = step - (this.mean[j] - base);
    this.#count(j, count, weight, squares);
    return true;
  }

  #count(j: number, count: number, weight: number, squares: number): void {
    this.count[j] += count;
    let total = this.count[j];
    if (this.#weights !== null) {
      this.#weights.sum[j] += weight;
      this.#weights.squares[j] += squares;
      total = this.#weights.sum[j];
    }
    this.variance[j] = this.#m2[j] * (1 / total);
  }
}

/**
 * Statistics of everything so far, for `normalize`; see `Cumulative`.
 *
 * @example of(1, 2, 3, 4, 10).pipe(normalize(cumulative(), { eps: 0 })) // NaN NaN 3 2.449… 6.708…
 */
export function cumulative<S = unknown>(): StatisticFactory<S> {
  return {
    kind: 'cumulative',
    create: (features) => new Cumulative({ features }),
    weighted: true,
    settings: {},
    restore: Cumulative.from,
  };
}
