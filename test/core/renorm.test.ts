import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchNorm, type BatchNormOptions } from '../../src/core/batch-norm.ts';
import { FLAG, flagNames } from '../../src/core/flags.ts';
import { reading } from '../support/arbitrary.ts';
import { rowsOf } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';

const NONE = { rMax: Number.POSITIVE_INFINITY, dMax: Number.POSITIVE_INFINITY };
const exact = { features: 1, alpha: 0.5, eps: 0 } as const;

test('renorm corrects scale and centre of a batch by the moving statistics before it', () => {
  const bn = new BatchNorm({ ...exact, alpha: 1, renorm: { rMax: 10, dMax: 10 } });
  expect(bn.train([0, 4])).toEqual([-1, 1]); // moving after it: mean 2, variance 8
  expectClose(bn.train([3, 5]), [1 / Math.sqrt(8), 3 / Math.sqrt(8)]);
});

test('r = 1, d = 0 is batch normalization', () => {
  const plain = new BatchNorm(exact);
  const bound = new BatchNorm({ ...exact, renorm: { rMax: 1, dMax: 0 } });
  for (const batch of [[1, 3], [2, 9, -4], [7]]) expect(bound.train(batch)).toEqual(plain.train(batch));
  expect(bound.runningVar).toEqual(plain.runningVar);
});

test('r stays within [1/rMax, rMax], d within ±dMax', () => {
  const bn = new BatchNorm({ ...exact, alpha: 1, renorm: { rMax: 2, dMax: 3 } });
  bn.train([-1, 1]); // variance 2
  expectClose(bn.train([99, 101]), [3 - 1 / Math.SQRT2, 3 + 1 / Math.SQRT2]);
  expectClose(bn.train([-900, 900]), [-2 - 3, 2 - 3]);
  expectClose(bn.train([-0.001, 0.001]), [-0.5, 0.5]);
});

test('the bounds are 3 and 5 where none is given', () => {
  expect(new BatchNorm({ ...exact, renorm: {} }).renorm).toEqual({ rMax: 3, dMax: 5 });
});

describe('where there is nothing to correct by it is batch normalization', () => {
  test('before the first batch, feature by feature', () => {
    const bn = new BatchNorm({ ...exact, features: 2, renorm: NONE });
    const missing = Number.NaN;
    const [first] = bn.train([
      [100, missing],
      [102, missing],
    ] as number[][]);
    expect(first[0]).toBe(-1);
    const second = bn.train([
      [100, 50],
      [102, 52],
    ]);
    expect(second.map(([, b]) => b)).toEqual([-1, 1]);
    expect(second[0][0]).not.toBe(-1);
  });

  test('while only batches of one have moved the mean', () => {
    const bn = new BatchNorm({ ...exact, renorm: NONE });
    bn.train([8]);
    expect(bn.train([1, 3])).toEqual([-1, 1]);
  });

  test('where the moving statistics have no spread', () => {
    const bn = new BatchNorm({ ...exact, cumulative: true, alpha: undefined, renorm: NONE } as BatchNormOptions);
    bn.train([5, 5]);
    expect(bn.train([4, 6])).toEqual([-1, 1]);
  });
});

test('a batch of one, and one without spread, come out as d: what the moving statistics say of them', () => {
  const bn = new BatchNorm({ ...exact, alpha: 1, renorm: NONE }).freeze();
  const model = BatchNorm.from({ ...bn.state(), runningMean: [10], runningVar: [4], batches: 3, frozen: false });
  const batch = rowsOf([[14]]);
  const out = new Float64Array(1);
  const flags = new Uint8Array(1);
  model.trainInto(batch, out, flags);
  expect([out[0], flagNames(flags[0])]).toEqual([2, ['single']]);
  const again = BatchNorm.from({ ...bn.state(), runningMean: [10], runningVar: [4], batches: 3, frozen: false });
  expect(again.train([8, 8, 8])).toEqual([-1, -1, -1]);
});

test('clip cuts after the correction; weight and bias follow', () => {
  const bn = new BatchNorm({ ...exact, alpha: 1, renorm: NONE, clip: 2, weight: [10], bias: [1] });
  bn.train([-1, 1]);
  const flags = new Uint8Array(2);
  const out = new Float64Array(2);
  bn.trainInto(rowsOf([[0], [50]]), out, flags);
  expect(out[1]).toBe(21);
  expect(flags[1]).toBe(FLAG.clipped);
});

test('renorm is in the state, null for no bound, and comes back', () => {
  const bn = new BatchNorm({ ...exact, renorm: { rMax: 2, dMax: Number.POSITIVE_INFINITY } });
  bn.train([1, 3]);
  const restored = BatchNorm.from(JSON.parse(JSON.stringify(bn.state())));
  expect(bn.state().renorm).toEqual({ rMax: 2, dMax: null });
  expect(restored.renorm).toEqual(bn.renorm);
  expect(restored.train([5, 9])).toEqual(bn.train([5, 9]));
  for (const renorm of [{}, { rMax: 0.5, dMax: 1 }, { rMax: 1, dMax: -1 }, 'x', 5, { rMax: '2', dMax: 1 }]) {
    expect(() => BatchNorm.from({ ...bn.state(), renorm }), JSON.stringify(renorm)).toThrow(/renorm must have rMax/);
  }
});

const batches = fc.array(fc.array(reading, { minLength: 2, maxLength: 6 }), { minLength: 1, maxLength: 6 });
const rates = fc.constantFrom({ alpha: 0.1 }, { alpha: 0.7 }, { cumulative: true }, { alpha: 0.1, debias: true });

test('without bounds, train says what transform said before the batch', () => {
  fc.assert(
    fc.property(batches, rates, (list, rate) => {
      const bn = new BatchNorm({ features: 1, ...rate, renorm: NONE, eps: 1e-3 });
      bn.train([0, 1e6]);
      for (const batch of list) {
        const before = bn.transform(batch);
        expectClose(bn.train(batch), before, 1e-9);
      }
    }),
  );
});

test('every output is what the naive formula says', () => {
  const bounds = fc.record({
    rMax: fc.constantFrom(1, 1.5, 3, Number.POSITIVE_INFINITY),
    dMax: fc.constantFrom(0, 0.5, 5, Number.POSITIVE_INFINITY),
  });
  fc.assert(
    fc.property(batches, bounds, fc.double({ min: 0.05, max: 1, noNaN: true }), (list, renorm, alpha) => {
      const bn = new BatchNorm({ features: 1, alpha, renorm, eps: 1e-3 });
      let [mu, sigma2, known] = [0, 1, false];
      for (const batch of list) {
        const n = batch.length;
        const mean = batch.reduce((sum, x) => sum + x, 0) / n;
        const m2 = batch.reduce((sum, x) => sum + (x - mean) ** 2, 0);
        const [std, sigma] = [Math.sqrt(m2 / n + 1e-3), Math.sqrt(sigma2 + 1e-3)];
        const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
        const r = known ? clip(std / sigma, 1 / renorm.rMax, renorm.rMax) : 1;
        const d = known ? clip((mean - mu) / sigma, -renorm.dMax, renorm.dMax) : 0;
        const constant = batch.every((x) => x === batch[0]);
        // no spread here and there is decided by rounding noise, which this cannot know
        fc.pre(constant || Math.sqrt(m2 / n) > 1e-6 * Math.max(1, Math.abs(mean)));
        expectClose(
          bn.train(batch),
          batch.map((x) => (constant ? d : ((x - mean) / std) * r + d)),
          1e-9,
        );
        [mu, sigma2, known] = [(1 - alpha) * mu + alpha * mean, (1 - alpha) * sigma2 + (alpha * m2) / (n - 1), true];
        fc.pre(Math.sqrt(sigma2) > 1e-6 * Math.max(1, Math.abs(mu)));
      }
    }),
  );
});
