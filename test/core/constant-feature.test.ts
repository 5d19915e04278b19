import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { isConstantFeature } from '../../src/core/constant-feature.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { doubleOfAnyExponent } from '../support/arbitrary.ts';
import { columnOf } from '../support/batches.ts';

const { EPSILON } = Number;

test.each<[string, number, number, number, boolean]>([
  ['variance 0', 0, 5, 10, true],
  ['variance 0 around mean 0', 0, 0, 10, true],
  ['any variance around mean 0', 1e-300, 0, 10, false],
  ['a spread of n·ε·mean', (10 * EPSILON * 5) ** 2, 5, 10, true],
  ['twice that', (20 * EPSILON * 5) ** 2, 5, 10, false],
  ['a spread of 1 around 1e9 after 1e7 samples', 1, 1e9, 1e7, false],
  ['given numbers, count Infinity', 4, 10, Number.POSITIVE_INFINITY, false],
  ['NaN is not ready, not constant', Number.NaN, Number.NaN, 0, false],
])('%s', (_, variance, mean, n, constant) => expect(isConstantFeature(variance, mean, n)).toBe(constant));

test('equal values are constant, by batch and by sample', () => {
  fc.assert(
    fc.property(doubleOfAnyExponent(), fc.integer({ min: 2, max: 300 }), (x, n) => {
      const summary = new BatchSummary(1).of(columnOf(new Array<number>(n).fill(x)));
      expect(isConstantFeature(summary.variance(0), summary.mean[0], n)).toBe(true);
      const cumulative = new Cumulative({ features: 1 });
      for (let i = 0; i < n; i++) cumulative.update([x]);
      expect(isConstantFeature(cumulative.variance[0], cumulative.mean[0], n)).toBe(true);
    }),
  );
});
