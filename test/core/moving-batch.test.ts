import fc from 'fast-check';
import { of } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { MovingBatch, type MovingBatchOptions, movingBatch } from '../../src/core/moving-batch.ts';
import { Standardizer } from '../../src/core/standardizer.ts';
import { StreamnormError } from '../../src/errors.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { reading, readingOrNot } from '../support/arbitrary.ts';
import { chunksOf } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';

const RAMP = Array.from({ length: 100 }, (_, i) => i);

test('MovingBatch moves when a batch is full and stays until the next is', () => {
  const statistic = new MovingBatch({ features: 1, size: 2, alpha: 0.5, debias: true });
  const steps = [1, 3, 5, 9].map((x) => {
    statistic.update([x]);
    return [statistic.version, statistic.count[0], statistic.mean[0], statistic.variance[0]];
  });
  expectClose(steps, [
    [0, 0, 0, 0],
    [1, 2, 2, 2],
    [1, 2, 2, 2],
    [2, 4, 16 / 3, 6],
  ]);
});

test('normalize(movingBatch()) is NaN until the first batch is full', () => {
  const z = collected(of(1, 3, 5).pipe(normalize(movingBatch({ size: 2, alpha: 1 }), { eps: 0 })));
  expectClose(z, [Number.NaN, Number.NaN, 3 / Math.sqrt(2)]);
});

describe('the ramp 0…99 in batches of 10', () => {
  test('within: 9.17, and z(99) is 16.3, since it is not the variance of the stream', () => {
    const { mean, variance } = learned(RAMP, { size: 10, cumulative: true });
    expectClose([mean[0], variance[0]], [49.5, 55 / 6]);
    expectClose(zOf(99, { size: 10, cumulative: true }), 49.5 / Math.sqrt(55 / 6));
    expect(zOf(99, { size: 10, cumulative: true }).toFixed(2)).toBe('16.35');
  });

  test('total: 841.7, the unbiased variance of the hundred numbers, and z(99) is 1.71', () => {
    const { mean, variance } = learned(RAMP, { size: 10, cumulative: true, variance: 'total' });
    expectClose([mean[0], variance[0]], [49.5, 83_325 / 99]);
    expect(zOf(99, { size: 10, cumulative: true, variance: 'total' }).toFixed(2)).toBe('1.71');
  });

  test('total by alpha: the unbiased variance of all values, each weighing as its batch', () => {
    for (const alpha of [0.1, 0.5, 1]) {
      const { mean, variance, nEff } = weighted(chunksOf(RAMP, [10]), alpha);
      const statistic = learned(RAMP, { size: 10, alpha, variance: 'total' });
      expectClose([statistic.mean[0], statistic.variance[0], statistic.nEff(0)], [mean, variance, nEff], 1e-12);
    }
  });
});

test('within and without debias it has the running statistics of a BatchNorm, bit by bit', () => {
  const batches = fc.array(fc.array(fc.tuple(reading, readingOrNot), { minLength: 4, maxLength: 4 }), { maxLength: 8 });
  fc.assert(
    fc.property(batches, fc.constantFrom({ alpha: 0.1 }, { retain: 0.3 }, { cumulative: true }), (list, rate) => {
      const bn = new BatchNorm({ features: 2, ...rate });
      const statistic = new MovingBatch({ features: 2, size: 4, ...rate });
      for (const batch of list) {
        bn.learn(batch);
        for (const row of batch) statistic.update(row);
        expect(statistic.state().runningMean).toEqual([...bn.runningMean]);
        expect(statistic.state().runningVar).toEqual([...bn.runningVar]);
        if (statistic.count[1] >= 2) expect(statistic.variance[1]).toBe(bn.runningVar[1]);
      }
    }),
  );
});

test('total is the unbiased variance of all values, each weighing as its batch over the number of its values', () => {
  const batches = fc.array(fc.array(readingOrNot, { minLength: 5, maxLength: 5 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(batches, fc.constantFrom(0, 0.1, 0.7), (list, alpha) => {
      const statistic = new MovingBatch({
        features: 2,
        size: 5,
        variance: 'total',
        ...(alpha === 0 ? { cumulative: true } : { alpha }),
      });
      // the second feature makes every row one of the batch
      for (const x of list.flat()) statistic.update([x, 0]);
      const known = list.map((batch) => batch.filter((x) => Math.abs(x) <= 1e6));
      const { mean, variance, nEff, count } = weighted(known, alpha);
      expect(statistic.count[0]).toBe(count);
      if (count === 0) return;
      expectClose([statistic.mean[0] / 1e6, statistic.nEff(0)], [mean / 1e6, nEff], 1e-9);
      if (count > 1) expectClose(statistic.variance[0] / 1e12, variance / 1e12, 1e-9);
    }),
  );
});

describe('edges', () => {
  test('a feature whose batches have one value each is not ready within, and is in total', () => {
    const rows = [
      [1, 1],
      [Number.NaN, 2],
      [5, 3],
      [Number.NaN, 4],
    ];
    const within = new MovingBatch({ features: 2, size: 2 });
    const total = new MovingBatch({ features: 2, size: 2, variance: 'total', cumulative: true });
    for (const row of rows) {
      within.update(row);
      total.update(row);
    }
    expect([...within.count]).toEqual([1, 4]);
    expect([...total.count]).toEqual([2, 4]);
    expect([total.mean[0], total.variance[0]]).toEqual([3, 8]);
  });

  test('a row without any usable value is not collected', () => {
    const statistic = learned([1], { size: 3 });
    const before = JSON.stringify(statistic.state());
    for (const x of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, null]) statistic.update([x as number]);
    expect(JSON.stringify(statistic.state())).toBe(before);
  });

  test('close learns a batch that is not full; an empty one is nothing', () => {
    const statistic = learned([1, 3, 8], { size: 10, alpha: 1 });
    statistic.close();
    statistic.close();
    expect([statistic.version, statistic.count[0], statistic.mean[0], statistic.variance[0]]).toEqual([1, 3, 4, 13]);
    const single = learned([7], { size: 10, alpha: 1 });
    single.close();
    expect([single.version, single.count[0], single.mean[0]]).toEqual([1, 1, 7]);
  });

  test('batches larger than the first memory', () => {
    const values = Array.from({ length: 1000 }, (_, i) => i);
    const { variance } = learned(values, { size: 1000, alpha: 1 });
    expectClose(variance[0], (1000 * 1001) / 12);
  });

  test('the variance of equal values is 0, whatever the rate', () => {
    for (const rate of [{ alpha: 0.1 }, { cumulative: true }]) {
      const statistic = learned(new Array<number>(40).fill(0.1), { size: 4, variance: 'total', ...rate });
      expect([statistic.mean[0], statistic.variance[0]]).toEqual([0.1, 0]);
    }
  });
});

describe('state', () => {
  test.each<MovingBatchOptions>([
    { size: 7 },
    { size: 7, debias: true, retain: 0.7 },
    { size: 7, cumulative: true },
    { size: 7, variance: 'total', halfLife: 3 },
  ])('restored within a batch of %o, what follows is bit-identical', (options) => {
    const statistic = learned(RAMP.slice(0, 53), options);
    const restored = MovingBatch.from(JSON.parse(JSON.stringify(statistic.state())));
    for (const x of RAMP.slice(53)) {
      restored.update([x * 0.1]);
      statistic.update([x * 0.1]);
      expect(restored.state()).toEqual(statistic.state());
      expect([...restored.mean, ...restored.variance]).toEqual([...statistic.mean, ...statistic.variance]);
    }
  });

  const good = learned([1, 2, 3], { size: 2 }).state();
  test.each<[string, object, RegExp]>([
    ['a full batch that is pending', { pending: [1, 2] }, /pending must be fewer than 2 rows of 1/],
    ['a batch of one', { size: 1 }, /size must be a whole number >= 2/],
    ['total without debias', { variance: 'total' }, /variance must be 'within', or 'total' with debias/],
    ['a negative variance', { runningVar: [-1] }, /runningVar must be >= 0/],
    ['alpha 2', { alpha: 2 }, /alpha must be in \(0, 1\]/],
  ])('%s is refused', (_, bad, message) => {
    expect(() => MovingBatch.from({ ...good, ...bad })).toThrow(StreamnormError);
    expect(() => MovingBatch.from({ ...good, ...bad })).toThrow(message);
  });
});

describe('parameters', () => {
  test.each([1, 0, 1.5, '64', null])('size %j throws', (size) => {
    expect(() => movingBatch({ size: size as never })).toThrow(/^movingBatch requires size to be a whole number >= 2/);
  });

  test.each<[object, RegExp]>([
    [{ variance: 'between' }, /^movingBatch requires variance to be one of within, total, got 'between'/],
    [{ variance: 'total', debias: false }, /^movingBatch requires debias to be true or absent with variance 'total'/],
    [{ halfLife: '30s' }, /^movingBatch counts batches: it requires halfLife to be a number/],
    [{ alpha: 0.1, retain: 0.9 }, /^movingBatch takes exactly one rate/],
    [{ momentum: 0.1 }, /^movingBatch has no option 'momentum', since it has two opposite meanings/],
    [{ sizes: 3 }, /^movingBatch has no option 'sizes'; it has alpha, .*, size, debias, variance$/],
  ])('%j throws', (options, message) => expect(() => movingBatch(options as never)).toThrow(message));
});

function learned(values: readonly number[], options: MovingBatchOptions): MovingBatch {
  const statistic = new MovingBatch({ features: 1, ...options });
  for (const x of values) statistic.update([x]);
  return statistic;
}

function zOf(x: number, options: MovingBatchOptions): number {
  const z = new Float64Array(1);
  new Standardizer('test', learned(RAMP, options), { eps: 0 }).score(Float64Array.of(x), z);
  return z[0];
}

/** Weighted moments of all values; alpha 0 for a cumulative rate. */
function weighted(batches: readonly (readonly number[])[], alpha: number) {
  const full = batches.filter((batch) => batch.length > 0);
  const all = full.flatMap((batch, t) =>
    batch.map((x) => ({ x, w: (1 - alpha) ** (full.length - 1 - t) / batch.length })),
  );
  const sum = (f: (value: { x: number; w: number }) => number) => all.reduce((total, value) => total + f(value), 0);
  const weight = sum(({ w }) => w);
  const weight2 = sum(({ w }) => w * w);
  const mean = sum(({ x, w }) => x * w) / weight;
  const squares = sum(({ x, w }) => w * (x - mean) ** 2);
  return { mean, variance: squares / (weight - weight2 / weight), nEff: weight ** 2 / weight2, count: all.length };
}
