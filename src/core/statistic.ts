import type { StatisticState } from './state.ts';

/**
 * All that a statistic knows beside its options and `version`, open to be copied: how many of them take turns in one
 * object (`StatisticSlots`). Every array has one number a feature.
 */
export interface StatisticNumbers {
  /** Alike for all features, as long as none of them misses a value that the others have. */
  readonly alike: readonly Float64Array[];
  readonly each: readonly Float64Array[];
  /** The numbers have been replaced: brings up to date what follows from them, with the roundings of `update`. */
  recall(version: number): void;
}

/**
 * Statistics of F features that move sample by sample. What `normalize` needs of them lies open in typed arrays, so
 * that one loop over features serves every statistic.
 */
export interface Statistic {
  readonly features: number;
  /** Centre of each feature. */
  readonly mean: Float64Array;
  /** Biased variance of each feature: the square of its scale. */
  readonly variance: Float64Array;
  /** Samples that each feature has learned; the variance is defined from 2 on. Infinity for given numbers. */
  readonly count: Float64Array;
  /** Updates so far: it changes whenever the statistics do. */
  readonly version: number;
  /** False when `update` needs no time: asking a clock for each sample costs more than many an update. */
  readonly byTime?: boolean;
  /**
   * True where the scale is a difference of values of the data, such as a range, and so has no rounding noise: eps is 0
   * unless given, and only a scale of 0 is constant.
   */
  readonly exactScale?: boolean;
  /** Scaling that comes with given numbers: what `normalize` does unless it is given others. */
  readonly scaling?: {
    readonly eps?: number;
    readonly clip?: number;
    readonly weight?: ArrayLike<number>;
    readonly bias?: ArrayLike<number>;
  };
  /** True when `update` takes a weight; absent or false: every sample weighs 1. */
  readonly weighted?: boolean;
  /** True while nothing moves the statistics. */
  readonly frozen?: boolean;
  /**
   * Learns one sample; unusable values are skipped, each feature on its own. `time` in ms, for those that decay by time.
   * `weight` 1 when absent; a sample of weight 0, or of one that `isWeight` refuses, is not learned.
   */
  update(row: ArrayLike<number>, time?: number, weight?: number): void;
  /** Lets time pass without a sample, for those whose samples leave when their time is over. */
  advance?(time: number): void;
  /** Effective number of samples behind a feature, (Σw)²/Σw². */
  nEff(feature: number): number;
  /** Begins anew with a feature, as if it had seen no value of it. */
  forget?(feature: number): void;
  /** Before the next `update` of a feature: lets it forget, this once, `factor` times as fast as its rate says. */
  hasten?(feature: number, factor: number, time?: number): void;
  state(): StatisticState;
  /** From now on nothing moves the statistics: `update` and `merge` do nothing, and the saved state restores as frozen. */
  freeze?(): this;
  unfreeze?(): this;
  /** Absent, or undefined, where it knows more than a fixed set of numbers. */
  numbers?(): StatisticNumbers | undefined;
}

/**
 * How to make a `Statistic`, once the number of features is known: what `ewma(…)` and its siblings return. Each
 * subscription makes its own.
 */
export interface StatisticFactory<S = unknown> {
  readonly kind: string;
  create(features: number): Statistic;
  /** True when what it makes takes weights. */
  readonly weighted?: boolean;
  /** Its options: factories of the same kind and settings make the same. Absent: nothing is known of that. */
  readonly settings?: object;
  /** Brings back what `state()` of such a statistic returned. */
  restore?(state: unknown): Statistic;
  /** Time of a sample in ms; the scheduler's time at arrival when absent. */
  readonly timeOf?: ((sample: S) => number) | undefined;
}

export function isStatistic(value: unknown): value is Statistic {
  const statistic = value as Partial<Statistic> | null;
  return typeof statistic?.update === 'function' && statistic.mean instanceof Float64Array;
}
