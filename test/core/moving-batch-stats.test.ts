import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { MovingBatchStats } from '../../src/core/moving-batch-stats.ts';
import { reading } from '../support/arbitrary.ts';
import { columnOf } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';

test('starts at mean 0, variance 1, batches 0', () => {
  const moving = new MovingBatchStats(2, { alpha: 0.1 });
  expect([[...moving.mean], [...moving.variance], moving.batches]).toEqual([[0, 0], [1, 1], 0]);
});

test('the mean moves by the mean, the variance by the unbiased variance', () => {
  const moving = after([[2, 4, 6]], { alpha: 0.5 });
  expect([moving.mean[0], moving.variance[0]]).toEqual([2, 2.5]);
});

test('cumulative weighs all batches alike, whatever the start values were', () => {
  const moving = after(
    [
      [2, 4],
      [6, 10],
      [3, 3],
    ],
    { cumulative: true },
  );
  expectClose([moving.mean[0], moving.variance[0]], [14 / 3, 10 / 3]);
});

test('one value moves the mean only; none moves nothing and is no batch', () => {
  const moving = after([[8]], { alpha: 0.5 });
  expect([moving.mean[0], moving.variance[0], moving.batches]).toEqual([4, 1, 1]);
  expect(moving.update(new BatchSummary(1).of(columnOf([Number.NaN])))).toBe(false);
  expect([moving.mean[0], moving.variance[0], moving.batches]).toEqual([4, 1, 1]);
});

test('debias is "not ready" before the first batch: NaN, never 0/0 taken for a number', () => {
  const moving = new MovingBatchStats(1, { alpha: 0.1 });
  expect([moving.debiasedMean(0), moving.debiasedVariance(0)]).toEqual([Number.NaN, Number.NaN]);
  const single = after([[8]], { alpha: 0.5 });
  expect([single.debiasedMean(0), single.debiasedVariance(0)]).toEqual([8, Number.NaN]);
});

test('debias of a cumulative rate changes nothing', () => {
  const moving = after(
    [
      [2, 4],
      [6, 10],
    ],
    { cumulative: true },
  );
  expect([moving.debiasedMean(0), moving.debiasedVariance(0)]).toEqual([moving.mean[0], moving.variance[0]]);
});

test('debiased, equal batches give their own mean and variance, however many there were', () => {
  const batch = fc.array(reading, { minLength: 2, maxLength: 10 });
  fc.assert(
    fc.property(
      batch,
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 50 }),
      (values, alpha, n) => {
        const moving = after(new Array(n).fill(values), { alpha });
        const summary = new BatchSummary(1).of(columnOf(values));
        expectClose(moving.debiasedMean(0) / 1e6, summary.mean[0] / 1e6, 1e-9);
        expectClose(moving.debiasedVariance(0) / 1e12, summary.unbiasedVariance(0) / 1e12, 1e-9);
      },
    ),
  );
});

test('debiased, batches weigh alpha·(1 - alpha)^age', () => {
  const batches = fc.array(fc.array(reading, { minLength: 2, maxLength: 5 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(batches, fc.double({ min: 0.05, max: 1, noNaN: true }), (list, alpha) => {
      const weights = list.map((_, i) => alpha * (1 - alpha) ** (list.length - 1 - i));
      const total = weights.reduce((sum, w) => sum + w, 0);
      const naive = list.reduce(
        (sum, values, i) => sum + (weights[i] / total) * new BatchSummary(1).of(columnOf(values)).mean[0],
        0,
      );
      expectClose(after(list, { alpha }).debiasedMean(0) / 1e6, naive / 1e6, 1e-9);
    }),
  );
});

test('the debiased variance of constant batches is 0 or rounding noise above it, never below', () => {
  for (let n = 1; n <= 60; n++) {
    for (const alpha of [0.01, 0.1, 0.3, 0.7]) {
      const variance = after(new Array(n).fill([5, 5]), { alpha }).debiasedVariance(0);
      expect(variance).toBeGreaterThanOrEqual(0);
      expect(variance).toBeLessThan(1e-12);
    }
  }
});

function after(
  batches: readonly (readonly number[])[],
  rate: { alpha: number } | { cumulative: true },
): MovingBatchStats {
  const moving = new MovingBatchStats(1, rate);
  const summary = new BatchSummary(1);
  for (const values of batches) moving.update(summary.of(columnOf(values)));
  return moving;
}

test('a feature that is to begin anew begins with what it is merged with', () => {
  const learned = (values: number[]) => {
    const statistics = new MovingBatchStats(1, { alpha: 0.5 });
    for (const x of values)
      statistics.update(new BatchSummary(1).of({ data: Float64Array.of(x, x + 2), rows: 2, features: 1 }));
    return statistics;
  };
  const [forgot, other] = [learned([50, 60]), learned([1, 2, 3])];
  forgot.forget(0, false);
  forgot.merge(other);
  const next = new BatchSummary(1).of({ data: Float64Array.of(7, 9), rows: 2, features: 1 });
  forgot.update(next);
  other.update(next);
  expect(forgot.mean[0]).toBeCloseTo(other.mean[0], 12);
  expect(forgot.variance[0]).toBeCloseTo(other.variance[0], 12);
});
