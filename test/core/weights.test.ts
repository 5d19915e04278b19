import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { Frozen } from '../../src/core/frozen.ts';
import { isWeight } from '../../src/core/usable.ts';
import { reading } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';

const sample = fc.record({
  x: reading,
  time: fc.integer({ min: 0, max: 30_000 }),
  weight: fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
});
type Weighted = { x: number; weight: number };

test('a sample of weight 3 counts as three of it, in mean and variance', () => {
  const weighted = new Cumulative({ features: 1 });
  const repeated = new Cumulative({ features: 1 });
  for (const [x, weight] of [
    [1, 3],
    [5, 1],
    [2, 2],
  ]) {
    weighted.update([x], undefined, weight);
    for (let i = 0; i < weight; i++) repeated.update([x]);
  }
  expectClose([weighted.mean[0], weighted.variance[0]], [repeated.mean[0], repeated.variance[0]]);
  expect([weighted.count[0], weighted.version]).toEqual([3, 3]);
  expectClose(weighted.nEff(0), 36 / 14);
  expectClose(weighted.unbiasedVariance(0), (weighted.variance[0] * 6) / (6 - 14 / 6));
});

test('Cumulative agrees with the weighted formulas', () => {
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 40 }), (samples) => {
      const statistic = new Cumulative({ features: 1 });
      for (const { x, weight } of samples) statistic.update([x], undefined, weight);
      expectNaive(statistic, samples);
    }),
  );
});

test('Ewma by time agrees with weights that have decayed, in any order of arrival', () => {
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 40 }), (samples) => {
      const statistic = new Ewma({ features: 1, halfLife: '10s' });
      for (const { x, time, weight } of samples) statistic.update([x], time, weight);
      const newest = Math.max(...samples.map(({ time }) => time));
      expectNaive(
        statistic,
        samples.map(({ x, time, weight }) => ({ x, weight: weight * 2 ** ((time - newest) / 10_000) })),
      );
    }),
  );
});

test('Ewma by count agrees with weights that have decayed by the samples since', () => {
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 40 }), (samples) => {
      const statistic = new Ewma({ features: 1, alpha: 0.2 });
      for (const { x, weight } of samples) statistic.update([x], undefined, weight);
      expectNaive(
        statistic,
        samples.map(({ x, weight }, i) => ({ x, weight: weight * 0.8 ** (samples.length - 1 - i) })),
      );
    }),
  );
});

const STATISTICS = [
  ['Cumulative', () => new Cumulative({ features: 2 }), Cumulative.from],
  ['Ewma by count', () => new Ewma({ features: 2, alpha: 0.3 }), Ewma.from],
  ['Ewma by time', () => new Ewma({ features: 2, halfLife: '1s' }), Ewma.from],
] as const;

describe.each(STATISTICS)('%s', (_, make, from) => {
  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 300, 2 ** -300, '2', null])(
    'weight %s is not learned, and moves nothing',
    (weight) => {
      const statistic = make();
      for (const x of [1, 2, 4]) statistic.update([x, -x], 100 * x);
      const before = JSON.stringify(statistic.state());
      statistic.update([9, 9], 900, weight as number);
      expect([JSON.stringify(statistic.state()), statistic.version]).toEqual([before, 3]);
    },
  );

  test('weight 1 is the same as none, bit by bit', () => {
    const [plain, weighted] = [make(), make()];
    for (const x of [0.1, 0.7, -3]) {
      plain.update([x, 1 / x], 100 * x);
      weighted.update([x, 1 / x], 100 * x, 1);
    }
    expect(weighted.state()).toEqual(plain.state());
  });

  test('restored with weights, goes on bit by bit', () => {
    const statistic = make();
    for (const [x, weight] of [
      [1, 0.5],
      [7, 1],
      [2, 1e4],
    ])
      statistic.update([x, Number.NaN], 50 * x, weight);
    const restored = from(JSON.parse(JSON.stringify(statistic.state())));
    expect(restored.state()).toEqual(statistic.state());
    for (const one of [statistic, restored]) for (const x of [3, 8]) one.update([x, x], 400 + x, x / 7);
    expect(restored.state()).toEqual(statistic.state());
    expect([...restored.variance]).toEqual([...statistic.variance]);
  });

  test('the largest weights and magnitudes together overflow nothing', () => {
    const statistic = make();
    for (const [x, weight] of [
      [2 ** 480, 1],
      [-(2 ** 480), 1],
      [3, 2 ** 256],
      [2 ** 352, 2 ** 256],
      [0, 2 ** -256],
    ]) {
      statistic.update([x, -x], 5, weight);
    }
    for (let i = 0; i < 100; i++) statistic.update([i % 2 === 0 ? 2 ** 352 : -(2 ** 352), 1], 5, 2 ** 256);
    const merged = make();
    if (!('alpha' in ((statistic as Ewma).rate ?? {}))) merged.merge(statistic as never);
    for (const { mean, variance } of [statistic, merged])
      expect([...mean, ...variance].every(Number.isFinite)).toBe(true);
    expect(statistic.nEff(0)).toBeGreaterThan(1);
  });

  test('the second of two tiny weights counts as much as the first', () => {
    const statistic = make();
    for (const x of [1, 3]) statistic.update([x, x], 0, 2 ** -256);
    expect(statistic.variance[0]).toBeGreaterThan(0.9);
    expect(statistic.nEff(0)).toBeGreaterThan(1.9);
  });
});

test('what takes weights says so', () => {
  expect(new Frozen({ mean: [0], std: [1] }).weighted).toBe(true);
  for (const [, make] of STATISTICS) expect(make().weighted).toBe(true);
  expect([0, 1, 2 ** -256, 2 ** 256].map(isWeight)).toEqual([true, true, true, true]);
});

function expectNaive(statistic: Cumulative | Ewma, samples: readonly Weighted[]): void {
  const total = samples.reduce((sum, { weight }) => sum + weight, 0);
  const mean = samples.reduce((sum, { x, weight }) => sum + (weight / total) * x, 0);
  const variance = samples.reduce((sum, { x, weight }) => sum + (weight / total) * (x - mean) ** 2, 0);
  const squares = samples.reduce((sum, { weight }) => sum + weight ** 2, 0);
  expectClose([statistic.mean[0] / 1e6, statistic.variance[0] / 1e12], [mean / 1e6, variance / 1e12], 1e-9);
  expectClose(statistic.nEff(0), total ** 2 / squares, 1e-9);
  const freedom = total - squares / total;
  if (freedom > 1e-6 * total) {
    expectClose(statistic.unbiasedVariance(0) / 1e12, (variance * total) / freedom / 1e12, 1e-6);
  }
}
