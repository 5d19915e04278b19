import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { FLAG, flagNames } from '../../src/core/flags.ts';
import { Frozen } from '../../src/core/frozen.ts';
import { Standardizer } from '../../src/core/standardizer.ts';
import { rowsOf } from '../support/batches.ts';

// Row by row what the documentation of edges says: how such systems usually break.

describe.each<[string, unknown]>([
  ['NaN', Number.NaN],
  ['null', null],
  ['undefined', undefined],
])('%s', (_, nothing) => {
  test('in a batch: its feature is NaN and flagged missing, the others are untouched', () => {
    const bn = new BatchNorm({ features: 2, eps: 0 });
    const batch = [
      [1, 10],
      [nothing, 20],
      [3, 30],
    ] as number[][];
    const z = bn.train(batch);
    expect(z.map(([a]) => a)).toEqual([-1, Number.NaN, 1]);
    expect(z.map(([, b]) => b)).toEqual([-Math.sqrt(1.5), 0, Math.sqrt(1.5)]);
    expect(flagsOf(bn, batch)).toEqual([[], ['missing'], []]);
  });

  test.each([
    new Cumulative({ features: 2 }),
    new Ewma({ features: 2, alpha: 0.5 }),
    new Ewma({ features: 2, halfLife: '4s' }),
  ])('in a sample: %o skips its feature and learns the others', (statistic) => {
    statistic.update([1, 10], 0);
    statistic.update([nothing as number, 30], 1000);
    expect([...statistic.count]).toEqual([1, 2]);
    expect(statistic.mean[0]).toBe(1);
    expect(statistic.mean[1]).toBeGreaterThan(10);
  });
});

test('a field that a record lacks is missing, as null is', () => {
  const bn = new BatchNorm({ features: ['a', 'b'], eps: 0 });
  const records: object[] = [{ a: 1, b: 10 }, { b: 20 }, { a: 3, b: 30 }];
  expect(bn.train(records)).toMatchObject([{ a: -1 }, { a: Number.NaN, b: 0 }, { a: 1 }]);
});

describe.each<[string, number]>([
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['1e309 from JSON', JSON.parse('1e309')],
  ['1e300, whose square overflows', 1e300],
])('%s', (_, huge) => {
  test('never enters a batch; its row is flagged overflow', () => {
    const bn = new BatchNorm({ features: 1, eps: 0 });
    const batch = [[1], [huge], [3]];
    expect(bn.train(batch)).toEqual([[-1], [Number.NaN], [1]]);
    expect(flagsOf(bn, batch)).toEqual([[], ['overflow'], []]);
  });

  test('never enters a statistic by sample; its row is flagged overflow', () => {
    const statistic = new Cumulative({ features: 1 });
    const standardizer = new Standardizer('test', statistic);
    const z = new Float64Array(1);
    for (const x of [1, 3]) standardizer.step(Float64Array.of(x), z, 0);
    const before = JSON.stringify(statistic.state());
    expect(flagNames(standardizer.step(Float64Array.of(huge), z, 0))).toEqual(['overflow']);
    expect([z[0], JSON.stringify(statistic.state())]).toEqual([Number.NaN, before]);
  });
});

test('one column all missing in a batch: its statistics stay, the others move', () => {
  const bn = new BatchNorm({ features: 2, alpha: 0.5 });
  bn.learn([
    [1, 10],
    [3, 30],
  ]);
  const { runningMean, runningVar } = bn.state();
  bn.learn([
    [Number.NaN, 50],
    [Number.NaN, 70],
  ]);
  expect([bn.runningMean[0], bn.runningVar[0]]).toEqual([runningMean[0], runningVar[0]]);
  expect(bn.runningMean[1]).toBe(35);
});

describe('constant and nearly constant features', () => {
  test.each([
    ['0', [0, 0, 0]],
    ['0.1, which no sum of float64 hits exactly', [0.1, 0.1, 0.1]],
    ['1e9 and its neighbour', [1e9, 1e9, 1e9 + 2 ** -23]],
    ['-1e300 times smaller than usual', [1e-300, 1e-300, 1e-300]],
  ])('%s: z is 0 and flagged, never 1e8 or NaN', (_, values) => {
    const bn = new BatchNorm({ features: 1, eps: 0 });
    const batch = values.map((x) => [x]);
    expect(bn.train(batch)).toEqual([[0], [0], [0]]);
    expect(flagsOf(bn, batch)[0]).toEqual(['constant']);
    const standardizer = new Standardizer('test', new Cumulative({ features: 1 }), { eps: 0 });
    const z = Float64Array.of(9);
    const flags = values.map((x) => flagNames(standardizer.step(Float64Array.of(x), z, 0)));
    expect([z[0], flags[2]]).toEqual([0, ['constant']]);
  });

  test('a small but real spread is not constant', () => {
    const z = new BatchNorm({ features: 1, eps: 0 }).train([1, 1 + 2 ** -40]);
    expect(z).toEqual([-1, 1]);
  });

  test('a lively feature around 1e9 does not turn constant after 1e7 samples', () => {
    const state = { format: 'streamnorm.cumulative/1', features: 1, version: 1, count: [1e7], mean: [1e9], m2: [1e7] };
    const z = new Float64Array(1);
    const flags = new Standardizer('test', Cumulative.from(state), { eps: 0 }).score(Float64Array.of(1e9 + 2), z);
    expect([flags, z[0]]).toEqual([0, 2]);
  });
});

test('a batch of one: the mean moves, the variance does not, its row is 0 and flagged', () => {
  const bn = new BatchNorm({ features: 1, alpha: 0.5 });
  expect(bn.train([8])).toEqual([0]);
  expect([bn.runningMean[0], bn.runningVar[0], bn.batches, bn.samples]).toEqual([4, 1, 1, 1]);
  expect(flagsOf(bn, [[8]])).toEqual([['single']]);
});

test('an empty window: no update, no version change', () => {
  const bn = new BatchNorm({ features: 1 });
  bn.learn([1, 3]);
  const before = JSON.stringify(bn.state());
  bn.train([]);
  bn.learn(rowsOf([], 1));
  expect(JSON.stringify(bn.state())).toBe(before);
});

test('a feature that appears later has its own count; an absent one keeps its state', () => {
  const cumulative = new Cumulative({ features: 2 });
  for (const x of [1, 2, 3]) cumulative.update([x, Number.NaN]);
  for (const y of [10, 30]) cumulative.update([Number.NaN, y]);
  expect([[...cumulative.count], [...cumulative.mean]]).toEqual([
    [3, 2],
    [2, 20],
  ]);
});

test('frozen: nothing moves it', () => {
  const statistic = new Frozen({ mean: [10], std: [2] });
  const before = JSON.stringify(statistic.state());
  const standardizer = new Standardizer('test', statistic, { eps: 0 });
  const z = new Float64Array(1);
  for (const x of [14, 1e9, Number.NaN]) standardizer.step(Float64Array.of(x), z, 0);
  expect([statistic.version, JSON.stringify(statistic.state())]).toEqual([0, before]);
});

test('a mean of exactly 0 is a value: z is known after two samples, not "nothing yet"', () => {
  const standardizer = new Standardizer('test', new Cumulative({ features: 1 }), { eps: 0 });
  const z = new Float64Array(1);
  for (const x of [-2, 2, 1]) standardizer.step(Float64Array.of(x), z, 0);
  expect(z[0]).toBe(0.5);
});

test('fields named __proto__ in data do not reach any prototype', () => {
  const bn = new BatchNorm({ features: ['a'] });
  const records = ['{"a":1,"__proto__":{"x":1}}', '{"a":3,"__proto__":{"x":2}}'].map((text) => JSON.parse(text));
  const [first] = bn.train(records);
  expect(({} as { x?: unknown }).x).toBeUndefined();
  expect(Object.getPrototypeOf(first)).toBe(Object.prototype);
  expect(() => new BatchNorm({ features: ['__proto__'] })).toThrow("BatchNorm cannot have a feature named '__proto__'");
});

function flagsOf(bn: BatchNorm, batch: readonly (readonly number[])[]): string[][] {
  const rows = rowsOf(batch, bn.features);
  const flags = new Uint8Array(rows.rows).fill(FLAG.shape);
  bn.trainInto(rows, new Float64Array(rows.data.length), flags);
  return Array.from(flags, flagNames);
}
