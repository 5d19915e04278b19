import type { DriftOptions } from './drift-options.ts';
import type { Duration } from './duration.ts';
import type { GivenStatistics } from './frozen.ts';
import type { RateOptions } from './rate.ts';
import type { RenormOptions } from './renorm.ts';
import type { JudgeOptions } from './row-judge.ts';
import type { StandardizerOptions } from './standardizer.ts';

/** Options of a method as the configuration and the command line spell them. */
export interface MethodOptions extends RateOptions, StandardizerOptions, JudgeOptions, DriftOptions {
  size?: number;
  within?: Duration;
  every?: Duration;
  gap?: Duration;
  /** Has windows follow the times of rows, or `quarantine` keep late rows out. */
  lateness?: Duration;
  maxAhead?: Duration;
  /** Keeps bad rows out of the statistics, and in the output, flagged, or out of that too. */
  quarantine?: OnBad;
  prior?: GivenStatistics;
  weight?: number[];
  bias?: number[];
  renorm?: RenormOptions;
  single?: 'flag' | 'error';
  debias?: boolean;
  /** The window of `rolling`. */
  last?: Duration;
  maxSamples?: number;
  unitVariance?: boolean;
  /** Given statistics of `frozen`. */
  mean?: number[];
  variance?: number[];
  std?: number[];
}

/** What becomes of a row that is kept out of the statistics. */
export type OnBad = 'flag' | 'drop';

export type OptionName = keyof MethodOptions;

const OPTION_TYPES = [
  ...(['number', 'duration', 'duration-or-number', 'boolean', 'numbers', 'word', 'words'] as const),
  ...(['renorm', 'prior', 'range'] as const),
] as const;

/** What an option is, for help and for the configuration's schema; its rules are those of the core. */
interface OptionAbout {
  readonly type: (typeof OPTION_TYPES)[number];
  readonly help: string;
}

/** One source for the names, defaults and help of all options that choose the numbers. */
export const METHOD_OPTIONS: Readonly<Record<OptionName, OptionAbout>> = {
  size: { type: 'number', help: 'rows a batch (default 64; none with gap, with every in time, and with lateness)' },
  within: { type: 'duration', help: "closes a batch this long after its first row came, e.g. '2s'" },
  every: {
    type: 'duration-or-number',
    help: 'batches overlap: one closes every so many rows and holds the last size, or every such time and holds the last within',
  },
  gap: { type: 'duration', help: 'closes a batch when no row came for so long' },
  lateness: {
    type: 'duration',
    help: 'batches of within or gap follow the times of rows, and wait so much longer for rows out of order; others are late',
  },
  maxAhead: { type: 'duration', help: "how much later than the clock a time may be, with lateness (default '1h')" },
  alpha: { type: 'number', help: "weight of the new value, in (0, 1]; PyTorch's momentum (default 0.1)" },
  retain: { type: 'number', help: "weight of the old value, in [0, 1); Keras's momentum" },
  halfLife: { type: 'duration-or-number', help: "half-life: a count of rows or batches, or a time such as '30s'" },
  cumulative: { type: 'boolean', help: 'every value weighs the same' },
  eps: { type: 'number', help: 'added to the variance before the root (default 1e-5)' },
  clip: { type: 'number', help: 'cuts normalised values to ±clip (default: not cut)' },
  order: { type: 'word', help: 'score-then-learn (default) or learn-then-score' },
  weight: { type: 'numbers', help: 'factor of each feature after scaling (default 1)' },
  bias: { type: 'numbers', help: 'summand of each feature after scaling (default 0)' },
  single: { type: 'word', help: "a batch of one row: 'flag' (default) or 'error'" },
  debias: { type: 'boolean', help: 'takes the weight of the start values out of the moving statistics' },
  renorm: {
    type: 'renorm',
    help: 'corrects batches towards the moving statistics within rMax and dMax (default: not)',
  },
  missing: {
    type: 'word',
    help: "a missing value: 'nan' (default), 'mean', which comes out as 0, 'dropRow', or 'error', which refuses what it came with",
  },
  untilReady: {
    type: 'word',
    help: "before there are statistics: 'null' (default), 'pass', the value itself, or 'prior'",
  },
  prior: { type: 'prior', help: 'mean and std of each feature that count until there are statistics' },
  minSamples: { type: 'number', help: 'effective samples that make statistics (default: two samples)' },
  last: { type: 'duration-or-number', help: "window of rolling: a count of rows, or a time such as '30s'" },
  maxSamples: {
    type: 'number',
    help: 'bound of a window in time; past it the oldest rows leave early (default 100000)',
  },
  quarantine: {
    type: 'word',
    help: "keeps rows that are bad in any feature (missing, infinite, out of range, late) out of the statistics: 'flag' lets them out without values, 'drop' does not",
  },
  range: { type: 'range', help: 'least and most of a good value, with quarantine; of all features, or by name' },
  required: { type: 'words', help: 'features that a good row must have (default: all)' },
  unitVariance: { type: 'boolean', help: 'robust divides by IQR/1.349, the deviation of normal data, not by the IQR' },
  mean: { type: 'numbers', help: 'given mean of each feature' },
  variance: { type: 'numbers', help: 'given variance of each feature' },
  std: { type: 'numbers', help: 'given standard deviation of each feature' },
  drift: { type: 'word', help: "watches the mean of each feature: 'adwin' or 'page-hinkley' (default: not)" },
  driftDelta: {
    type: 'number',
    help: 'of adwin: how probable a false alarm may be (default 0.002); of page-hinkley: the change that does not count, in units of the feature (default 0.005)',
  },
  driftThreshold: {
    type: 'number',
    help: 'of page-hinkley: how much must have gathered, in units of the feature (default 50)',
  },
  onDrift: {
    type: 'word',
    help: "when a mean has changed: 'tell' (default), 'reset' its statistics, or 'faster': forget faster for a while",
  },
  fasterBy: { type: 'number', help: 'of onDrift faster: times alpha, halfLife divided by it (default 10)' },
  fasterRows: { type: 'number', help: 'of onDrift faster: for how many rows (default 100)' },
};
