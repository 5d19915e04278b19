import { from, map, type OperatorFunction, of } from 'rxjs';
import * as index from '../../src/index.ts';
import { collected } from './collected.ts';

/** Any operator, as the generic checks run it. */
export type AnyOperator = OperatorFunction<unknown, unknown>;

export interface OperatorEntry {
  /** The exported function. */
  readonly exported: string;
  /** Which of its options. */
  readonly variant: string;
  /** A new operator, as a user makes it. */
  create(): AnyOperator;
  /** Six good values of its source. */
  readonly values: readonly unknown[];
  /** Values that no number can be made of, or that are not finite. */
  readonly odd: readonly unknown[];
  /** Source values that must be enough for the first output. */
  readonly needed: number;
  /** An operator that fails while it runs: a callback that throws, or data of a shape that cannot be read. */
  failing(): { operator: AnyOperator; values: readonly unknown[]; message: RegExp };
}

const {
  BatchNorm,
  batchBy,
  batchNorm,
  batchStats,
  cumulative,
  denormalize,
  drift,
  Ewma,
  ewma,
  frozen,
  movingStats,
  normalize,
  quarantine,
  perKey,
} = index;

const NUMBERS = [1, 3, 4, 10, -2, 7];
const ODD_NUMBERS = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  JSON.parse('1e309'),
  -1e300,
  null,
  undefined,
  'text',
  {},
  [],
  [1, 2],
  true,
];
const RECORDS_WITHOUT_FEATURES = [{ a: 1 }, { a: 2 }];
const BATCHES = NUMBERS.map((x) => batchOf([x, x + 1, 2 * x]));
const ODD_BATCHES = [batchOf([1, Number.NaN]), batchOf([Number.NaN]), batchOf([1, Number.POSITIVE_INFINITY, 1e300])];
const DETAILS = collected(from(NUMBERS).pipe(normalize(cumulative(), { detail: true })));
const ODD_DETAILS = collected(from(ODD_NUMBERS as number[]).pipe(normalize(cumulative(), { detail: true })));
const stats = (mean: unknown, variance: unknown = 1) => ({ count: 3, mean: [mean], variance: [variance] });

function ofNumbers(exported: string, variant: string, needed: number, create: () => unknown): OperatorEntry {
  return {
    exported,
    variant,
    create: create as () => AnyOperator,
    values: NUMBERS,
    odd: ODD_NUMBERS,
    needed,
    failing: () => ({
      operator: create() as AnyOperator,
      values: RECORDS_WITHOUT_FEATURES,
      message: new RegExp(`^${exported} requires features`),
    }),
  };
}

function throwingTime(): never {
  throw new Error('no time today');
}

function always() {
  return {
    update: (x: number) =>
      Number.isFinite(x) ? { kind: 'increase' as const, meanBefore: 0, meanAfter: x, before: 1, after: 1 } : undefined,
    state: () => ({ format: 'always/1' }),
  };
}

/** Every exported operator; a check holds this list equal to the exports. */
export const OPERATORS: readonly OperatorEntry[] = [
  ofNumbers('batchBy', 'size', 2, () => batchBy({ size: 2 })),
  ofNumbers('batchBy', 'size and within', 2, () => batchBy({ size: 2, within: '1s' })),
  ofNumbers('batchBy', 'size and every', 3, () => batchBy({ size: 3, every: 2 })),
  ofNumbers('batchBy', 'every beyond size', 2, () => batchBy({ size: 2, every: 3 })),
  ofNumbers('batchBy', 'within and every', 3, () => batchBy({ within: '1m', every: '20s', maxSamples: 3 })),
  ofNumbers('batchBy', 'gap', 2, () => batchBy({ gap: '1m', size: 2 })),
  ofNumbers('batchBy', 'within, in event time', 4, () => batchBy({ within: 5, timeOf: Number })),
  ofNumbers('batchBy', 'every, in event time', 4, () => batchBy({ within: 5, every: 4, timeOf: Number })),
  ofNumbers('batchBy', 'gap, in event time', 4, () => batchBy({ gap: 5, timeOf: Number })),
  {
    ...ofNumbers('batchBy', 'a callback that throws', 2, () => batchBy({ size: 2 })),
    failing: () => ({
      operator: batchBy<unknown>({ within: 5, timeOf: throwingTime }),
      values: NUMBERS,
      message: /^no time today$/,
    }),
  },
  ofNumbers('batchNorm', 'size', 3, () => batchNorm({ size: 3 })),
  ofNumbers('batchNorm', 'detail', 3, () => batchNorm({ size: 3, detail: true, within: '1s' })),
  ofNumbers('normalize', 'cumulative', 1, () => normalize(cumulative())),
  ofNumbers('normalize', 'ewma', 1, () => normalize(ewma(), { clip: 3 })),
  ofNumbers('normalize', 'ewma by time, detail', 1, () =>
    normalize(ewma({ halfLife: '1s', timeOf: Number }), { detail: true }),
  ),
  ofNumbers('normalize', 'frozen', 1, () => normalize(frozen({ mean: [1], std: [2] }))),
  ofNumbers('normalize', 'hold', 2, () => normalize(cumulative(), { untilReady: 'hold', maxHeld: 2 })),
  ofNumbers('normalize', 'dropRow', 1, () => normalize(cumulative(), { missing: 'dropRow' })),
  ofNumbers('normalize', 'mean, weights, prior', 1, () =>
    normalize<number>(cumulative(), {
      missing: 'mean',
      weightOf: (x) => x,
      untilReady: 'prior',
      prior: { mean: [1], std: [2] },
    }),
  ),
  ofNumbers('normalize', 'watched, reset', 1, () =>
    normalize<number>(cumulative(), { drift: index.adwin({ clock: 1 }), onDrift: 'reset', tellDrift: () => {} }),
  ),
  {
    exported: 'normalize',
    variant: 'growing records',
    create: () => normalize(cumulative(), { maxFeatures: 2 }) as AnyOperator,
    values: NUMBERS.map((a, i) => (i % 2 === 0 ? { a } : { a, b: 2 * a })),
    odd: [null, undefined, 'text', {}, [], { a: null }, { a: Number.NaN }, { c: 1, d: 2, e: 3 }, true],
    needed: 1,
    failing: () => ({
      operator: normalize(cumulative(), { maxFeatures: 2 }) as AnyOperator,
      values: NUMBERS,
      message: /^normalize takes maxFeatures for records only/,
    }),
  },
  {
    ...ofNumbers('normalize', 'a value that must not be missing', 1, () => normalize(cumulative())),
    failing: () => ({
      operator: normalize<unknown>(cumulative(), { missing: 'error' }),
      values: [1, null],
      message: /^normalize requires a value of every feature \(missing: 'error'\)/,
    }),
  },
  ofNumbers('normalize', 'learn-then-score', 1, () => normalize(cumulative(), { order: 'learn-then-score' })),
  {
    ...ofNumbers('normalize', 'a callback that throws', 1, () => normalize(cumulative())),
    failing: () => ({
      operator: normalize<unknown>(ewma({ halfLife: '1s', timeOf: throwingTime })),
      values: NUMBERS,
      message: /^no time today$/,
    }),
  },
  ofNumbers('quarantine', '', 1, () => quarantine()),
  ofNumbers('quarantine', 'by time', 1, () => quarantine({ timeOf: Number, lateness: '1h' })),
  {
    ...ofNumbers('quarantine', 'a callback that throws', 1, () => quarantine()),
    failing: () => ({
      operator: quarantine<unknown>({ timeOf: throwingTime }),
      values: NUMBERS,
      message: /^no time today$/,
    }),
  },
  {
    exported: 'denormalize',
    variant: 'pinned rows',
    create: () => denormalize() as AnyOperator,
    values: DETAILS,
    odd: ODD_DETAILS,
    needed: 1,
    failing: () => ({
      operator: denormalize() as AnyOperator,
      values: [5],
      message: /^denormalize without a statistic requires the rows that detail: true makes, got 5$/,
    }),
  },
  ofNumbers('drift', 'a detector that always finds something', 1, () => drift({ kind: 'always', create: always })),
  ...[{ maxKeys: 1 }, { idle: '1h' as const }].map((options) => ({
    ...ofNumbers('perKey', Object.keys(options)[0], 1, () =>
      perKey<unknown, unknown>(
        (x) => Number(x) > 3,
        () => map((x) => 2 * Number(x)),
        options,
      ),
    ),
    failing: () => ({
      operator: perKey<unknown, unknown>(throwingTime, () => map((x) => x)),
      values: NUMBERS,
      message: /^no time today$/,
    }),
  })),
  ofNumbers('denormalize', 'frozen', 1, () => denormalize(frozen({ mean: [1], std: [2] }))),
  ofNumbers('denormalize', 'an instance', 1, () => denormalize(new Ewma({ features: 1 }))),
  ofNumbers('denormalize', 'a BatchNorm', 1, () => denormalize(new BatchNorm({ features: 1 }))),
  ofNumbers('denormalize', 'an Observable', 1, () => denormalize(of({ mean: [1], std: [2] }))),
  {
    ...ofNumbers('denormalize', 'impossible numbers', 1, () => denormalize(frozen({ mean: [1], std: [2] }))),
    failing: () => ({
      operator: denormalize<unknown>(of({ mean: [1], variance: [-1] })),
      values: NUMBERS,
      message: /^frozen requires finite variances >= 0, got -1$/,
    }),
  },
  {
    exported: 'batchStats',
    variant: '',
    create: () => batchStats() as AnyOperator,
    values: BATCHES,
    odd: ODD_BATCHES,
    needed: 1,
    failing: () => ({
      operator: batchStats({ features: ['a'] }) as AnyOperator,
      values: BATCHES,
      message: /^batchStats has no feature 'a'/,
    }),
  },
  {
    exported: 'movingStats',
    variant: '',
    create: () => movingStats({ alpha: 0.5 }) as AnyOperator,
    values: NUMBERS.map((x) => stats(x)),
    odd: [
      stats(Number.NaN),
      stats(null),
      stats(1, Number.NaN),
      stats(Number.POSITIVE_INFINITY),
      stats(1, null),
      stats(1, -1),
    ],
    needed: 1,
    failing: () => ({
      operator: movingStats() as AnyOperator,
      values: [stats(1), { count: 3, mean: [1, 2], variance: [1, 1] }],
      message: /^movingStats requires batches of 1 features, got 2$/,
    }),
  },
];

function batchOf(values: readonly number[]): unknown {
  return collected(
    from(values).pipe(
      batchBy({ size: values.length }),
      map((batch) => batch),
    ),
  )[0];
}
