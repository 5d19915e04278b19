import { requireKnown, requirePositiveInteger } from './parameter.ts';
import { StateReader, type StatisticState } from './state.ts';
import type { Statistic, StatisticFactory, StatisticNumbers } from './statistic.ts';
import { isUsable, MAX_MAGNITUDE } from './usable.ts';

export interface MinMaxState extends StatisticState {
  readonly format: 'streamnorm.min-max/1';
  readonly features: number;
  readonly version: number;
  readonly frozen?: true;
  readonly count: number[];
  /** null for a feature without values, as in `max`. */
  readonly min: (number | null)[];
  readonly max: (number | null)[];
}

const FORMAT = 'streamnorm.min-max/1';

/**
 * Smallest and largest value so far: `z = (x - min) / (max - min)`.
 *
 * As a `Statistic`, its centre is the minimum and its scale the range, so `variance` is `(max - min)²`; the root of a
 * square is exact, hence z is 0 at the minimum and 1 at the maximum, exactly. A sample beyond what was learned before it
 * gets z < 0 or z > 1 when it is scored first (the default order); learned first, z stays in [0, 1]. Without noise in
 * the scale no eps is added, and only a range of 0 is constant.
 *
 * One wild value stretches the range for ever; `Robust` does not mind it.
 *
 * Cost: two comparisons a feature and sample; memory 5 float64 a feature. Merging is exact, in any order.
 *
 * @example
 * const m = new MinMax({ features: 1 });
 * for (const x of [3, 1, 5]) m.update([x]);
 * [m.min[0], m.max[0]]; // [1, 5]
 */
export class MinMax implements Statistic {
  readonly features: number;
  /** The minimum; 0 before the first value. */
  readonly mean: Float64Array;
  /** The square of the range. */
  readonly variance: Float64Array;
  readonly count: Float64Array;
  /** Infinity before the first value. */
  readonly min: Float64Array;
  /** -Infinity before the first value. */
  readonly max: Float64Array;
  version: number;
  readonly byTime: boolean;
  readonly exactScale: boolean;
  #frozen: boolean;

  constructor(options: { features: number }) {
    requireKnown('MinMax', options, ['features']);
    this.features = requirePositiveInteger('MinMax', 'features', options.features);
    this.mean = new Float64Array(this.features);
    this.variance = new Float64Array(this.features);
    this.count = new Float64Array(this.features);
    this.min = new Float64Array(this.features).fill(Number.POSITIVE_INFINITY);
    this.max = new Float64Array(this.features).fill(Number.NEGATIVE_INFINITY);
    this.version = 0;
    this.byTime = false;
    this.exactScale = true;
    this.#frozen = false;
  }

  update(row: ArrayLike<number>): void {
    if (this.#frozen) return;
    let moved = false;
    for (let j = 0; j < this.features; j++) {
      const x = row[j];
      // Math.abs(null) is 0
      if (!(Math.abs(x) <= MAX_MAGNITUDE) || x === null) continue;
      moved = true;
      this.count[j]++;
      if (x < this.min[j] || x > this.max[j]) this.#stretch(j, x + 0, x + 0); // JSON has no -0
    }
    if (moved) this.version++;
  }

  /**
   * Adds what another shard has seen.
   *
   * @throws TypeError for another number of features
   */
  merge(other: MinMax): void {
    if (this.#frozen) return;
    if (other.features !== this.features) {
      throw new TypeError(`MinMax.merge requires ${this.features} features, got ${other.features}`);
    }
    for (let j = 0; j < this.features; j++) {
      if (other.count[j] === 0) continue;
      this.count[j] += other.count[j];
      this.#stretch(j, other.min[j], other.max[j]);
    }
    this.version += other.version;
  }

  nEff(feature: number): number {
    return this.count[feature];
  }

  forget(feature: number): void {
    if (this.#frozen) return;
    for (const numbers of [this.count, this.mean, this.variance]) numbers[feature] = 0;
    this.min[feature] = Number.POSITIVE_INFINITY;
    this.max[feature] = Number.NEGATIVE_INFINITY;
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

  state(): MinMaxState {
    const known = (values: Float64Array) => Array.from(values, (x) => (Number.isFinite(x) ? x : null));
    return {
      format: FORMAT,
      features: this.features,
      version: this.version,
      ...(this.#frozen && { frozen: true as const }),
      count: Array.from(this.count),
      min: known(this.min),
      max: known(this.max),
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): MinMax {
    const reader = new StateReader(state, FORMAT);
    const features = reader.width();
    // before memory is taken for as many features as the state claims
    const count = reader.nonNegatives('count', features);
    const read = (name: string) =>
      reader.get<(number | null)[]>(name, (value) => {
        const fits = (x: unknown, j: number) =>
          count[j] === 0 ? x === null : typeof x === 'number' && Number.isFinite(x) && isUsable(x);
        if (!Array.isArray(value) || value.length !== features || !value.every(fits)) {
          return reader.fail(name, `be an array of ${features} usable numbers, null where the count is 0`);
        }
        return value;
      });
    const [min, max] = [read('min'), read('max')];
    const minMax = new MinMax({ features });
    minMax.version = reader.count('version');
    minMax.#frozen = reader.flag('frozen');
    minMax.count.set(count);
    for (let j = 0; j < features; j++) {
      const [low, high] = [min[j], max[j]];
      if (low === null || high === null) continue;
      if (low > high) reader.fail('max', `be >= min, found ${high} < ${low}`);
      minMax.#stretch(j, low, high);
    }
    return minMax;
  }

  numbers(): StatisticNumbers {
    return {
      alike: [this.count],
      each: [this.min, this.max],
      recall: (version) => {
        this.version = version;
        this.mean.fill(0);
        this.variance.fill(0);
        for (let j = 0; j < this.features; j++) if (this.count[j] > 0) this.#stretch(j, this.min[j], this.max[j]);
      },
    };
  }

  #stretch(j: number, low: number, high: number): void {
    if (low < this.min[j]) this.min[j] = low;
    if (high > this.max[j]) this.max[j] = high;
    const range = this.max[j] - this.min[j];
    this.mean[j] = this.min[j];
    this.variance[j] = range * range;
  }
}

/**
 * Min–max scaling for `normalize`: z = (x - min)/(max - min); see `MinMax`.
 *
 * @example of(0, 10, 5, 20).pipe(normalize(minMax(), { eps: 0 })) // NaN NaN 0.5 2
 */
export function minMax<S = unknown>(): StatisticFactory<S> {
  return { kind: 'minMax', create: (features) => new MinMax({ features }), settings: {}, restore: MinMax.from };
}
