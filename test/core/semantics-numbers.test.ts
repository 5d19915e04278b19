import { firstValueFrom, from, of, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative, cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { batchBy } from '../../src/operators/batch-by.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { batchStats } from '../../src/operators/batch-stats.ts';
import { movingStats } from '../../src/operators/moving-stats.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { expectClose } from '../support/close.ts';

// eps 1e-5, no weight and bias; everything within 1e-12
const B1 = [
  [1, 10, 5],
  [2, 20, 5],
  [3, 30, 5],
  [6, 60, 5],
];
const B2 = [
  [4, -1, 5],
  [4, 0, 5],
  [5, 1, 5],
  [7, 8, 5],
];
const B3 = [
  [0, 1, 5],
  [2, 3, 5],
];

describe('batch normalization of B1, B2, B3', () => {
  const alpha = learned({ alpha: 0.1 });
  const retain = learned({ retain: 0.9 });
  const confused = learned({ alpha: 0.9 });
  const everything = learned({ cumulative: true });

  test('batch output of B1, feature 0', async () => {
    const expected = [-1.0690434404458737, -0.5345217202229369, 0, 1.6035651606688102];
    const bn = new BatchNorm({ features: 3, alpha: 0.1 });
    expectClose(
      bn.train(B1).map(([z]) => z),
      expected,
    );
    const streamed = await firstValueFrom(from(B1).pipe(batchNorm({ size: 4 }), toArray()));
    expectClose(
      streamed.map(([z]) => z),
      expected,
    );
  });

  test('alpha 0.1 after B1, B2, B3: running mean and variance, and the number of batches', () => {
    expectClose(alpha.runningMean, [0.793, 2.81, 1.355]);
    expectClose(alpha.runningVar, [1.487, 40.229, 0.729]);
    expect(alpha.batches).toBe(3);
  });

  test('then [3, 3, 5] with the running statistics', () => {
    expectClose(alpha.transform([[3, 3, 5]]), [[1.8098616955721079, 0.029956007345046443, 4.2690455611798415]]);
  });

  test('retain 0.9 is the same as alpha 0.1', () => {
    expectClose(retain.runningMean, alpha.runningMean);
    expectClose(retain.runningVar, alpha.runningVar);
  });

  test('0.9 read as alpha gives other means: mixing up the two rates is not silent', () => {
    expectClose(confused.runningMean, [1.377, 2.25, 4.995]);
  });

  test('cumulative, as PyTorch with momentum None', () => {
    expectClose(everything.runningMean, [3, 11.333333333333334, 5]);
    expectClose(everything.runningVar, [2.8888888888888893, 161.7777777777778, 0]);
  });

  function learned(rate: object): BatchNorm {
    const bn = new BatchNorm({ features: 3, ...rate });
    for (const batch of [B1, B2, B3]) bn.learn(batch);
    return bn;
  }
});

test('debias on [2, 4, 6] then [3, 5, 10]', async () => {
  const debiased = of(2, 4, 6, 3, 5, 10).pipe(
    batchBy({ size: 3 }),
    batchStats(),
    movingStats({ alpha: 0.1, debias: true }),
    toArray(),
  );
  const steps = await firstValueFrom(debiased);
  expectClose(
    steps.map(({ mean, variance }) => [mean[0], variance[0]]),
    [
      [4, 4],
      [5.052631578947368, 8.736842105263158],
    ],
  );
});

describe('ewma, eps 0, half-life 4 s, t = 0, 2, 9, 16 s, x = 0, 1, 2, 4', () => {
  const samples = [
    { t: 0, x: 0 },
    { t: 2, x: 1 },
    { t: 9, x: 2 },
    { t: 16, x: 4 },
  ];

  test.each(permutations(samples).map((order) => [order.map(({ t }) => t).join(' '), order] as const))(
    'arriving in the order %s',
    (_, order) => expectNumbers(shard(order)),
  );

  test.each([
    ['0 9 | 2 16', [0, 2], [1, 3]],
    ['16 | 0 2 9', [3], [0, 1, 2]],
    ['nothing | 0 2 9 16', [], [0, 1, 2, 3]],
  ])('as two merged shards %s', (_, left, right) => {
    const one = shard(left.map((i) => samples[i]));
    const other = shard(right.map((i) => samples[i]));
    one.merge(other);
    expectNumbers(one);
  });

  function shard(order: { t: number; x: number }[]): Ewma {
    const ewma = new Ewma({ features: 1, halfLife: '4s' });
    for (const { t, x } of order) ewma.update([x], t * 1000);
    return ewma;
  }

  function expectNumbers(ewma: Ewma): void {
    expectClose(ewma.mean, [3.2336858398518333]);
    expectClose(ewma.variance, [1.473750450249747]);
    expectClose(ewma.nEff(0), 1.9064095183849061);
  }
});

test('score-then-learn on 1, 2, 3, 4, 10 with biased variance and eps 0', async () => {
  const z = await firstValueFrom(of(1, 2, 3, 4, 10).pipe(normalize(cumulative(), { eps: 0 }), toArray()));
  expectClose(z, [Number.NaN, Number.NaN, 3, 2.449489742783178, 6.7082039324993685]);
});

test('learn-then-score caps the same spike at 1.90', async () => {
  const options = { eps: 0, order: 'learn-then-score' } as const;
  const z = await firstValueFrom(of(1, 2, 3, 4, 10).pipe(normalize(cumulative(), options), toArray()));
  expect(z[4]).toBeCloseTo(1.9, 2);
});

test('merging {1, 2, 3} and {10}: unbiased variance', () => {
  const one = new Cumulative({ features: 1 });
  const other = new Cumulative({ features: 1 });
  for (const x of [1, 2, 3]) one.update([x]);
  other.update([10]);
  one.merge(other);
  expectClose(one.unbiasedVariance(0), 16.666666666666668);
});

test('the ramp 0…99 in windows of 10: the variance within is 9.17, so z of 99 is far too large', () => {
  const ramp = Array.from({ length: 100 }, (_, i) => i);
  const within = new BatchNorm({ features: 1, cumulative: true });
  const stream = new Cumulative({ features: 1 });
  for (let from = 0; from < 100; from += 10) within.learn(ramp.slice(from, from + 10));
  for (const x of ramp) stream.update([x]);
  expect(within.runningVar[0]).toBeCloseTo(9.17, 2);
  expect(stream.unbiasedVariance(0)).toBeCloseTo(841.7, 1);
  expect(within.transform([99])[0]).toBeCloseTo(16.3, 1);
  expect((99 - stream.mean[0]) / Math.sqrt(stream.variance[0])).toBeCloseTo(1.7, 1);
});

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}
