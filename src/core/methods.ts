import { StreamnormError } from '../errors.ts';
import { BATCH_NORM_OPTIONS, BatchNorm } from './batch-norm.ts';
import { batchWindows, restoreWindows } from './batch-windows.ts';
import { Cumulative } from './cumulative.ts';
import { DriftGuard } from './drift-guard.ts';
import { driftWatch, splitDrift } from './drift-options.ts';
import type { DriftWatch } from './drift-watch.ts';
import type { Duration } from './duration.ts';
import { Ewma } from './ewma.ts';
import { Frozen } from './frozen.ts';
import type { MethodOptions, OptionName } from './method-options.ts';
import { MinMax } from './min-max.ts';
import { requireKnown, requireOneOf } from './parameter.ts';
import { QuarantineNormalizer } from './quarantine-normalizer.ts';
import { Robust } from './robust.ts';
import { Rolling } from './rolling.ts';
import { rowGuard } from './row-guard.ts';
import type { PendingRows, RowNormalizer } from './row-normalizer.ts';
import { SampleNormalizer } from './sample-normalizer.ts';
import { Standardizer, type StandardizerOptions } from './standardizer.ts';
import type { StatisticState } from './state.ts';
import type { Statistic } from './statistic.ts';

export { METHOD_OPTIONS, type MethodOptions, type OptionName } from './method-options.ts';

interface MethodAbout {
  readonly help: string;
  readonly options: readonly OptionName[];
  create(
    features: readonly string[],
    options: MethodOptions,
    saved: SavedNumbers | undefined,
    watch: DriftWatch | null,
  ): RowNormalizer;
}

/** What a run left behind for the next one. */
export interface SavedNumbers {
  state: StatisticState;
  pending?: PendingRows;
  /** The options of that run: those that are no longer given take their defaults again. */
  options?: MethodOptions;
}

const RATE = ['alpha', 'retain', 'halfLife', 'cumulative'] as const;
/** Which rows are good ones; of all methods. */
const QUARANTINE = ['quarantine', 'range', 'required', 'lateness', 'maxAhead'] as const;
/** How rows are watched for drift, of all methods; and of those that can forget faster. */
const WATCHING = ['drift', 'driftDelta', 'driftThreshold', 'onDrift'] as const;
const FASTER = ['fasterBy', 'fasterRows'] as const;
/** Of all that score sample by sample. */
const SCALING = ['clip', 'order', 'weight', 'bias', 'missing', 'untilReady', 'prior', 'minSamples'] as const;
const WINDOWS = ['size', 'within', 'every', 'gap', 'maxSamples'] as const;
/** Options that mean something only together, and so are judged together. */
export const JOINT_OPTIONS: readonly (readonly OptionName[])[] = [
  [...WINDOWS, ...QUARANTINE, 'missing'],
  ['untilReady', 'prior'],
  [...WATCHING, ...FASTER],
];
export const METHODS = {
  batch: {
    help: 'each batch by its own statistics (batch normalization); rows leave when their batch closes',
    options: [
      ...WINDOWS,
      ...RATE,
      ...(['eps', 'clip', 'weight', 'bias', 'single', 'debias', 'renorm', 'missing'] as const),
      ...QUARANTINE,
      ...WATCHING,
      ...FASTER,
    ],
    create: (features, { size, within, every, gap, maxSamples, ...rest }, saved, watch) => {
      const { lateness, maxAhead, ...norm } = rest;
      const given = { size, within, every, gap, maxSamples, lateness, maxAhead };
      const model = resumed(BatchNorm, new BatchNorm({ ...norm, features }), BATCH_NORM_OPTIONS, norm, saved);
      const normalizer = batchWindows(model, given, watch);
      if (saved?.pending !== undefined) restoreWindows(normalizer, saved.pending);
      return normalizer;
    },
  },
  ewma: {
    help: 'each row at once, by exponentially weighted statistics',
    options: [...RATE, 'eps', ...SCALING, ...QUARANTINE, ...WATCHING, ...FASTER],
    create: (features, options, saved, watch) => {
      const { scaling, rest } = split(options);
      const statistic = resumed(Ewma, new Ewma({ ...rest, features }), RATE, rest, saved);
      return bySample('ewma', statistic, scaling, watch);
    },
  },
  cumulative: {
    help: 'each row at once, by the statistics of everything so far',
    options: ['eps', ...SCALING, ...QUARANTINE, ...WATCHING],
    create: (features, options, saved, watch) =>
      bySample('cumulative', resumed(Cumulative, new Cumulative({ features }), [], {}, saved), options, watch),
  },
  rolling: {
    help: 'each row at once, by the statistics of the last rows, or of the last time',
    options: ['last', 'maxSamples', 'eps', ...SCALING, ...QUARANTINE, ...WATCHING],
    create: (features, options, saved, watch) => {
      const { scaling, rest } = split(options);
      const { last, ...bound } = rest;
      const fresh = new Rolling({ ...bound, last: last as Duration, features: features.length });
      return bySample('rolling', resumed(Rolling, fresh, ['last', 'maxSamples'], rest, saved), scaling, watch);
    },
  },
  minmax: {
    help: 'each row at once, (x - min)/(max - min) of everything so far',
    options: [...SCALING, ...QUARANTINE, ...WATCHING],
    create: (features, options, saved, watch) =>
      bySample('minmax', resumed(MinMax, new MinMax({ features: features.length }), [], {}, saved), options, watch),
  },
  robust: {
    help: 'each row at once, (x - median)/IQR, of everything so far unless a rate is given',
    options: [...RATE, 'unitVariance', ...SCALING, ...QUARANTINE, ...WATCHING],
    create: (features, options, saved, watch) => {
      const { scaling, rest } = split(options);
      return bySample(
        'robust',
        resumed(Robust, new Robust({ ...rest, features: features.length }), [...RATE, 'unitVariance'], rest, saved),
        scaling,
        watch,
      );
    },
  },
  frozen: {
    help: 'each row at once, by given statistics that never move',
    options: ['mean', 'variance', 'std', 'eps', 'clip', 'weight', 'bias', 'missing', ...QUARANTINE, ...WATCHING],
    create: (_, options, saved, watch) => {
      const { scaling, rest } = split(options);
      const { mean } = rest;
      if (mean !== undefined) return bySample('frozen', new Frozen({ ...rest, mean }), scaling, watch);
      if (saved === undefined) throw new TypeError('frozen requires mean and variance or std, or a saved state');
      return bySample('frozen', frozenBy(saved.state), scaling, watch);
    },
  },
} as const satisfies Record<string, MethodAbout>;

export type Method = keyof typeof METHODS;

export const METHOD_NAMES = Object.keys(METHODS) as Method[];

/** Those in which rows may weigh more or less than others. */
export const WEIGHTED_METHODS: readonly Method[] = ['ewma', 'cumulative', 'frozen'];

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
  const { drift, rest } = splitDrift(options);
  const { own, guard } = rowGuard(method, features, rest);
  const watch = driftWatch(method, features.length, drift, saved?.state);
  const inner = about.create(features, own, saved, watch);
  const normalizer = guard === undefined ? inner : new QuarantineNormalizer(inner, guard);
  if (normalizer instanceof QuarantineNormalizer && saved?.pending !== undefined) normalizer.restore(saved.pending);
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
  // thousands of keys are restored one by one, nearly always with the options that they were saved with
  if (typeof before.features !== 'number' && [...fields].every((field) => before[field] === now[field])) return then;
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

function split(options: MethodOptions) {
  const { eps, clip, order, weight, bias, missing, untilReady, prior, minSamples, ...rest } = options;
  const scaling = { eps, clip, order, weight, bias, missing, untilReady, minSamples, ...(prior && { prior }) };
  return { scaling, rest };
}

function bySample(
  where: string,
  statistic: Statistic,
  scaling: StandardizerOptions,
  watch: DriftWatch | null,
): RowNormalizer {
  if (scaling.untilReady === 'hold') {
    throw new TypeError(
      `${where} takes untilReady 'null', 'pass' or 'prior', got 'hold': rows leave at once here; 'hold' is an option of the operator normalize`,
    );
  }
  // a state of another width is refused by the caller
  if (watch === null || statistic.features !== watch.features) {
    return new SampleNormalizer(new Standardizer(where, statistic, scaling));
  }
  return new SampleNormalizer(new Standardizer(where, new DriftGuard(where, statistic, watch), scaling), watch);
}
