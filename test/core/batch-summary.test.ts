import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { doubleOfAnyExponent, illConditioned, reading, readingOrNot } from '../support/arbitrary.ts';
import { columnOf, rowsOf } from '../support/batches.ts';
import { exactMean, exactVariance, rounded, ulpDistance } from '../support/exact.ts';
import { STRD_CASES, strdValues } from '../support/strd.ts';

/** What the documentation promises. */
const MAX_ULP = 4;

test('count, mean, biased and unbiased variance, minimum and maximum of each feature', () => {
  const summary = new BatchSummary(2).of(
    rowsOf([
      [1, 10],
      [2, 30],
      [6, 20],
    ]),
  );
  expect(summary.rows).toBe(3);
  expect([...summary.count]).toEqual([3, 3]);
  expect([...summary.mean]).toEqual([3, 20]);
  expect([summary.variance(0), summary.unbiasedVariance(0)]).toEqual([14 / 3, 7]);
  expect([summary.variance(1), summary.unbiasedVariance(1)]).toEqual([200 / 3, 100]);
  expect([...summary.min, ...summary.max]).toEqual([1, 10, 6, 30]);
});

test('an empty batch has count 0 and no variance', () => {
  const summary = new BatchSummary(1).of(columnOf([]));
  expect([summary.count[0], summary.mean[0], summary.m2[0]]).toEqual([0, 0, 0]);
  expect([summary.variance(0), summary.unbiasedVariance(0)]).toEqual([Number.NaN, Number.NaN]);
  expect([summary.min[0], summary.max[0]]).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
});

test('a batch of one has biased variance 0 and no unbiased variance', () => {
  const summary = new BatchSummary(1).of(columnOf([5]));
  expect([summary.mean[0], summary.variance(0), summary.unbiasedVariance(0)]).toEqual([5, 0, Number.NaN]);
});

test('of replaces what was there before', () => {
  const summary = new BatchSummary(1).of(columnOf([1, 2, 3]));
  expect(summary.of(columnOf([7, 9])).mean[0]).toBe(8);
  expect([summary.count[0], summary.min[0], summary.max[0]]).toEqual([2, 7, 9]);
});

test('only rows × features values are read: memory behind them may hold anything', () => {
  const data = Float64Array.of(1, 2, 3, 1e9, 1e9);
  expect(new BatchSummary(1).of({ data, rows: 3, features: 1 }).mean[0]).toBe(2);
});

test.each([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['1e309 from JSON', JSON.parse('1e309')],
  ['2^480 and one ulp, whose square could overflow a sum', 2 ** 480 * (1 + Number.EPSILON)],
  ['-1e300', -1e300],
])('%s is skipped, in its own feature only', (_, value) => {
  const summary = new BatchSummary(2).of(
    rowsOf([
      [1, 10],
      [value, 20],
      [3, 60],
    ]),
  );
  expect([...summary.count]).toEqual([2, 3]);
  expect([...summary.mean]).toEqual([2, 30]);
  expect([summary.min[0], summary.max[0]]).toEqual([1, 3]);
});

test('magnitudes up to 2^480 are learned without overflow', () => {
  const largest = 2 ** 480;
  const summary = new BatchSummary(1).of(columnOf([largest, -largest, largest, -largest]));
  expect([summary.mean[0], summary.variance(0)]).toEqual([0, 2 ** 960]);
});

describe(`within ${MAX_ULP} ulp of the exact result`, () => {
  test.each(STRD_CASES.map((strd) => [strd.name, strd] as const))('%s', (_, strd) => {
    const values = strdValues(strd.data);
    expect([values.length, values.slice(0, 4), values.at(-1)]).toEqual([strd.count, strd.head.slice(0, 4), strd.last]);
    const summary = new BatchSummary(1).of(columnOf(values));
    expect([summary.min[0], summary.max[0]]).toEqual([strd.min, strd.max]);
    expect(ulpDistance(summary.mean[0], strd.mean)).toBeLessThanOrEqual(MAX_ULP);
    expect(ulpDistance(summary.variance(0), strd.biasedVariance)).toBeLessThanOrEqual(MAX_ULP);
    expect(ulpDistance(summary.unbiasedVariance(0), strd.unbiasedVariance)).toBeLessThanOrEqual(MAX_ULP);
    expectExact(values);
  });

  test('numbers of any exponent', () => {
    const column = fc.array(doubleOfAnyExponent(), { minLength: 1, maxLength: 40 });
    fc.assert(fc.property(column, expectExact), { numRuns: 500 });
  });

  test('numbers of like size', () => {
    fc.assert(fc.property(fc.array(reading, { minLength: 1, maxLength: 100 }), expectExact), { numRuns: 300 });
  });

  test('ill-conditioned columns: large offsets, neighbours a few ulp apart, sums that cancel', () => {
    fc.assert(fc.property(illConditioned, expectExact), { numRuns: 400 });
  });
});

test('equal values have variance 0 and are their own mean, however they round', () => {
  const column = fc.tuple(doubleOfAnyExponent(), fc.integer({ min: 1, max: 2000 }));
  fc.assert(
    fc.property(column, ([x, n]) => {
      const summary = new BatchSummary(1).of(columnOf(new Array<number>(n).fill(x)));
      expect([summary.mean[0], summary.variance(0)]).toEqual([x, 0]);
    }),
  );
});

test('the mean lies within the data, and the variance is never negative', () => {
  fc.assert(
    fc.property(fc.oneof(illConditioned, fc.array(doubleOfAnyExponent(), { minLength: 1 })), (values) => {
      const summary = new BatchSummary(1).of(columnOf(values));
      expect(summary.mean[0]).toBeGreaterThanOrEqual(Math.min(...values));
      expect(summary.mean[0]).toBeLessThanOrEqual(Math.max(...values));
      expect(summary.variance(0)).toBeGreaterThanOrEqual(0);
    }),
  );
});

test('features do not influence one another', () => {
  const rows = fc.array(fc.tuple(readingOrNot, readingOrNot), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(rows, (samples) => {
      const both = new BatchSummary(2).of(rowsOf(samples));
      for (const j of [0, 1]) {
        const alone = new BatchSummary(1).of(columnOf(samples.map((sample) => sample[j])));
        expect([both.count[j], both.mean[j], both.m2[j]]).toEqual([alone.count[0], alone.mean[0], alone.m2[0]]);
      }
    }),
  );
});

function expectExact(values: readonly number[]): void {
  const summary = new BatchSummary(1).of(columnOf(values));
  const mean = rounded(exactMean(values));
  const variance = rounded(exactVariance(values));
  expect(ulpDistance(summary.mean[0], mean), `mean ${summary.mean[0]}, exact ${mean}`).toBeLessThanOrEqual(MAX_ULP);
  expect(
    ulpDistance(summary.variance(0), variance),
    `variance ${summary.variance(0)}, exact ${variance}`,
  ).toBeLessThanOrEqual(MAX_ULP);
}
