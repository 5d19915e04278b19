import fc from 'fast-check';
import { of } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { MinMax, minMax } from '../../src/core/min-max.ts';
import { Standardizer } from '../../src/core/standardizer.ts';
import { StreamnormError } from '../../src/errors.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { doubleOfAnyExponent, readingOrNot } from '../support/arbitrary.ts';
import { collected } from '../support/collected.ts';

test('MinMax tells the least and the greatest value after each sample', () => {
  const statistic = new MinMax({ features: 1 });
  const steps = [3, 1, 2, 5].map((x) => {
    statistic.update([x]);
    return [statistic.min[0], statistic.max[0], statistic.mean[0], Math.sqrt(statistic.variance[0])];
  });
  expect(steps).toEqual([
    [3, 3, 3, 0],
    [1, 3, 1, 2],
    [1, 3, 1, 2],
    [1, 5, 1, 4],
  ]);
});

test('normalize(minMax()) is 0 at the minimum, 1 at the maximum, and beyond where a sample is', () => {
  expect(collected(of(0, 10, 5, 20, 20, 0).pipe(normalize(minMax(), { eps: 0 })))).toEqual([
    Number.NaN,
    Number.NaN,
    0.5,
    2,
    1,
    0,
  ]);
});

test('learned first, z lies in [0, 1] for numbers of any exponent', () => {
  fc.assert(
    fc.property(fc.array(doubleOfAnyExponent(-400, 479), { minLength: 2 }), (values) => {
      const standardizer = new Standardizer('test', new MinMax({ features: 1 }), { eps: 0, order: 'learn-then-score' });
      const z = new Float64Array(1);
      values.forEach((x, i) => {
        standardizer.step(Float64Array.of(x), z, 0);
        if (i === 0) return;
        expect(z[0]).toBeGreaterThanOrEqual(0);
        expect(z[0]).toBeLessThanOrEqual(1);
      });
    }),
  );
});

test('unusable values are skipped, each feature on its own', () => {
  const statistic = new MinMax({ features: 2 });
  const rows = [
    [1, 5],
    [Number.NaN, 6],
    [null, 7],
    [1e300, 8],
    [Number.NEGATIVE_INFINITY, 9],
  ] as number[][];
  for (const row of rows) statistic.update(row);
  expect([[...statistic.count], [...statistic.min], [...statistic.max]]).toEqual([
    [1, 5],
    [1, 5],
    [1, 9],
  ]);
  const before = JSON.stringify(statistic.state());
  statistic.update([Number.NaN, Number.NaN]);
  expect(JSON.stringify(statistic.state())).toBe(before);
});

test('merging parts in any order gives the whole, exactly', () => {
  fc.assert(
    fc.property(fc.array(fc.array(readingOrNot, { maxLength: 20 }), { minLength: 1, maxLength: 6 }), (parts) => {
      const merged = parts.map(learned).reduceRight((sum, part) => {
        sum.merge(part);
        return sum;
      }, learned([]));
      expect(merged.state()).toEqual(learned(parts.flat()).state());
    }),
  );
});

test('merging another number of features throws and names both', () => {
  expect(() => learned([1]).merge(new MinMax({ features: 2 }))).toThrow('MinMax.merge requires 1 features, got 2');
});

describe('state', () => {
  test('restored, it is the same', () => {
    const statistic = new MinMax({ features: 2 });
    statistic.update([0.1, Number.NaN]);
    statistic.update([-7e100, Number.NaN]);
    const restored = MinMax.from(JSON.parse(JSON.stringify(statistic.state())));
    expect(restored).toEqual(statistic);
    expect(restored.min[1]).toBe(Number.POSITIVE_INFINITY);
  });

  const good = learned([1, 3]).state();
  test.each<[string, object, RegExp]>([
    ['a minimum above the maximum', { min: [4] }, /max must be >= min, found 3 < 4/],
    ['null where there are values', { min: [null] }, /min must be an array of 1 usable numbers/],
    ['a number where there are none', { count: [0] }, /min must be .* null where the count is 0/],
    ['a negative count', { count: [-1] }, /count must be >= 0/],
    ['an infinite maximum', { max: [Number.POSITIVE_INFINITY] }, /max must be/],
  ])('%s is refused', (_, bad, message) => {
    expect(() => MinMax.from({ ...good, ...bad })).toThrow(StreamnormError);
    expect(() => MinMax.from({ ...good, ...bad })).toThrow(message);
  });
});

// regression: JSON has no -0, so a restored statistic differed in the sign of its zeros
test('-0 is 0', () => {
  const statistic = learned([-0, -0]);
  expect(statistic.mean[0]).toBe(0);
  expect(MinMax.from(JSON.parse(JSON.stringify(statistic.state()))).mean[0]).toBe(0);
});

function learned(values: readonly number[]): MinMax {
  const statistic = new MinMax({ features: 1 });
  for (const x of values) statistic.update([x]);
  return statistic;
}
