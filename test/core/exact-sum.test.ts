import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exactSum } from '../../src/core/exact-sum.ts';
import { doubleOfAnyExponent } from '../support/arbitrary.ts';
import { exactMean, rounded, ulpDistance } from '../support/exact.ts';

test('exactSum loses nothing when nearly all of the sum cancels', () => {
  expect(sumOf([1e100, 1e50, 1, -1e100, -1e50])).toBe(1);
  expect(sumOf([2 ** 53, 1, 1, -(2 ** 53)])).toBe(2);
});

test('the sum of nothing is 0', () => {
  expect(sumOf([])).toBe(0);
});

test('exactSum reads one column and skips unusable values', () => {
  const data = Float64Array.of(1, 10, Number.NaN, 20, 3, Number.POSITIVE_INFINITY, 4, 30);
  expect([exactSum(data, 0, 8, 2), exactSum(data, 1, 8, 2)]).toEqual([8, 60]);
});

test('exactSum is within 1 ulp of the sum in rational numbers', () => {
  fc.assert(
    fc.property(fc.array(doubleOfAnyExponent(), { minLength: 1, maxLength: 60 }), (values) => {
      const { numerator, denominator } = exactMean(values);
      const sum = rounded({ numerator: numerator * BigInt(values.length), denominator });
      expect(ulpDistance(sumOf(values), sum)).toBeLessThanOrEqual(1);
    }),
  );
});

function sumOf(values: readonly number[]): number {
  return exactSum(Float64Array.from(values), 0, values.length, 1);
}
