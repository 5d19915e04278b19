import { expect, test } from 'vitest';
import { exactMean, exactVariance, rounded, ulpDistance } from '../support/exact.ts';
import { STRD_CASES, strdValues } from '../support/strd.ts';

// The oracle of the other tests must not be wrong together with the code: Python's fractions made these numbers.
test.each(STRD_CASES.map((strd) => [strd.name, strd] as const))('the exact oracle agrees with %s', (_, strd) => {
  const values = strdValues(strd.data);
  expect(rounded(exactMean(values))).toBe(strd.mean);
  expect(rounded(exactVariance(values))).toBe(strd.biasedVariance);
  expect(rounded(exactVariance(values, 1))).toBe(strd.unbiasedVariance);
});

test.each([
  ['a third', 1n, 3n, 1 / 3],
  ['a negative fraction', -2n, 3n, -2 / 3],
  ['a tie goes to the even neighbour below', 2n ** 53n + 1n, 1n, 2 ** 53],
  ['a tie goes to the even neighbour above', 2n ** 53n + 3n, 1n, 2 ** 53 + 4],
  ['a large integer', 2n ** 1000n + 1n, 1n, 2 ** 1000],
  ['the smallest float64', 1n, 2n ** 1074n, Number.MIN_VALUE],
  ['half of the smallest', 1n, 2n ** 1075n, 0],
  ['one and a half of the smallest', 3n, 2n ** 1075n, 2 * Number.MIN_VALUE],
])('rounding once: %s', (_, numerator, denominator, expected) => {
  expect(rounded({ numerator, denominator })).toBe(expected);
});

test('ulpDistance counts the float64 between two numbers', () => {
  expect(ulpDistance(1, 1 + Number.EPSILON)).toBe(1);
  expect(ulpDistance(-Number.MIN_VALUE, Number.MIN_VALUE)).toBe(2);
  expect(ulpDistance(0, -0)).toBe(0);
  expect(ulpDistance(1, Number.NaN)).toBe(Number.POSITIVE_INFINITY);
});
