import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { doubleOfAnyExponent, reading, readingOrNot } from '../support/arbitrary.ts';
import { chunksOf, columnOf } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';
import { exactMean, exactVariance, rounded } from '../support/exact.ts';

test('Cumulative tells mean and variance after each sample', () => {
  const cumulative = new Cumulative({ features: 1 });
  const steps = [2, 4, 9].map((x) => {
    cumulative.update([x]);
    return [cumulative.count[0], cumulative.mean[0], cumulative.variance[0], cumulative.unbiasedVariance(0)];
  });
  expect(steps).toEqual([
    [1, 2, 0, Number.NaN],
    [2, 3, 1, 2],
    [3, 5, 26 / 3, 13],
  ]);
});

test('a mean of exactly 0 is a value: emptiness is a count', () => {
  const cumulative = new Cumulative({ features: 1 });
  for (const x of [-1, 1, 0, 0]) cumulative.update([x]);
  expect([cumulative.count[0], cumulative.mean[0], cumulative.variance[0]]).toEqual([4, 0, 0.5]);
});

test('merging with an empty one changes nothing, and an empty one becomes the other, bit by bit', () => {
  const third = learned([0.1, 0.1, 0.1]);
  const before = JSON.stringify(third.state());
  third.merge(new Cumulative({ features: 1 }));
  expect(JSON.stringify(third.state())).toBe(before);
  const empty = new Cumulative({ features: 1 });
  empty.merge(third);
  expect(JSON.stringify(empty.state())).toBe(before);
});

test('merging another number of features throws and names both', () => {
  const merge = () => learned([1]).merge(new Cumulative({ features: 2 }));
  expect(merge).toThrow(new TypeError('Cumulative.merge requires 1 features, got 2'));
});

test('counts near 2^53 and magnitudes near 2^480 do not overflow a merge', () => {
  const shard = (mean: number) =>
    Cumulative.from({
      format: 'streamnorm.cumulative/1',
      features: 1,
      version: 1,
      count: [2 ** 52],
      mean: [mean],
      m2: [0],
    });
  const one = shard(2 ** 480);
  one.merge(shard(-(2 ** 480)));
  expect([one.mean[0], one.variance[0]]).toEqual([0, 2 ** 960]);
});

test('sample by sample agrees with the exact result of all samples', () => {
  fc.assert(
    fc.property(fc.array(reading, { minLength: 2, maxLength: 300 }), (values) => {
      const cumulative = learned(values);
      expectNear(cumulative, values);
    }),
  );
});

test('updateBatch on any chunks of the samples agrees with update on each', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(readingOrNot, { minLength: 1, maxLength: 200 }), cuts, (values, sizes) => {
      const summary = new BatchSummary(1);
      const batches = new Cumulative({ features: 1 });
      for (const chunk of chunksOf(values, sizes)) batches.updateBatch(summary.of(columnOf(chunk)));
      const samples = learned(values);
      expect(batches.count[0]).toBe(samples.count[0]);
      const scale = Math.max(1, ...values.filter((x) => Math.abs(x) <= 1e6).map(Math.abs));
      expectClose(batches.mean[0] / scale, samples.mean[0] / scale);
      expectClose(batches.variance[0] / scale ** 2, samples.variance[0] / scale ** 2);
    }),
  );
});

test('merging the parts in any tree gives the whole', () => {
  const shards = fc.array(fc.array(reading, { maxLength: 40 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(shards, fc.infiniteStream(fc.nat()), (parts, choices) => {
      const whole = parts.flat();
      const forest = parts.map(learned);
      while (forest.length > 1) {
        const [other] = forest.splice(1 + (choices.next().value % (forest.length - 1)), 1);
        forest[choices.next().value % forest.length].merge(other);
      }
      expect(forest[0].count[0]).toBe(whole.length);
      if (whole.length > 0) expectNear(forest[0], whole);
    }),
  );
});

test('the mean stays within the data and the variance is not negative, for numbers of any exponent', () => {
  fc.assert(
    fc.property(fc.array(fc.array(doubleOfAnyExponent(), { maxLength: 5 }), { minLength: 1 }), (parts) => {
      const cumulative = new Cumulative({ features: 1 });
      const seen: number[] = [];
      parts.forEach((part, i) => {
        seen.push(...part);
        if (i % 2 === 0) cumulative.merge(learned(part));
        else for (const x of part) cumulative.update([x]);
        if (seen.length === 0) return;
        expect(cumulative.mean[0]).toBeGreaterThanOrEqual(Math.min(...seen));
        expect(cumulative.mean[0]).toBeLessThanOrEqual(Math.max(...seen));
        expect(cumulative.variance[0]).toBeGreaterThanOrEqual(0);
      });
    }),
  );
});

test('a million samples around 1e9 keep the digits of the noise', () => {
  const cumulative = new Cumulative({ features: 1 });
  for (let i = 0; i < 1_000_000; i++) cumulative.update([1e9 + (i % 1000) / 1000]);
  expect(cumulative.variance[0]).toBeCloseTo((1000 ** 2 - 1) / 12 / 1000 ** 2, 6);
});

// regression: `(0.1 · 3) / 3` is not 0.1, so a constant feature had a spread after a merge
test('a merge of equal values is constant', () => {
  const one = learned([0.1]);
  one.merge(learned([0.1, 0.1, 0.1]));
  expect([one.mean[0], one.variance[0]]).toEqual([0.1, 0]);
});

function learned(values: readonly number[]): Cumulative {
  const cumulative = new Cumulative({ features: 1 });
  for (const x of values) cumulative.update([x]);
  return cumulative;
}

function expectNear(cumulative: Cumulative, values: readonly number[]): void {
  const scale = Math.max(1, ...values.map(Math.abs));
  expectClose(cumulative.mean[0] / scale, rounded(exactMean(values)) / scale);
  expectClose(cumulative.variance[0] / scale ** 2, rounded(exactVariance(values)) / scale ** 2);
}
