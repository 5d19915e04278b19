/** Up to so many values all are kept, and quantiles are exact. */
const EXACT = 256;
/** Of the whole weight, the part that one centroid may hold once values are merged: 1 %. */
const PARTS = 100;
/** Values that wait for the next merge. */
const MAX_PENDING = 64;
/** Centroids that decayed below this part of the whole weight are forgotten: no quantile could show them. */
const NEGLIGIBLE = 2 ** -40;

/** The saved form of a `QuantileDigest`. */
export interface QuantileDigestState {
  readonly mean: number[];
  readonly weight: number[];
  /** Σw of the centroids, and Σw² of all values. */
  readonly total: number;
  readonly total2: number;
  readonly pending: number[];
  readonly pendingWeight: number[];
  readonly pendingTotal: number;
}

/**
 * Quantiles of a stream of weighted numbers, in bounded memory.
 *
 * Idea: a t-digest. Neighbouring values are merged into centroids, none heavier than 1 % of the whole, and a quantile is
 * read by straight lines between the middles of the centroids. So the error is one of rank, of a centroid or two (2 %)
 * at worst, save where values lie hundreds of orders of magnitude apart, and mostly below 0.2 %. It moves and scales with
 * the data: 1e9 + noise is as good as the noise alone, which a sketch with a relative error cannot do. All centroids are alike heavy, where the original spares the tails, since median and quartiles are
 * what is read here. Smallest and largest value stay by themselves. Nothing is drawn at random.
 *
 * Source: T. Dunning, O. Ertl, "Computing extremely accurate quantiles using t-digests", 2019 (the merging digest, scale
 * function k0).
 */
export class QuantileDigest {
  /** Centroids in ascending order. */
  #mean: Float64Array;
  #weight: Float64Array;
  #size: number;
  /** Ascending too: put in where they belong, which for so few is faster than sorting. */
  #pending: Float64Array;
  #pendingWeight: Float64Array;
  #waiting: number;
  #waitingTotal: number;
  /** Σw of the centroids. */
  #total: number;
  /** Σw² of the values, not of the centroids, pending ones included. */
  #total2: number;

  constructor() {
    this.#mean = new Float64Array(0);
    this.#weight = new Float64Array(0);
    this.#size = 0;
    this.#pending = new Float64Array(0);
    this.#pendingWeight = new Float64Array(0);
    this.#waiting = 0;
    this.#waitingTotal = 0;
    this.#total = 0;
    this.#total2 = 0;
  }

  /** Σw, pending values included. */
  get total(): number {
    return this.#total + this.#waitingTotal;
  }

  /** Σw². */
  get total2(): number {
    return this.#total2;
  }

  /** True when quantiles would be more than 1/256 of the weight behind. */
  get due(): boolean {
    return this.#waiting >= MAX_PENDING || this.#waitingTotal * EXACT >= this.total;
  }

  add(x: number, weight: number): void {
    if (this.#waiting === this.#pending.length) {
      const capacity = Math.max(4, this.#waiting * 2);
      this.#pending = longer(this.#pending, capacity);
      this.#pendingWeight = longer(this.#pendingWeight, capacity);
    }
    const [pending, pendingWeight] = [this.#pending, this.#pendingWeight];
    let place = this.#waiting++;
    for (; place > 0 && pending[place - 1] > x; place--) {
      pending[place] = pending[place - 1];
      pendingWeight[place] = pendingWeight[place - 1];
    }
    pending[place] = x + 0; // JSON has no -0
    pendingWeight[place] = weight;
    this.#waitingTotal += weight;
    this.#total2 += weight * weight;
  }

  /** All weights times `factor`; nothing may be pending. */
  decay(factor: number): void {
    this.#total *= factor;
    this.#total2 *= factor * factor;
    const least = this.#total * NEGLIGIBLE;
    let kept = 0;
    for (let i = 0; i < this.#size; i++) {
      const weight = this.#weight[i] * factor;
      if (!(weight > least)) continue;
      this.#mean[kept] = this.#mean[i];
      this.#weight[kept] = weight;
      kept++;
    }
    this.#size = kept;
    if (kept > 0) return;
    this.#total = 0;
    this.#total2 = 0;
  }

  /** Merges what is pending into the centroids. */
  settle(): void {
    if (this.#waiting === 0) return;
    this.#total += this.#waitingTotal;
    this.#join(this.#pending, this.#pendingWeight, this.#waiting);
    this.#waiting = 0;
    this.#waitingTotal = 0;
  }

  /** Adds another one; nothing may be pending in either. */
  merge(other: QuantileDigest): void {
    this.#total += other.#total;
    this.#total2 += other.#total2;
    this.#join(other.#mean, other.#weight, other.#size);
  }

  /**
   * The quantiles at these ascending parts, of all that is settled; straight lines between values, as numpy and
   * scikit-learn have it. NaN while there is none.
   */
  quantiles(parts: readonly number[]): number[] {
    const [mean, weight, last] = [this.#mean, this.#weight, this.#size - 1];
    if (last < 0) return parts.map(() => Number.NaN);
    const start = weight[0] / 2;
    const span = this.#total - start - weight[last] / 2;
    let i = 0;
    // where the middle of centroid i lies
    let middle = start;
    let step = last === 0 ? 1 : (weight[0] + weight[1]) / 2;
    return parts.map((part) => {
      const target = start + part * span;
      while (i < last - 1 && middle + step <= target) {
        middle += step;
        i++;
        step = (weight[i] + weight[i + 1]) / 2;
      }
      if (i === last) return mean[i];
      const along = (target - middle) / step;
      const rise = mean[i + 1] - mean[i];
      return along < 0.5 ? mean[i] + along * rise : mean[i + 1] - (1 - (along > 1 ? 1 : along)) * rise;
    });
  }

  state(): QuantileDigestState {
    return {
      mean: Array.from(this.#mean.subarray(0, this.#size)),
      weight: Array.from(this.#weight.subarray(0, this.#size)),
      total: this.#total,
      total2: this.#total2,
      pending: Array.from(this.#pending.subarray(0, this.#waiting)),
      pendingWeight: Array.from(this.#pendingWeight.subarray(0, this.#waiting)),
      pendingTotal: this.#waitingTotal,
    };
  }

  /** From numbers that are known to be a `state()`: ascending numbers, weights > 0. */
  static from(state: QuantileDigestState): QuantileDigest {
    const digest = new QuantileDigest();
    digest.#mean = Float64Array.from(state.mean);
    digest.#weight = Float64Array.from(state.weight);
    digest.#size = state.mean.length;
    digest.#pending = Float64Array.from(state.pending);
    digest.#pendingWeight = Float64Array.from(state.pendingWeight);
    digest.#waiting = state.pending.length;
    digest.#waitingTotal = state.pendingTotal;
    digest.#total = state.total;
    digest.#total2 = state.total2;
    return digest;
  }

  /** Takes in ascending values, from behind, so that the centroids move within their own memory. */
  #join(values: Float64Array, weights: Float64Array, length: number): void {
    const size = this.#size + length;
    if (size > this.#mean.length) {
      const capacity = Math.max(size, Math.min(size * 2, EXACT + MAX_PENDING));
      this.#mean = longer(this.#mean, capacity);
      this.#weight = longer(this.#weight, capacity);
    }
    const [mean, weight] = [this.#mean, this.#weight];
    let own = this.#size - 1;
    let added = length - 1;
    for (let to = size - 1; added >= 0; to--) {
      if (own >= 0 && mean[own] > values[added]) {
        mean[to] = mean[own];
        weight[to] = weight[own];
        own--;
      } else {
        mean[to] = values[added];
        weight[to] = weights[added];
        added--;
      }
    }
    this.#size = size;
    if (size > EXACT) this.#compress();
  }

  #compress(): void {
    const [mean, weight, last] = [this.#mean, this.#weight, this.#size - 1];
    const limit = this.#total / PARTS;
    let kept = 0;
    for (let i = 1; i <= last; i++) {
      const both = weight[kept] + weight[i];
      if (kept > 0 && i < last && both <= limit) {
        const merged = mean[kept] + (weight[i] / both) * (mean[i] - mean[kept]);
        // rounding must not put it past the other: the order holds
        mean[kept] = merged < mean[i] ? merged : mean[i];
        weight[kept] = both;
      } else {
        kept++;
        mean[kept] = mean[i];
        weight[kept] = weight[i];
      }
    }
    this.#size = kept + 1;
  }
}

function longer(array: Float64Array, length: number): Float64Array {
  const copy = new Float64Array(length);
  copy.set(array);
  return copy;
}
