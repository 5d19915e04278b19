import type { Duration } from './duration.ts';
import { requireBoolean, requireFunction, requireKnown, requirePositiveInteger } from './parameter.ts';
import { QuantileDigest, type QuantileDigestState } from './quantile-digest.ts';
import { RATE_OPTIONS, type Rate, type RateOptions, rateOf } from './rate.ts';
import { StateReader, type StatisticState } from './state.ts';
import type { Statistic, StatisticFactory } from './statistic.ts';
import { isUsable, MAX_MAGNITUDE } from './usable.ts';

/** The rate is `cumulative` unless one is given. */
export interface RobustOptions extends RateOptions {
  /** Divides by IQR/1.349, which for normal data is the standard deviation, instead of the IQR; false. */
  unitVariance?: boolean;
}

export interface RobustState extends StatisticState {
  readonly format: 'streamnorm.robust/1';
  readonly features: number;
  /** The rate: one of the two, or neither for a cumulative one. */
  readonly alpha?: number;
  readonly halfLifeMs?: number;
  readonly unitVariance: boolean;
  readonly version: number;
  readonly frozen?: true;
  readonly count: number[];
  /** Time (ms), or number of the value, at which the weights of a feature are what they are; null without values. */
  readonly landmark: (number | null)[];
  readonly digest: QuantileDigestState[];
  /** Numbers for who reads the state; they are computed anew when it is restored. */
  readonly median: (number | null)[];
  readonly iqr: (number | null)[];
}

const FORMAT = 'streamnorm.robust/1';
/** Φ⁻¹(3/4) - Φ⁻¹(1/4): the IQR of a normal distribution of deviation 1. */
const IQR_OF_NORMAL = 1.3489795003921634;
const QUARTILES = [0.25, 0.5, 0.75] as const;
/** New values outweigh old ones by their powers; after so many half-lives all weights decay to stay in range. */
const MAX_AGE = 32;

/**
 * Median and interquartile range: `z = (x - median) / (q75 - q25)`. Up to a quarter of wild values moves neither far.
 *
 * As a `Statistic`, its centre is the median and its scale the IQR, so `variance` is the square of that; no eps is added
 * and only an IQR of 0 is constant, which is also that of a feature half of whose values are the same.
 *
 * Exact for the first 256 values (as numpy's `percentile` and scikit-learn's `RobustScaler`); then quantiles of a t-digest
 * (see `QuantileDigest`): the rank is off by at most 2 %, on smooth data by 0.1 %. The numbers are renewed
 * once 1/256 of the weight, or 64 values, has come in.
 *
 * With a rate it forgets: a value that is k values (`alpha`, `retain`, `halfLife: 500`) or ms (`halfLife: '30s'`) old
 * weighs `2^(-k/halfLife)`; by time, late values are put in with the weight of their age. Each feature has its own clock.
 *
 * Source: scikit-learn `RobustScaler`; T. Dunning, O. Ertl, "Computing extremely accurate quantiles using t-digests", 2019.
 * Cost: about 20 times that of `Cumulative`; ten times more for the first 256 values and for half-lives below 100 values,
 * when each value renews the numbers. Memory up to 6 KiB a feature.
 *
 * @throws TypeError, RangeError for wrong options
 * @example
 * const r = new Robust({ features: 1 });
 * for (const x of [1, 2, 3, 4, 1e6]) r.update([x]);
 * r.mean[0]; // 3 (the median)
 * Math.sqrt(r.variance[0]); // 2 (the IQR)
 */
export class Robust implements Statistic {
  readonly features: number;
  readonly rate: Rate;
  readonly unitVariance: boolean;
  /** The median. */
  readonly mean: Float64Array;
  /** The square of the IQR, or of IQR/1.349. */
  readonly variance: Float64Array;
  readonly count: Float64Array;
  /** True when the rate is a half-life in time. */
  readonly byTime: boolean;
  version: number;
  readonly exactScale: boolean;
  readonly #digests: QuantileDigest[];
  readonly #landmark: Float64Array;
  /** In ms, or in values; Infinity when nothing is forgotten. */
  readonly #halfLife: number;
  #frozen: boolean;

  constructor(options: RobustOptions & { features: number }) {
    requireKnown('Robust', options, ['features', ...OPTIONS]);
    const features = requirePositiveInteger('Robust', 'features', options.features);
    const { rate, unitVariance } = checked('Robust', options);
    this.features = features;
    this.rate = rate;
    this.unitVariance = unitVariance;
    this.mean = new Float64Array(features);
    this.variance = new Float64Array(features);
    this.count = new Float64Array(features);
    this.byTime = 'halfLifeMs' in rate;
    this.version = 0;
    this.exactScale = true;
    this.#digests = Array.from({ length: features }, () => new QuantileDigest());
    this.#landmark = new Float64Array(features).fill(Number.NaN);
    this.#halfLife =
      'halfLifeMs' in rate
        ? rate.halfLifeMs
        : 'alpha' in rate
          ? -Math.LN2 / Math.log1p(-rate.alpha)
          : Number.POSITIVE_INFINITY;
    this.#frozen = false;
  }

  update(row: ArrayLike<number>, time = Number.NaN): void {
    if (this.#frozen) return;
    if (this.byTime && !Number.isFinite(time)) return;
    let moved = false;
    for (let j = 0; j < this.features; j++) {
      const x = row[j];
      // Math.abs(null) is 0
      if (!(Math.abs(x) <= MAX_MAGNITUDE) || x === null) continue;
      moved = true;
      const n = ++this.count[j];
      this.#learn(j, x, this.byTime ? time : n);
    }
    if (moved) this.version++;
  }

  /**
   * Adds what another shard has seen, by joining the digests: the error stays one of rank, of at most 2 %.
   *
   * @throws TypeError for other options, and when the rate is by count: then the common order of the values is unknown
   */
  merge(other: Robust): void {
    if (this.#frozen) return;
    if ('alpha' in this.rate || 'alpha' in other.rate) {
      throw new TypeError(
        'Robust.merge requires a half-life in time, or none: by count the order of the values is unknown',
      );
    }
    if (
      other.features !== this.features ||
      other.#halfLife !== this.#halfLife ||
      other.unitVariance !== this.unitVariance
    ) {
      throw new TypeError('Robust.merge requires the same features, half-life and unitVariance');
    }
    for (let j = 0; j < this.features; j++) {
      if (other.count[j] === 0) continue;
      const own = this.#digests[j];
      const added = QuantileDigest.from(other.#digests[j].state());
      added.settle();
      own.settle();
      const later = other.#landmark[j];
      if (this.count[j] === 0) this.#landmark[j] = later;
      if (this.byTime) {
        const ahead = (later - this.#landmark[j]) / this.#halfLife;
        if (ahead > 0) {
          own.decay(2 ** -ahead);
          this.#landmark[j] = later;
        } else if (ahead < 0) added.decay(2 ** ahead);
      }
      own.merge(added);
      this.count[j] += other.count[j];
      this.#read(j);
    }
    this.version += other.version;
  }

  nEff(feature: number): number {
    const { total, total2 } = this.#digests[feature];
    return total === 0 ? 0 : (total * total) / total2;
  }

  forget(feature: number): void {
    if (this.#frozen) return;
    for (const numbers of [this.count, this.mean, this.variance]) numbers[feature] = 0;
    this.#digests[feature] = new QuantileDigest();
    this.#landmark[feature] = Number.NaN;
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

  state(): RobustState {
    const { rate, count } = this;
    const known = (values: Float64Array, read: (x: number) => number) =>
      Array.from(values, (x, j) => (count[j] === 0 ? null : read(x)));
    return {
      format: FORMAT,
      features: this.features,
      ...('alpha' in rate || 'halfLifeMs' in rate ? rate : {}),
      unitVariance: this.unitVariance,
      version: this.version,
      ...(this.#frozen && { frozen: true as const }),
      count: Array.from(count),
      landmark: Array.from(this.#landmark, (t) => (Number.isNaN(t) ? null : t)),
      digest: this.#digests.map((digest) => digest.state()),
      median: known(this.mean, (x) => x),
      iqr: known(this.variance, (x) => Math.sqrt(x) * (this.unitVariance ? IQR_OF_NORMAL : 1)),
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): Robust {
    const reader = new StateReader(state, FORMAT);
    const features = reader.width();
    // before memory is taken for as many features as the state claims
    const count = reader.nonNegatives('count', features);
    const unitVariance = reader.get('unitVariance', (value) =>
      typeof value === 'boolean' ? value : reader.fail('unitVariance', 'be true or false'),
    );
    const rate: RateOptions = reader.has('alpha')
      ? { alpha: reader.number('alpha', (a) => a > 0 && a <= 1, 'be in (0, 1]') }
      : reader.has('halfLifeMs')
        ? { halfLife: `${reader.number('halfLifeMs', (h) => h > 0, 'be > 0')}ms` as Duration }
        : { cumulative: true };
    const robust = new Robust({ features, unitVariance, ...rate });
    robust.version = reader.count('version');
    robust.#frozen = reader.flag('frozen');
    robust.count.set(count);
    const digests = reader.get<QuantileDigestState[]>('digest', (value) =>
      Array.isArray(value) && value.length === features && value.every(isDigest)
        ? value
        : reader.fail('digest', `be ${features} lists of ascending means with weights > 0`),
    );
    robust.#landmark.set(
      reader.get('landmark', (value) => {
        const ok = (t: unknown, j: number) =>
          typeof t === 'number' ? Number.isFinite(t) : t === null && count[j] === 0;
        if (!Array.isArray(value) || value.length !== features || !value.every(ok)) {
          return reader.fail('landmark', `be ${features} numbers, null where the count is 0`);
        }
        return value.map((t) => t ?? Number.NaN);
      }),
    );
    for (let j = 0; j < features; j++) {
      robust.#digests[j] = QuantileDigest.from(digests[j]);
      robust.#read(j);
    }
    return robust;
  }

  #learn(j: number, x: number, clock: number): void {
    const digest = this.#digests[j];
    if (Number.isNaN(this.#landmark[j])) this.#landmark[j] = clock;
    let age = (clock - this.#landmark[j]) / this.#halfLife;
    if (age > MAX_AGE) {
      digest.settle();
      digest.decay(2 ** -age);
      this.#landmark[j] = clock;
      age = 0;
    }
    // 0/0 for alpha 1
    const weight = Number.isNaN(age) ? 1 : 2 ** age;
    // so late that it weighs nothing
    if (weight > 0) digest.add(x, weight);
    if (!digest.due) return;
    digest.settle();
    this.#read(j);
  }

  #read(j: number): void {
    const [low, median, high] = this.#digests[j].quantiles(QUARTILES);
    if (Number.isNaN(median)) return;
    const scale = this.unitVariance ? (high - low) / IQR_OF_NORMAL : high - low;
    this.mean[j] = median;
    this.variance[j] = scale * scale;
  }
}

const OPTIONS = [...RATE_OPTIONS, 'unitVariance', 'momentum'] as const;

/**
 * Median and interquartile range for `normalize`; see `Robust`.
 *
 * @throws TypeError, RangeError for wrong options
 * @example of(1, 2, 3, 4, 1e6, 5).pipe(normalize(robust(), { eps: 0 })) // NaN NaN 3 2 666665 1
 */
export function robust<S = unknown>(
  options: RobustOptions & {
    /** Time of a sample in ms, when `halfLife` is a time; default: the scheduler's time at arrival. */
    timeOf?: (sample: S) => number;
  } = {},
): StatisticFactory<S> {
  requireKnown('robust', options, [...OPTIONS, 'timeOf']);
  const { timeOf, ...rest } = options;
  checked('robust', rest);
  if (timeOf !== undefined) requireFunction('robust', 'timeOf', timeOf);
  return {
    kind: 'robust',
    create: (features) => new Robust({ features, ...rest }),
    settings: rest,
    restore: Robust.from,
    timeOf,
  };
}

function checked(where: string, options: RobustOptions): { rate: Rate; unitVariance: boolean } {
  const { unitVariance = false } = options;
  const rates: Record<string, unknown> = { ...options };
  const given = [...RATE_OPTIONS, 'momentum'].some((name) => rates[name] !== undefined && rates[name] !== false);
  return {
    // none is cumulative here: quartiles need more values than the usual alpha of 0.1 lets weigh
    rate: given ? rateOf(where, options) : { cumulative: true },
    unitVariance: requireBoolean(where, 'unitVariance', unitVariance),
  };
}

function isDigest(value: unknown): value is QuantileDigestState {
  const { mean, weight, total, total2, pending, pendingWeight, pendingTotal } = (value ??
    {}) as Partial<QuantileDigestState>;
  const ascending = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((x, i) => typeof x === 'number' && isUsable(x) && (i === 0 || x >= list[i - 1]));
  const weighs = (list: unknown, length: number) =>
    Array.isArray(list) && list.length === length && list.every((w) => typeof w === 'number' && isUsable(w) && w > 0);
  return (
    ascending(mean) &&
    weighs(weight, mean.length) &&
    ascending(pending) &&
    weighs(pendingWeight, pending.length) &&
    [total, total2, pendingTotal].every((sum) => typeof sum === 'number' && sum >= 0 && sum < Number.POSITIVE_INFINITY)
  );
}
