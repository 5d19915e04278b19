import type { Duration } from './duration.ts';
import { requireSameNames, widthAndNames } from './feature-names.ts';
import { requireFunction, requireKnown } from './parameter.ts';
import { RATE_OPTIONS, type Rate, type RateOptions, rateOf } from './rate.ts';
import { StateReader, type StatisticState } from './state.ts';
import type { Statistic, StatisticFactory, StatisticNumbers } from './statistic.ts';
import { isWeight, MAX_MAGNITUDE, magnitudeLimit } from './usable.ts';

export interface EwmaState extends StatisticState {
  readonly format: 'streamnorm.ewma/1';
  /** How many, or their names where they are known. */
  readonly features: number | readonly string[];
  /** The rate: one of the two, or neither for a cumulative one. */
  readonly alpha?: number;
  readonly halfLifeMs?: number;
  readonly version: number;
  /** Time of each feature's newest sample in ms; null while there is none, or when the rate is by count. */
  readonly time: (number | null)[];
  /** Σw. */
  readonly weight: number[];
  /** Σw². */
  readonly weight2: number[];
  readonly mean: number[];
  /** What `mean` rounds off; absent while that is nothing, and in states of before there was one. */
  readonly meanLow?: number[];
  /** Σw·(x - mean)². */
  readonly m2: number[];
  readonly count: number[];
  readonly frozen?: true;
}

const FORMAT = 'streamnorm.ewma/1';

/**
 * Exponentially weighted mean and variance, sample by sample, by count or by time.
 *
 * A sample at time t with the newest seen at T, weight w (1), half-life H: `d = 2^(-(t - T)/H)`; all weights decay,
 * `W *= d; W2 *= d²; S *= d`, then `W += w; W2 += w²; δ = x - mean; mean += w·δ/W; S += w·δ·(x - mean)`. A late sample
 * (t < T) is added with weight `w·2^(-(T - t)/H)` and nothing decays. So the result does not depend on the order of arrival, late
 * data is exact, and shards merge exactly. By count, `d = 1 - alpha` for each sample.
 *
 * The mean equals pandas `ewm(adjust=True)`, with `times` when by time, `ignore_na=True`; the biased variance S/W equals
 * `ewm(…).var(bias=True)`. nEff = W²/W2. Each feature has its own time and weights, so a missing value changes nothing.
 * The mean is kept in two float64, as that of `Cumulative`, so that 1e9 + noise is as good as noise.
 *
 * Source: T. Finch, "Incremental calculation of weighted mean and variance", 2009; D. H. D. West, 1979.
 * Cost: one division a feature and sample, one power a row when by time; memory 8 float64 a feature.
 *
 * @example
 * const e = new Ewma({ features: 1, alpha: 0.5 });
 * e.update([1]);
 * e.mean[0]; // 1
 * e.update([4]);
 * e.mean[0]; // 3
 * e.variance[0]; // 2
 */
export class Ewma implements Statistic {
  readonly features: number;
  /** Of the features, where they are known. */
  readonly names: readonly string[] | undefined;
  readonly rate: Rate;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly count: Float64Array;
  /** True when the rate is a half-life in time. */
  readonly byTime: boolean;
  readonly weighted: boolean;
  version: number;
  #frozen: boolean;
  readonly #weight: Float64Array;
  readonly #weight2: Float64Array;
  readonly #m2: Float64Array;
  /** The mean is `mean + low`. */
  readonly #low: Float64Array;
  readonly #time: Float64Array;
  /** What is kept of all weights at each sample when by count. */
  readonly #retain: number;
  readonly #halfLifeMs: number;

  /** @throws TypeError, RangeError for wrong options */
  constructor(options: RateOptions & { features: number | readonly string[] }) {
    requireKnown('Ewma', options, ['features', ...RATE_OPTIONS, 'momentum']);
    const { width: features, names } = widthAndNames('Ewma', options.features);
    this.features = features;
    this.names = names;
    this.rate = rateOf('Ewma', options);
    this.mean = new Float64Array(features);
    this.variance = new Float64Array(features);
    this.count = new Float64Array(features);
    this.weighted = true;
    this.version = 0;
    this.#frozen = false;
    this.#weight = new Float64Array(features);
    this.#weight2 = new Float64Array(features);
    this.#m2 = new Float64Array(features);
    this.#low = new Float64Array(features);
    this.#time = new Float64Array(features).fill(Number.NaN);
    this.#retain = 'alpha' in this.rate ? 1 - this.rate.alpha : 1;
    this.#halfLifeMs = 'halfLifeMs' in this.rate ? this.rate.halfLifeMs : 0;
    this.byTime = this.#halfLifeMs > 0;
  }

  update(row: ArrayLike<number>, time = Number.NaN, weight = 1): void {
    if (this.#frozen || weight === 0 || !isWeight(weight)) return;
    const moved =
      this.#halfLifeMs > 0
        ? this.#updateByTime(row, time, weight)
        : weight === 1
          ? this.#updateByCount(row)
          : this.#updateWeighted(row, weight);
    if (moved) this.version++;
  }

  /**
   * Adds what another shard has seen. Exact: both are brought to the later time, then joined by Chan's formula.
   *
   * @throws TypeError when the rate is alpha, by count: then the common order of the samples is unknown
   */
  merge(other: Ewma): void {
    if (this.#retain !== 1 || other.#retain !== 1) {
      throw new TypeError('Ewma.merge requires a half-life in time: by count the order of the samples is unknown');
    }
    if (other.features !== this.features || other.#halfLifeMs !== this.#halfLifeMs) {
      throw new TypeError('Ewma.merge requires the same features and the same half-life');
    }
    requireSameNames('Ewma.merge', this.names, other.names);
    if (this.#frozen) return;
    for (let j = 0; j < this.features; j++) {
      if (other.count[j] === 0) continue;
      if (this.count[j] === 0) {
        // as it is, bit by bit: adding to 0 would round the two parts of the mean to others
        this.#time[j] = other.#time[j];
        this.count[j] = other.count[j];
        this.mean[j] = other.mean[j];
        this.#low[j] = other.#low[j];
        this.#m2[j] = other.#m2[j];
        this.#weight[j] = other.#weight[j];
        this.#weight2[j] = other.#weight2[j];
        this.variance[j] = other.variance[j];
        continue;
      }
      let decay = 1;
      if (other.#time[j] > this.#time[j]) {
        this.#scale(j, this.#decay(other.#time[j] - this.#time[j]));
        this.#time[j] = other.#time[j];
      } else if (other.#time[j] < this.#time[j]) {
        decay = this.#decay(this.#time[j] - other.#time[j]);
      }
      const weight = this.#weight[j];
      const added = other.#weight[j] * decay;
      const total = weight + added;
      this.count[j] += other.count[j];
      if (!(total > 0)) continue; // both have decayed to nothing
      const delta = other.mean[j] - this.mean[j] + (other.#low[j] - this.#low[j]);
      const [least, most] = weight > added ? [added, weight] : [weight, added];
      // never δ²·weight: with weights of any size it could overflow where the result does not
      this.#m2[j] += other.#m2[j] * decay + delta * (delta * least) * (most / total);
      const base = weight > added ? this.mean[j] : other.mean[j];
      const step = weight > added ? this.#low[j] + delta * (added / total) : other.#low[j] - delta * (weight / total);
      this.mean[j] = base + step;
      this.#low[j] = step - (this.mean[j] - base);
      this.#weight[j] = total;
      this.#weight2[j] += other.#weight2[j] * decay * decay;
      this.variance[j] = this.#m2[j] * (1 / total);
    }
    this.version += other.version;
  }

  nEff(feature: number): number {
    const weight = this.#weight[feature];
    return weight === 0 ? 0 : (weight * weight) / this.#weight2[feature];
  }

  forget(feature: number): void {
    if (this.#frozen) return;
    const { mean, variance, count } = this;
    for (const numbers of [mean, this.#low, variance, count, this.#weight, this.#weight2, this.#m2])
      numbers[feature] = 0;
    this.#time[feature] = Number.NaN;
    this.version++;
  }

  /**
   * By count, the next sample is learned with `factor · alpha`, at most 1; by time, the weights decay by `halfLife / factor`
   * up to `time`. All weights shrink beforehand by what the update to come will not take of them: nothing else differs.
   *
   * @throws TypeError for a cumulative one, which has no rate
   */
  hasten(feature: number, factor: number, time = Number.NaN): void {
    if (this.#frozen) return;
    let keep = 1;
    if (this.byTime) {
      const span = time - this.#time[feature];
      if (span > 0) keep = 2 ** ((-span * (factor - 1)) / this.#halfLifeMs);
    } else if (this.#retain < 1) {
      // alpha 1 keeps nothing as it is
      if (this.#retain > 0) keep = Math.max(0, 1 - factor * (1 - this.#retain)) / this.#retain;
    } else {
      throw new TypeError('Ewma.hasten requires a rate: alpha, retain or halfLife');
    }
    this.#scale(feature, keep);
  }

  /** S / (W - W2/W); NaN until two samples weigh. */
  unbiasedVariance(feature: number): number {
    const weight = this.#weight[feature];
    const freedom = weight - this.#weight2[feature] / weight;
    return freedom > 0 ? this.#m2[feature] / freedom : Number.NaN;
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

  state(): EwmaState {
    const rate = 'alpha' in this.rate || 'halfLifeMs' in this.rate ? this.rate : {};
    return {
      format: FORMAT,
      features: this.names ? [...this.names] : this.features,
      ...rate,
      version: this.version,
      time: Array.from(this.#time, (t) => (Number.isNaN(t) ? null : t)),
      weight: Array.from(this.#weight),
      weight2: Array.from(this.#weight2),
      mean: Array.from(this.mean),
      ...(this.#low.some((low) => low !== 0) && { meanLow: Array.from(this.#low) }),
      m2: Array.from(this.#m2),
      count: Array.from(this.count),
      ...(this.#frozen && { frozen: true as const }),
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): Ewma {
    const reader = new StateReader(state, FORMAT);
    const named = reader.features();
    const features = typeof named === 'number' ? named : named.length;
    // before memory is taken for as many features as the state claims
    const mean = reader.means('mean', features);
    const rate: RateOptions = reader.has('alpha')
      ? { alpha: reader.number('alpha', (a) => a > 0 && a <= 1, 'be in (0, 1]') }
      : reader.has('halfLifeMs')
        ? { halfLife: `${reader.number('halfLifeMs', (h) => h > 0, 'be > 0')}ms` as Duration }
        : { cumulative: true };
    const ewma = new Ewma({ features: named, ...rate });
    ewma.version = reader.count('version');
    ewma.#weight.set(reader.nonNegatives('weight', features));
    ewma.#weight2.set(reader.nonNegatives('weight2', features));
    ewma.mean.set(mean);
    if (reader.has('meanLow')) ewma.#low.set(reader.numbers('meanLow', features));
    ewma.#m2.set(reader.nonNegatives('m2', features));
    ewma.count.set(reader.nonNegatives('count', features));
    ewma.#frozen = reader.flag('frozen');
    ewma.#time.set(
      reader.get('time', (value) => {
        const ok = (t: unknown) => t === null || (typeof t === 'number' && Number.isFinite(t));
        if (!Array.isArray(value) || value.length !== features || !value.every(ok)) {
          return reader.fail('time', `be an array of ${features} times or nulls`);
        }
        return value.map((t) => t ?? Number.NaN);
      }),
    );
    ewma.#deriveVariance();
    return ewma;
  }

  numbers(): StatisticNumbers {
    return {
      // by count there are no times
      alike: [this.#weight, this.#weight2, this.count, ...(this.byTime ? [this.#time] : [])],
      each: [this.mean, this.#low, this.#m2],
      recall: (version) => {
        this.version = version;
        this.#deriveVariance();
      },
    };
  }

  /** With the roundings of `update`. */
  #deriveVariance(): void {
    for (let j = 0; j < this.features; j++) {
      this.variance[j] = this.#weight[j] > 0 ? this.#m2[j] * (1 / this.#weight[j]) : 0;
    }
  }

  /** `#add` with weight 1, written out: a call for each feature costs more than its arithmetic. */
  #updateByCount(row: ArrayLike<number>): boolean {
    const { features, mean, variance, count } = this;
    const weight = this.#weight;
    const weight2 = this.#weight2;
    const m2 = this.#m2;
    const low = this.#low;
    const retain = this.#retain;
    const retain2 = retain * retain;
    // an imported name is looked up each time, a local one is not
    const limit = MAX_MAGNITUDE;
    let moved = false;
    for (let j = 0; j < features; j++) {
      const x = row[j];
      // Math.abs(null) is 0
      if (!(Math.abs(x) <= limit) || x === null) continue;
      moved = true;
      const kept = weight[j] * retain;
      const total = kept + 1;
      const share = 1 / total;
      const centre = mean[j];
      const delta = x - centre - low[j];
      const part = delta * share;
      const rest = kept * part;
      let next: number;
      // from the nearer end, as in `#add`
      if (kept > 1) {
        const step = low[j] + part;
        next = centre + step;
        low[j] = step - (next - centre);
      } else {
        next = x - rest;
        low[j] = x - next - rest;
      }
      const squares = m2[j] * retain + delta * rest;
      weight[j] = total;
      weight2[j] = weight2[j] * retain2 + 1;
      mean[j] = next;
      m2[j] = squares;
      variance[j] = squares * share;
      count[j]++;
    }
    return moved;
  }

  #updateWeighted(row: ArrayLike<number>, weight: number): boolean {
    const limit = magnitudeLimit(weight);
    let moved = false;
    for (let j = 0; j < this.features; j++) {
      const x = row[j];
      if (!(Math.abs(x) <= limit) || x === null) continue;
      moved = true;
      this.#add(j, x, weight, this.#retain);
    }
    return moved;
  }

  #updateByTime(row: ArrayLike<number>, time: number, weight: number): boolean {
    if (!Number.isFinite(time)) return false;
    const limit = magnitudeLimit(weight);
    let moved = false;
    // features mostly share their newest time, so the power is taken once
    let knownTime = Number.NaN;
    let knownDecay = 1;
    for (let j = 0; j < this.features; j++) {
      const x = row[j];
      if (!(Math.abs(x) <= limit) || x === null) continue;
      moved = true;
      const newest = this.#time[j];
      if (newest !== knownTime) {
        knownTime = newest;
        knownDecay = this.#decay(time - newest);
      }
      if (time < newest) {
        this.#add(j, x, weight * knownDecay, 1);
      } else {
        this.#time[j] = time;
        this.#add(j, x, weight, knownDecay);
      }
    }
    return moved;
  }

  #decay(spanMs: number): number {
    // the first sample of a feature finds no older one: NaN
    return Number.isNaN(spanMs) ? 1 : 2 ** (-Math.abs(spanMs) / this.#halfLifeMs);
  }

  #scale(j: number, decay: number): void {
    this.#weight[j] *= decay;
    this.#weight2[j] *= decay * decay;
    this.#m2[j] *= decay;
  }

  #add(j: number, x: number, weight: number, decay: number): void {
    const kept = this.#weight[j] * decay;
    const total = kept + weight;
    const delta = x - this.mean[j] - this.#low[j];
    const rest = (kept / total) * delta;
    // from the nearer end, so that the mean stays between the two
    const base = kept > weight ? this.mean[j] : x;
    const step = kept > weight ? this.#low[j] + (weight / total) * delta : -rest;
    const mean = base + step;
    const m2 = this.#m2[j] * decay + weight * delta * rest;
    this.count[j]++;
    this.#weight[j] = total;
    this.#weight2[j] = this.#weight2[j] * decay * decay + weight * weight;
    this.mean[j] = mean;
    this.#low[j] = step - (mean - base);
    this.#m2[j] = m2;
    this.variance[j] = m2 * (1 / total);
  }
}

export interface EwmaOptions<S> extends RateOptions {
  /** Time of a sample in ms, when `halfLife` is a time; default: the scheduler's time at arrival. */
  timeOf?: (sample: S) => number;
}

/**
 * Exponentially weighted statistics for `normalize`; see `Ewma`. Default `alpha: 0.1`.
 *
 * @throws TypeError, RangeError for wrong options
 * @example of(1, 2, 3).pipe(normalize(ewma({ halfLife: 10 }), { eps: 0 })) // NaN NaN 2.967…
 */
export function ewma<S = unknown>(options: EwmaOptions<S> = {}): StatisticFactory<S> {
  requireKnown('ewma', options, ['timeOf', ...RATE_OPTIONS, 'momentum']);
  const { timeOf, ...rate } = options;
  rateOf('ewma', rate);
  if (timeOf !== undefined) requireFunction('ewma', 'timeOf', timeOf);
  return {
    kind: 'ewma',
    create: (features) => new Ewma({ features, ...rate }),
    weighted: true,
    settings: rate,
    restore: Ewma.from,
    timeOf,
  };
}
