import fc from 'fast-check';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { Frozen } from '../../src/core/frozen.ts';
import type { AnyState } from '../../src/exchange/any-state.ts';
import { doubleOfAnyExponent } from '../support/arbitrary.ts';

export const ROWS = [
  [1, 10, 5],
  [2, 20, 5.5],
  [3, 30, 4],
  [6, 60, 7],
  [-1, 0.25, 6],
];

export const NAMES = ['x1', 'x2', 'x3'];

/** One state of each kind that has learned ROWS. */
export function learned(): Record<'batchNorm' | 'cumulative' | 'ewma' | 'frozen', AnyState> {
  const batchNorm = new BatchNorm({ features: NAMES, alpha: 0.3, weight: [2, -1, 0.5], bias: [0, 1, -0.25] });
  batchNorm.learn(ROWS.slice(0, 3));
  batchNorm.learn(ROWS.slice(3));
  const cumulative = new Cumulative({ features: 3 });
  const ewma = new Ewma({ features: 3, halfLife: '2s' });
  ROWS.forEach((row, i) => {
    cumulative.update(row);
    ewma.update(row, i * 500);
  });
  const frozen = new Frozen({ mean: [1, 2, 3], variance: [4, 0.25, 9] });
  return { batchNorm: batchNorm.state(), cumulative: cumulative.state(), ewma: ewma.state(), frozen: frozen.state() };
}

const mean = fc.oneof(doubleOfAnyExponent(-200, 200), fc.constantFrom(0, -0));
const variance = fc.oneof(doubleOfAnyExponent(-200, 200).map(Math.abs), fc.constantFrom(0, 1));
const count = fc.integer({ min: 0, max: 2 ** 40 });
const name = fc
  .oneof(fc.string(), fc.constantFrom('constructor', 'a"b', 'ä\u2028', '\ud800'))
  .filter((n) => n !== '__proto__');

function list<T>(of: fc.Arbitrary<T>, width: number): fc.Arbitrary<T[]> {
  return fc.array(of, { minLength: width, maxLength: width });
}

const width = fc.integer({ min: 1, max: 5 });

/** Any state that a BatchNorm can have. */
export const anyBatchNorm: fc.Arbitrary<AnyState> = width.chain((w) =>
  fc
    .record(
      {
        format: fc.constant('streamnorm.batchnorm/1' as const),
        features: fc.oneof(fc.constant(w), fc.uniqueArray(name, { minLength: w, maxLength: w })),
        rate: fc.oneof(
          fc.double({ min: 0, minExcluded: true, max: 1, noNaN: true }).map((alpha) => ({ alpha })),
          fc.constant({ cumulative: true as const }),
        ),
        eps: variance,
        runningMean: list(mean, w),
        runningVar: list(variance, w),
        batches: count,
        samples: count,
        weight: fc.option(list(mean, w)),
        bias: fc.option(list(mean, w)),
        clip: variance.filter((c) => c > 0),
        single: fc.constant('error' as const),
        debias: fc.constant(true as const),
        frozen: fc.constant(true as const),
        varianceBatches: list(count, w),
      },
      {
        requiredKeys: [
          'format',
          'features',
          'rate',
          'eps',
          'runningMean',
          'runningVar',
          'batches',
          'samples',
          'weight',
          'bias',
        ],
      },
    )
    .map(({ rate, ...state }) => BatchNorm.from({ ...state, ...rate }).state()),
);

/** Any state that a Cumulative can have. */
export const anyCumulative: fc.Arbitrary<AnyState> = width.chain((w) =>
  fc
    .record({
      columns: list(
        fc.oneof(
          fc.record({ mean, m2: variance, count: count.filter((n) => n > 0) }),
          fc.constant({ mean: 0, m2: 0, count: 0 }),
        ),
        w,
      ),
      version: count,
    })
    .map(({ columns, version }) => ({
      format: 'streamnorm.cumulative/1' as const,
      features: w,
      version,
      count: columns.map((column) => column.count),
      mean: columns.map((column) => column.mean),
      m2: columns.map((column) => column.m2),
    })),
);

export const anyFrozen: fc.Arbitrary<AnyState> = width.chain((w) =>
  fc.record({
    format: fc.constant('streamnorm.frozen/1' as const),
    features: fc.constant(w),
    mean: list(mean, w),
    variance: list(variance, w),
  }),
);

export const anyEwma: fc.Arbitrary<AnyState> = fc
  .array(fc.tuple(list(fc.oneof(mean, fc.constant(Number.NaN)), 2), fc.integer({ min: 0, max: 1e6 })), { maxLength: 8 })
  .map((rows) => {
    const ewma = new Ewma({ features: 2, halfLife: '3s' });
    for (const [row, time] of rows) ewma.update(row, time);
    return ewma.state();
  });
