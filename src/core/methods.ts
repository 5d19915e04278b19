import { StreamnormError } from '../errors.ts';
import { BATCH_NORM_OPTIONS, BatchNorm } from './batch-norm.ts';
import { Cumulative } from './cumulative.ts';
import type { Duration } from './duration.ts';
import { Ewma } from './ewma.ts';
import { Frozen } from './frozen.ts';
import { MinMax } from './min-max.ts';
import type { Missing } from './missing-values.ts';
import { requireKnown, requireNumber, requireOneOf, requirePositiveInteger, shown } from './parameter.ts';
import type { RateOptions } from './rate.ts';
import type { RenormOptions } from './renorm.ts';
import { Robust } from './robust.ts';
import { Rolling } from './rolling.ts';
import type { PendingRows, RowNormalizer } from './row-normalizer.ts';
import { SampleNormalizer } from './sample-normalizer.ts';
import { Standardizer, type StandardizerOptions } from './standardizer.ts';
import type { StatisticState } from './state.ts';
import type { Statistic } from './statistic.ts';
import { WindowNormalizer } from './window-normalizer.ts';

/** Options of a method as the configuration and the command line spell them. */
export interface MethodOptions extends RateOptions, Omit<StandardizerOptions, 'prior'> {
  size?: number;
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

export type OptionName = keyof MethodOptions;

/** What an option is, for help and for the configuration's schema; its rules are those of the core. */
interface OptionAbout {
  readonly type: 'number' | 'duration-or-number' | 'boolean' | 'numbers' | 'word' | 'renorm';
  readonly help: string;
}

/** One source for the names, defaults and help of all options that choose the numbers. */
export const METHOD_OPTIONS: Readonly<Record<OptionName, OptionAbout>> = {
  size: { type: 'number', help: 'rows a batch (default 64)' },
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
  missing: { type: 'word', help: "a missing value: 'nan' (default), or 'mean', which comes out as 0" },
  untilReady: { type: 'word', help: "before there are statistics: 'null' (default), or 'pass', the value itself" },
  minSamples: { type: 'number', help: 'effective samples that make statistics (default: two samples)' },
  last: { type: 'duration-or-number', help: "window of rolling: a count of rows, or a time such as '30s'" },
  maxSamples: {
    type: 'number',
    help: 'bound of a window in time; past it the oldest rows leave early (default 100000)',
  },
  unitVariance: { type: 'boolean', help: 'robust divides by IQR/1.349, the deviation of normal data, not by the IQR' },
  mean: { type: 'numbers', help: 'given mean of each feature' },
  variance: { type: 'numbers', help: 'given variance of each feature' },
  std: { type: 'numbers', help: 'given standard deviation of each feature' },
};

interface MethodAbout {
  readonly help: string;
  readonly options: readonly OptionName[];
  create(features: readonly string[], options: MethodOptions, saved: SavedNumbers | undefined): RowNormalizer;
}

/** What a run left behind for the next one. */
export interface SavedNumbers {
  state: StatisticState;
  pending?: PendingRows;
  /** The options of that run: those that are no longer given take their defaults again. */
  options?: MethodOptions;
}

const RATE = ['alpha', 'retain', 'halfLife', 'cumulative'] as const;
/** Of all that score sample by sample. */
const SCALING = ['clip', 'order', 'weight', 'bias', 'missing', 'untilReady', 'minSamples'] as const;
/** Values of an open window: 128 MiB. */
const MAX_WINDOW_VALUES = 2 ** 24;

export const METHODS = {
  batch: {
    help: 'each batch by its own statistics (batch normalization); rows leave when their batch closes',
    options: ['size', ...RATE, 'eps', 'clip', 'weight', 'bias', 'single', 'debias', 'renorm', 'missing'],
    create: (features, { size = 64, ...norm }, saved) => {
      requirePositiveInteger('batch', 'size', size);
      const most = Math.floor(MAX_WINDOW_VALUES / features.length);
      requireNumber('batch', 'size', size, (n) => n <= most, `<= ${most} with ${features.length} features`);
      requireAsManyRows('batch', norm);
      const model = resumed(BatchNorm, new BatchNorm({ ...norm, features }), BATCH_NORM_OPTIONS, norm, saved);
      const window = new WindowNormalizer(model, size);
      resume(window, saved?.pending);
      return window;
    },
  },
  ewma: {
    help: 'each row at once, by exponentially weighted statistics',
    options: [...RATE, 'eps', ...SCALING],
    create: (features, options, saved) => {
      const { scaling, rest } = split(options);
      const statistic = resumed(Ewma, new Ewma({ ...rest, features }), RATE, rest, saved);
      return bySample('ewma', statistic, scaling);
    },
  },
  cumulative: {
    help: 'each row at once, by the statistics of everything so far',
    options: ['eps', ...SCALING],
    create: (features, options, saved) =>
      bySample('cumulative', resumed(Cumulative, new Cumulative({ features }), [], {}, saved), options),
  },
  rolling: {
    help: 'each row at once, by the statistics of the last rows, or of the last time',
    options: ['last', 'maxSamples', 'eps', ...SCALING],
    create: (features, options, saved) => {
      const { scaling, rest } = split(options);
      const { last, ...bound } = rest;
      const fresh = new Rolling({ ...bound, last: last as Duration, features: features.length });
      return bySample('rolling', resumed(Rolling, fresh, ['last', 'maxSamples'], rest, saved), scaling);
    },
  },
  minmax: {
    help: 'each row at once, (x - min)/(max - min) of everything so far',
    options: SCALING,
    create: (features, options, saved) =>
      bySample('minmax', resumed(MinMax, new MinMax({ features: features.length }), [], {}, saved), options),
  },
  robust: {
    help: 'each row at once, (x - median)/IQR, of everything so far unless a rate is given',
    options: [...RATE, 'unitVariance', ...SCALING],
    create: (features, options, saved) => {
      const { scaling, rest } = split(options);
      return bySample(
        'robust',
        resumed(Robust, new Robust({ ...rest, features: features.length }), [...RATE, 'unitVariance'], rest, saved),
        scaling,
      );
    },
  },
  frozen: {
    help: 'each row at once, by given statistics that never move',
    options: ['mean', 'variance', 'std', 'eps', 'clip', 'weight', 'bias', 'missing'],
    create: (_, options, saved) => {
      const { scaling, rest } = split(options);
      const { mean } = rest;
      if (mean !== undefined) return bySample('frozen', new Frozen({ ...rest, mean }), scaling);
      if (saved === undefined) throw new TypeError('frozen requires mean and variance or std, or a saved state');
      return bySample('frozen', frozenBy(saved.state), scaling);
    },
  },
} as const satisfies Record<string, MethodAbout>;

export type Method = keyof typeof METHODS;

export const METHOD_NAMES = Object.keys(METHODS) as Method[];

/**
 * The normalizer that a method name and its options describe, new or resumed.
 *
 * @param features names of the features, in the order of the values in a row
 * @throws TypeError, RangeError for a wrong method or option; StreamnormError STATE for a saved state that does not fit
 */
export function createNormalizer(
  method: Method,
  features: readonly string[],
  options: MethodOptions = {},
  saved?: SavedNumbers,
): RowNormalizer {
  requireOneOf('method', 'its name', method, METHOD_NAMES);
  const about: MethodAbout = METHODS[method];
  // refused with its reason where there is a rate, and as unknown where there is none
  requireKnown(`method ${method}`, options, [
    ...about.options,
    ...(about.options.includes('alpha') ? ['momentum'] : []),
  ]);
  const names = (saved?.state as { features?: unknown } | undefined)?.features;
  if (Array.isArray(names) && names.join('\0') !== features.join('\0')) {
    throw new StreamnormError(
      'STATE',
      `the state has the features ${names.join(', ')}, expected ${features.join(', ')}`,
    );
  }
  const normalizer = about.create(features, options, saved);
  if (normalizer.features !== features.length) {
    const found = `${normalizer.features} features, expected ${features.length} (${features.join(', ')})`;
    throw saved === undefined
      ? new RangeError(`${method} has ${found}`)
      : new StreamnormError('STATE', `the state has ${found}`);
  }
  if (saved?.pending?.gap && normalizer.pending === 0) normalizer.cut();
  return normalizer;
}

/**
 * The saved numbers under the options of now: an option that is given, or was given then, counts as it is now.
 *
 * @param names of the options that are part of the state
 * @throws StreamnormError STATE
 */
function resumed<M extends { readonly features: number; state(): StatisticState }>(
  kind: { from(state: unknown): M },
  fresh: M,
  names: readonly string[],
  options: MethodOptions,
  saved: SavedNumbers | undefined,
): M {
  if (saved === undefined) return fresh;
  const then = kind.from(saved.state);
  if (then.features !== fresh.features) return then; // which the caller refuses
  const before: Record<string, unknown> = { ...then.state() };
  const now: Record<string, unknown> = { ...fresh.state() };
  const fields = new Set<string>();
  for (const [name, value] of [...Object.entries(options), ...Object.entries(saved.options ?? {})]) {
    if (value === undefined || !names.includes(name)) continue;
    if (name === 'last') for (const field of ['last', 'lastMs', 'maxSamples']) fields.add(field);
    else if (!RATE.some((rate) => rate === name)) fields.add(name);
    else for (const field of ['alpha', 'cumulative', 'halfLifeMs']) fields.add(field);
  }
  const resumes = { ...before };
  // a state of before there were names
  if (typeof before.features === 'number') resumes.features = now.features;
  for (const field of fields) {
    delete resumes[field];
    if (field in now) resumes[field] = now[field];
  }
  const rateMoved = resumes.alpha !== before.alpha || resumes.cumulative !== before.cumulative;
  if (resumes.debias && rateMoved && before.batches !== 0) {
    throw new StreamnormError('STATE', 'debias needs the rate that the state was made with');
  }
  return kind.from(resumes);
}

function frozenBy(state: StatisticState): Frozen {
  try {
    return new Frozen(state);
  } catch (cause) {
    if (cause instanceof StreamnormError) throw cause;
    throw new StreamnormError('STATE', (cause as Error).message, { cause });
  }
}

function split({ eps, clip, order, weight, bias, missing, untilReady, minSamples, ...rest }: MethodOptions) {
  return { scaling: { eps, clip, order, weight, bias, missing, untilReady, minSamples }, rest };
}

/** A row out for each row in: their numbers, and what a subscriber was sent, are counted by rows. */
function requireAsManyRows(where: string, { missing, untilReady }: { missing?: Missing; untilReady?: string }): void {
  if (missing !== undefined) requireOneOf(where, 'missing', missing, ['nan', 'mean']);
  if (untilReady !== undefined) requireOneOf(where, 'untilReady', untilReady, ['null', 'pass']);
}

function bySample(where: string, statistic: Statistic, scaling: StandardizerOptions): RowNormalizer {
  requireAsManyRows(where, scaling);
  return new SampleNormalizer(new Standardizer(where, statistic, scaling));
}

function resume(window: WindowNormalizer, pending: PendingRows | undefined): void {
  if (pending === undefined) return;
  const { data, times } = pending;
  const whole = Array.isArray(data) && Array.isArray(times) && data.length === times.length * window.features;
  if (!whole || !data.every(isSavedValue) || !times.every(Number.isFinite) || times.length >= window.size) {
    throw new StreamnormError(
      'STATE',
      `the saved open window does not fit: ${shown(times?.length)} rows of ${window.size}`,
    );
  }
  if (pending.gap) window.cut();
  window.push(
    Float64Array.from(data, (x) => (x === null ? Number.NaN : Number(x))),
    times.length,
    Float64Array.from(times),
  );
}

function isSavedValue(x: unknown): boolean {
  return x === null || Number.isFinite(x) || x === 'Infinity' || x === '-Infinity' || x === '-0';
}
