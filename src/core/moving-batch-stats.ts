import { shown } from './parameter.ts';
import type { Rate } from './rate.ts';
import type { StateReader } from './state.ts';

/** Mean and variance of a batch, per feature; what `BatchSummary` offers and `BatchStats` holds. */
export interface BatchMoments {
  /** Usable values of each feature. */
  readonly count: ArrayLike<number>;
  readonly mean: ArrayLike<number>;
  /** Σ(x - mean)². */
  readonly m2: ArrayLike<number>;
}

/**
 * Moving averages of batch statistics, as PyTorch's BatchNorm keeps them: `u = (1 - alpha)·u + alpha·u_t`, where u_t is
 * the mean of batch t, or its *unbiased* variance. Starts at mean 0, variance 1, batches 0. With a cumulative rate
 * alpha is 1/t (PyTorch's `momentum=None`).
 *
 * The variance averages the spread *within* batches, so it is not the variance of the stream: for the ramp 0…99 in
 * batches of 10 it is 9.17 where the stream's is 841.7.
 *
 * A feature without usable values keeps its state; with one value its mean moves and its variance does not. Each
 * feature counts its own batches for that.
 *
 * Source: S. Ioffe, C. Szegedy, "Batch Normalization", 2015; PyTorch `torch.nn.BatchNorm1d`.
 * Cost: 6 operations a feature and batch; memory 4 float64 a feature.
 */
export class MovingBatchStats {
  readonly features: number;
  readonly rate: Rate;
  /** Moving mean, from 0. */
  readonly mean: Float64Array;
  /** Moving unbiased variance, from 1. */
  readonly variance: Float64Array;
  /** Batches that moved the mean, per feature. */
  readonly meanBatches: Float64Array;
  /** Batches that moved the variance, per feature. */
  readonly varianceBatches: Float64Array;
  /** Batches with at least one usable value. */
  batches: number;
  /** Which features begin anew: 1, the mean, 2, the variance, with the next batch that has one; null: none does. */
  anew: Uint8Array | null;
  /** Times alpha, for the next batch alone; null: 1. */
  #haste: Float64Array | null;

  constructor(features: number, rate: Exclude<Rate, { halfLifeMs: number }>) {
    this.features = features;
    this.rate = rate;
    this.mean = new Float64Array(features);
    this.variance = new Float64Array(features).fill(1);
    this.meanBatches = new Float64Array(features);
    this.varianceBatches = new Float64Array(features);
    this.batches = 0;
    this.anew = null;
    this.#haste = null;
  }

  /**
   * Begins anew with a feature: its next batch is all that its averages say, and no start value is in them, unless they
   * are debiased. Until then it has what it had.
   */
  forget(feature: number, debiased: boolean): void {
    this.meanBatches[feature] = 0;
    this.varianceBatches[feature] = 0;
    if (debiased) {
      this.mean[feature] = 0;
      this.variance[feature] = 1;
      return;
    }
    this.anew ??= new Uint8Array(this.features);
    this.anew[feature] = 3;
  }

  /** `anew`, where it says something. */
  anewState(): { anew?: number[] } {
    return this.anew?.some((parts) => parts !== 0) ? { anew: Array.from(this.anew) } : {};
  }

  readAnew(reader: StateReader): void {
    if (!reader.has('anew')) return;
    const parts = (n: number) => n === 0 || n === 1 || n === 2 || n === 3;
    this.anew = Uint8Array.from(reader.numbers('anew', this.features, parts, 'be 0 to 3'));
  }

  /** The next batch moves a feature by `factor · alpha`, at most 1. */
  hasten(feature: number, factor: number): void {
    this.#haste ??= new Float64Array(this.features).fill(1);
    this.#haste[feature] = factor;
  }

  /** Moves by one batch; false, and nothing moved, when it has no usable value. */
  update(batch: BatchMoments): boolean {
    let moved = false;
    for (let j = 0; j < this.features; j++) {
      const count = batch.count[j];
      if (count < 1) continue;
      moved = true;
      const meanAlpha = this.#alphaOf(j, 1, ++this.meanBatches[j]);
      this.mean[j] = (1 - meanAlpha) * this.mean[j] + meanAlpha * batch.mean[j];
      if (count < 2) continue;
      const varianceAlpha = this.#alphaOf(j, 2, ++this.varianceBatches[j]);
      this.variance[j] = (1 - varianceAlpha) * this.variance[j] + varianceAlpha * (batch.m2[j] / (count - 1));
    }
    if (moved) this.batches++;
    this.#haste = null;
    return moved;
  }

  /**
   * Adds the moving statistics of other batches. The result is what all the batches, weighing alike, say of the two:
   * averages without their start values are weighted by the numbers of batches behind them, `(k_a·u_a + k_b·u_b)/(k_a +
   * k_b)`, and the start value gets the weight that it has after `k_a + k_b` batches.
   *
   * With a cumulative rate that is exact: as if one had seen all batches, in any order. With alpha, batches are forgotten
   * by their order, and the common order is not in the averages; this is then the expected value for shards that ran
   * side by side. Counts of batches add up and the weight `1 - (1 - alpha)^k` of what was learned does not, so only this
   * weighting is the same in any tree. Either way: commutative, associative but for rounding, empty ones change nothing.
   *
   * @throws TypeError for another number of features or another rate
   */
  merge(other: MovingBatchStats): void {
    this.requireMergeable('MovingBatchStats.merge', other);
    for (let j = 0; j < this.features; j++) {
      // what is to begin anew begins with what the other has learned
      if (this.anew !== null && other.meanBatches[j] > 0) this.anew[j] &= ~1;
      if (this.anew !== null && other.varianceBatches[j] > 0) this.anew[j] &= ~2;
      const means = [this.meanBatches[j], other.meanBatches[j]] as const;
      this.mean[j] = this.#merged(this.mean[j], other.mean[j], 0, means);
      this.meanBatches[j] += other.meanBatches[j];
      const variances = [this.varianceBatches[j], other.varianceBatches[j]] as const;
      this.variance[j] = this.#merged(this.variance[j], other.variance[j], 1, variances);
      this.varianceBatches[j] += other.varianceBatches[j];
    }
    this.batches += other.batches;
  }

  /** @throws TypeError for another number of features or another rate */
  requireMergeable(where: string, other: MovingBatchStats): void {
    if (other.features !== this.features) {
      throw new TypeError(`${where} requires ${this.features} features, got ${other.features}`);
    }
    if (JSON.stringify(other.rate) !== JSON.stringify(this.rate)) {
      throw new TypeError(`${where} requires the same rate, got ${shown(other.rate)} beside ${shown(this.rate)}`);
    }
  }

  /**
   * The mean without the weight that the start value 0 still has: `mean / (1 - c)`, `c = (1 - alpha)^k` after k
   * batches. NaN for k = 0.
   */
  debiasedMean(feature: number): number {
    const start = this.#startWeight(this.meanBatches[feature]);
    return start === 1 ? Number.NaN : this.mean[feature] / (1 - start);
  }

  /** The variance without the weight of the start value 1: `(variance - c) / (1 - c)`. NaN for k = 0. */
  debiasedVariance(feature: number): number {
    const start = this.#startWeight(this.varianceBatches[feature]);
    if (start === 1) return Number.NaN;
    const variance = (this.variance[feature] - start) / (1 - start);
    return variance > 0 ? variance : 0;
  }

  #alphaOf(j: number, part: 1 | 2, batch: number): number {
    if (this.anew !== null && (this.anew[j] & part) !== 0) {
      this.anew[j] &= ~part;
      return 1;
    }
    if (!('alpha' in this.rate)) return 1 / batch;
    return this.#haste === null ? this.rate.alpha : Math.min(1, this.rate.alpha * this.#haste[j]);
  }

  #merged(own: number, added: number, start: number, [ownBatches, batches]: readonly [number, number]): number {
    if (batches === 0) return own;
    if (ownBatches === 0) return added;
    const total = ownBatches + batches;
    const ownLearned = this.#learnedWeight(ownBatches);
    const learned = this.#learnedWeight(batches);
    const together = this.#learnedWeight(total);
    // around the start value, so that neither average is divided by a small weight and multiplied again
    const average =
      (own - start) * ((ownBatches / total) * (together / ownLearned)) +
      (added - start) * ((batches / total) * (together / learned));
    const merged = start + average;
    return start === 1 && merged < 0 ? 0 : merged;
  }

  /** 1 - (1 - alpha)^k; -expm1 keeps the digits that the difference loses for small alpha. */
  #learnedWeight(batches: number): number {
    return 'alpha' in this.rate ? -Math.expm1(batches * Math.log1p(-this.rate.alpha)) : 1;
  }

  #startWeight(batches: number): number {
    if (batches === 0) return 1;
    return 'alpha' in this.rate ? (1 - this.rate.alpha) ** batches : 0;
  }
}
