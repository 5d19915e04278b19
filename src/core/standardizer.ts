import { isConstantFeature, SURELY_NOISE } from './constant-feature.ts';
import { FLAG } from './flags.ts';
import { Frozen, type GivenStatistics } from './frozen.ts';
import { MISSING, type Missing } from './missing-values.ts';
import { requireNumber, requireOneOf, shown } from './parameter.ts';
import { invertRow, type RowScale } from './row-scale.ts';
import { DEFAULT_EPS, requireClip, requireEps, requireVector } from './scaling-options.ts';
import type { Statistic } from './statistic.ts';
import { isUsable, isWeight, MAX_MAGNITUDE } from './usable.ts';

export interface StandardizerOptions {
  /** Added to the variance before the root; 1e-5, and 0 for `minMax` and `robust`. */
  eps?: number;
  /** Cuts z to ±clip; not cut. */
  clip?: number;
  /** Whether a sample is scored before it is learned (default) or after. */
  order?: Order;
  /** Factor of each feature after scaling (gamma); 1. */
  weight?: ArrayLike<number> | null;
  /** Summand of each feature after scaling (beta); 0. */
  bias?: ArrayLike<number> | null;
  /** What becomes of a row that lacks a value: `'nan'` (default), `'error'`, `'dropRow'` or `'mean'`. */
  missing?: Missing;
  /**
   * What comes out for a feature that has no statistics yet: `'null'` is NaN (default), `'pass'` is x itself, `'prior'`
   * normalises by `prior`, `'hold'` keeps the row back until it can be normalised.
   */
  untilReady?: UntilReady;
  /**
   * Effective samples (nEff) that make statistics. After a gap, old samples weigh so little that nEff falls below: then
   * it is not ready again, the sample that ends the gap included. By default two samples and, by time, nEff >= 1.01
   * before a sample.
   */
  minSamples?: number;
  /** Mean and variance or std of each feature, for `untilReady: 'prior'`. */
  prior?: GivenStatistics;
}

export type Order = 'score-then-learn' | 'learn-then-score';
export type UntilReady = (typeof UNTIL_READY)[number];

export const STANDARDIZER_OPTIONS = [
  ...(['eps', 'clip', 'order', 'weight', 'bias'] as const),
  ...(['missing', 'untilReady', 'minSamples', 'prior'] as const),
] as const satisfies readonly (keyof StandardizerOptions)[];

const UNTIL_READY = ['null', 'hold', 'pass', 'prior'] as const;

/**
 * By time, and when nothing else is asked for. Below it the newest sample outweighs all others by more than 200 to 1: the
 * spread is one of old samples next to nothing, and the next value would come out as 1e8.
 */
const LEAST_NEFF_BY_TIME = 1.01;

/** What a plain z lacks: all that is not needed where nothing of it was asked for. */
interface Extras {
  readonly weight: Float64Array | null;
  readonly bias: Float64Array | null;
  readonly fillsMean: boolean;
  readonly untilReady: UntilReady;
  readonly leastNEff: number;
  /** True when the sample that ends a gap shall not be scored by what was before the gap. */
  readonly withdraws: boolean;
  readonly prior: Frozen | null;
  /** True when `leastNEff` is all there is. */
  readonly onlyNEff: boolean;
}

/**
 * One sample after the other: z by the statistics so far, and the statistics moved by the sample.
 *
 * Scoring first is the default, since a sample that is learned first caps its own |z| at √(n - 1): of [1, 2, 3, 4, 10]
 * the last is 6.71 scored first and 1.90 learned first.
 *
 * A feature is NaN until it has learned two samples, and where x is missing, infinite or too large; it is 0 where it has
 * no spread. `'hold'`, `'dropRow'` and `'error'` are left to whoever feeds it: here the first two are NaN, flagged.
 */
export class Standardizer {
  /** May be put in place of another of the same kind and width: keys take turns in one of these. */
  statistic: Statistic;
  readonly eps: number;
  readonly clip: number;
  readonly order: Order;
  readonly #extras: Extras | null;
  /** 1 for each feature that has had no value since the hole; null where there was none, or all have. As `statistic`. */
  aged: Uint8Array | null;

  constructor(where: string, statistic: Statistic, given: StandardizerOptions = {}) {
    requireStandardizer(where, given);
    const options = statistic.scaling === undefined ? given : withDefaults(given, statistic.scaling);
    this.statistic = statistic;
    this.eps = options.eps ?? (statistic.exactScale ? 0 : DEFAULT_EPS);
    this.clip = options.clip ?? Number.POSITIVE_INFINITY;
    this.order = options.order ?? 'score-then-learn';
    this.#extras = extrasOf(where, statistic, options);
    this.aged = null;
  }

  /**
   * There is a hole before the next sample. Statistics by time are let age before it is scored, and if it then stands
   * alone with them (nEff too small), it is not scored by what was before the hole.
   */
  cut(): void {
    if (this.statistic.byTime !== false && !this.statistic.frozen) {
      this.aged = new Uint8Array(this.statistic.features).fill(1);
    }
  }

  /**
   * Writes z of `x` to `out` (which may be `x`'s own memory only when scoring last) and learns `x`. Returns flags.
   *
   * @param weight of the sample; only for statistics that take one
   */
  step(x: Float64Array, out: Float64Array, time: number, weight?: number): number {
    if (this.aged !== null) this.statistic.advance?.(time);
    if (this.order === 'score-then-learn') {
      const flags = this.score(x, out);
      this.statistic.update(x, time, weight);
      return this.#extras === null ? flags : flags | this.#withdraw(this.#extras, x, out);
    }
    this.statistic.update(x, time, weight);
    this.aged = null;
    return this.score(x, out);
  }

  /** `step` of a sample whose weight comes with the data: statistics pass over one that is none, and here it is flagged. */
  stepWeighted(x: Float64Array, out: Float64Array, time: number, weight: number | undefined): number {
    const flags = this.step(x, out, time, weight);
    return weight === undefined || isWeight(weight) ? flags : flags | FLAG.weight;
  }

  /** `step`, and what it scored with. */
  stepWithScale(x: Float64Array, out: Float64Array, time: number, weight?: number) {
    if (this.order === 'learn-then-score') {
      const flags = this.step(x, out, time, weight);
      return { flags, scale: this.scale(), version: this.statistic.version };
    }
    if (this.aged !== null) this.statistic.advance?.(time);
    const scale = this.scale();
    const { version } = this.statistic;
    let flags = this.score(x, out);
    this.statistic.update(x, time, weight);
    if (this.#extras !== null) flags |= this.#withdraw(this.#extras, x, out, scale);
    return { flags, scale, version };
  }

  /** Writes z of `x` to `out`; learns nothing. Returns flags. */
  score(x: Float64Array, out: Float64Array): number {
    const extras = this.#extras;
    if (extras !== null && !(extras.onlyNEff && this.#allReady(extras))) return this.#scoreWith(extras, x, out);
    const { features, mean, variance, count } = this.statistic;
    const { eps, clip } = this;
    // imported names are looked up each time, local ones are not
    const limit = MAX_MAGNITUDE;
    const noisePart = SURELY_NOISE;
    let flags = 0;
    for (let j = 0; j < features; j++) {
      const value = x[j];
      const centre = mean[j];
      const z = (value - centre) / Math.sqrt(variance[j] + eps);
      // one test for the common case, every part of it false for NaN; a third of the time of asking case by case
      const noise = noisePart * centre;
      if (Math.abs(value) <= limit && count[j] >= 2 && variance[j] > noise * noise && Math.abs(z) <= clip) out[j] = z;
      else flags |= this.#scoreOdd(value, z, j, out);
    }
    return flags;
  }

  /** What the next row will be scored with; a copy. */
  scale(): RowScale {
    const { weight, bias } = this.#extras ?? NO_EXTRAS;
    const mean = new Array<number>(this.statistic.features);
    const std = new Array<number>(this.statistic.features);
    const affine = { ...(weight && { weight: Array.from(weight) }), ...(bias && { bias: Array.from(bias) }) };
    const scale: RowScale = weight === null && bias === null ? { mean, std } : { mean, std, ...affine };
    for (let j = 0; j < this.statistic.features; j++) this.#scaleFeature(j, this.#isReady(j), scale);
    return scale;
  }

  /** Writes the x that scores as `z` to `out`. */
  invert(z: Float64Array, out: Float64Array): void {
    invertRow(z, this.scale(), out);
  }

  /** Asked for each sample by time, so written out. */
  #allReady({ leastNEff }: Extras): boolean {
    const { statistic } = this;
    const { features, count } = statistic;
    for (let j = 0; j < features; j++) if (!(count[j] >= 2 && statistic.nEff(j) >= leastNEff)) return false;
    return true;
  }

  #isReady(j: number): boolean {
    const least = this.#extras?.leastNEff ?? 0;
    return this.statistic.count[j] >= 2 && (least === 0 || this.statistic.nEff(j) >= least);
  }

  #scaleFeature(j: number, ready: boolean, scale: RowScale): void {
    const { untilReady, prior } = this.#extras ?? NO_EXTRAS;
    const numbers = ready ? this.statistic : prior;
    const passes = numbers === null && untilReady === 'pass';
    scale.mean[j] = passes ? 0 : (numbers?.mean[j] ?? Number.NaN);
    scale.std[j] = passes ? 1 : numbers === null ? Number.NaN : Math.sqrt(numbers.variance[j] + this.eps);
    if (!passes) return;
    if (scale.weight) scale.weight[j] = 1;
    if (scale.bias) scale.bias[j] = 0;
  }

  #scoreWith(extras: Extras, x: Float64Array, out: Float64Array): number {
    let flags = 0;
    for (let j = 0; j < this.statistic.features; j++)
      flags |= this.#scoreFeature(extras, j, x[j], this.#isReady(j), out);
    return flags;
  }

  /** After a hole in time the statistics were ready until this sample showed how old they are. */
  #withdraw(extras: Extras, x: Float64Array, out: Float64Array, scale?: RowScale): number {
    const { statistic } = this;
    const aged = this.aged;
    if (!extras.withdraws && aged === null) return 0;
    let flags = 0;
    for (let j = 0; j < statistic.features; j++) {
      if (!isUsable(x[j])) continue;
      const judged = extras.withdraws || aged?.[j] === 1;
      if (aged !== null) aged[j] = 0;
      if (!judged || this.#isReady(j)) continue;
      flags |= this.#scoreFeature(extras, j, x[j], false, out);
      if (scale) this.#scaleFeature(j, false, scale);
    }
    if (aged?.every((left) => left === 0)) this.aged = null;
    return flags;
  }

  #scoreFeature(extras: Extras, j: number, value: number, ready: boolean, out: Float64Array): number {
    const { statistic, eps, clip } = this;
    const { weight, bias, fillsMean, untilReady, prior } = extras;
    const known = isUsable(value);
    let flags = known ? (ready ? 0 : FLAG.notReady) : Number.isNaN(value) ? FLAG.missing : FLAG.overflow;
    const numbers = ready ? statistic : prior;
    if (numbers === null || !(known || (fillsMean && Number.isNaN(value)))) {
      out[j] = known && untilReady === 'pass' ? value : Number.NaN;
      return flags;
    }
    let z = 0;
    if (known && hasNoScale(numbers, j)) flags |= FLAG.constant;
    else if (known) z = (value - numbers.mean[j]) / Math.sqrt(numbers.variance[j] + eps);
    if (Math.abs(z) > clip) {
      z = Math.sign(z) * clip;
      flags |= FLAG.clipped;
    }
    out[j] = z * (weight === null ? 1 : weight[j]) + (bias === null ? 0 : bias[j]);
    return flags;
  }

  #scoreOdd(value: number, z: number, j: number, out: Float64Array): number {
    const { count } = this.statistic;
    if (!isUsable(value)) {
      out[j] = Number.NaN;
      return Number.isNaN(value) ? FLAG.missing : FLAG.overflow;
    }
    if (!(count[j] >= 2)) {
      out[j] = Number.NaN;
      return FLAG.notReady;
    }
    if (hasNoScale(this.statistic, j)) {
      out[j] = 0;
      return FLAG.constant;
    }
    const clipped = Math.abs(z) > this.clip;
    out[j] = clipped ? Math.sign(z) * this.clip : z;
    return clipped ? FLAG.clipped : 0;
  }
}

/** An option that is undefined is not given; null is, and says that there is none. */
function withDefaults(given: StandardizerOptions, defaults: NonNullable<Statistic['scaling']>): StandardizerOptions {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(said) };
}

function hasNoScale({ mean, variance, count, exactScale }: Statistic, j: number): boolean {
  return exactScale ? variance[j] === 0 : isConstantFeature(variance[j], mean[j], count[j]);
}

const NO_EXTRAS = { weight: null, bias: null, untilReady: 'null', prior: null } as const;

/** @throws TypeError, RangeError for wrong options; what depends on the number of features is checked with the statistic */
export function requireStandardizer(where: string, options: StandardizerOptions): void {
  const { eps = DEFAULT_EPS, clip = Number.POSITIVE_INFINITY, order = 'score-then-learn', minSamples, prior } = options;
  const { missing = 'nan', untilReady = 'null' } = options;
  requireEps(where, eps);
  requireClip(where, clip);
  requireOneOf(where, 'order', order, ['score-then-learn', 'learn-then-score']);
  requireVector(where, 'weight', options.weight, undefined);
  requireVector(where, 'bias', options.bias, undefined);
  requireOneOf(where, 'missing', missing, MISSING);
  requireOneOf(where, 'untilReady', untilReady, UNTIL_READY);
  if (minSamples !== undefined) {
    requireNumber(where, 'minSamples', minSamples, (n) => n >= 1 && n < Number.POSITIVE_INFINITY, 'to be >= 1');
  }
  if ((untilReady === 'prior') !== (prior !== undefined)) {
    const got = prior === undefined ? "untilReady 'prior' alone" : `prior with untilReady ${shown(untilReady)}`;
    throw new TypeError(`${where} takes prior and untilReady 'prior' together, got ${got}`);
  }
  if (prior !== undefined) priorOf(where, prior);
}

function priorOf(where: string, prior: GivenStatistics): Frozen {
  try {
    return new Frozen(prior);
  } catch (cause) {
    const message = (cause as Error).message.replace(/^frozen requires/, `${where} requires prior to have`);
    throw cause instanceof TypeError ? new TypeError(message, { cause }) : new RangeError(message, { cause });
  }
}

function extrasOf(where: string, statistic: Statistic, options: StandardizerOptions): Extras | null {
  const { untilReady = 'null', missing = 'nan', minSamples } = options;
  const { features } = statistic;
  const prior = options.prior === undefined ? null : priorOf(where, options.prior);
  if (prior !== null && prior.features !== features) {
    throw new RangeError(`${where} requires prior to have ${features} features, got ${prior.features}`);
  }
  const extras = {
    weight: requireVector(where, 'weight', options.weight, features),
    bias: requireVector(where, 'bias', options.bias, features),
    fillsMean: missing === 'mean',
    untilReady,
    leastNEff: minSamples ?? (statistic.byTime === false ? 0 : LEAST_NEFF_BY_TIME),
    withdraws: minSamples !== undefined && statistic.byTime !== false,
    prior,
  };
  const onlyNEff =
    extras.weight === null &&
    extras.bias === null &&
    !extras.fillsMean &&
    (untilReady === 'null' || untilReady === 'hold');
  return onlyNEff && extras.leastNEff === 0 ? null : { ...extras, onlyNEff };
}
