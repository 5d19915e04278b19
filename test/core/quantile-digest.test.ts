import fc from 'fast-check';
import { expect, test } from 'vitest';
import { QuantileDigest } from '../../src/core/quantile-digest.ts';
import { doubleOfAnyExponent, reading } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';

const PARTS = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1];

test('quantiles of nothing are NaN, of one value that value', () => {
  expect(digestOf([]).quantiles(PARTS)).toEqual(PARTS.map(() => Number.NaN));
  expect(digestOf([7]).quantiles(PARTS)).toEqual(PARTS.map(() => 7));
});

test('up to 256 values quantiles are exact, in any order of arrival', () => {
  const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 256 });
  fc.assert(fc.property(values, (list) => expectClose(digestOf(list).quantiles(PARTS), exactQuantiles(list), 1e-9)));
});

test.each<[string, fc.Arbitrary<number>, number]>([
  ['2 %, for numbers spread evenly', fc.integer({ min: -1_000_000, max: 1_000_000 }), 0.02],
  ['2 %, for few different values', fc.integer({ min: 0, max: 9 }), 0.02],
  [
    '5 %, for numbers of any exponent and equal ones',
    fc.oneof(doubleOfAnyExponent(), reading, fc.nat({ max: 4 })),
    0.05,
  ],
])('past that, the rank is off by at most %s, in bounded memory', (_, value, most) => {
  const lists = fc.array(value, { minLength: 257, maxLength: 2000, size: 'max' });
  fc.assert(
    fc.property(lists, (list) => {
      const digest = digestOf(list);
      const worst = Math.max(...digest.quantiles(PARTS).map((x, i) => rankError(list, x, PARTS[i])));
      expect(worst).toBeLessThanOrEqual(most);
      expect(digest.state().mean.length).toBeLessThanOrEqual(320);
    }),
    // to shrink thousands of numbers takes minutes
    { numRuns: 40, endOnFailure: true },
  );
});

test('least and greatest value are kept as they are', () => {
  const digest = digestOf(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 5000));
  expect(digest.quantiles([0, 1])).toEqual([0, 4999]);
});

test('a value of weight 3 counts as three values do', () => {
  const once = new QuantileDigest();
  for (const [x, weight] of [
    [1, 1],
    [2, 3],
    [3, 1],
  ])
    once.add(x, weight);
  once.settle();
  expect(once.quantiles([0.5])).toEqual(digestOf([1, 2, 2, 2, 3]).quantiles([0.5]));
  expect([once.total, once.total2]).toEqual([5, 11]);
});

function digestOf(values: readonly number[]): QuantileDigest {
  const digest = new QuantileDigest();
  for (const x of values) {
    digest.add(x, 1);
    if (digest.due) digest.settle();
  }
  digest.settle();
  return digest;
}

function exactQuantiles(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return PARTS.map((part) => {
    const place = part * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  });
}

/** How far the part of values below x is from `part`; 0 when x lies between the neighbours that it asks for. */
function rankError(values: readonly number[], x: number, part: number): number {
  const least = values.filter((y) => y < x).length - 1;
  const most = values.filter((y) => y <= x).length;
  const place = part * (values.length - 1);
  return Math.max(0, least - place, place - most) / values.length;
}
