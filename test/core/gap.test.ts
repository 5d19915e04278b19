import { describe, expect, test } from 'vitest';
import { FLAG, flagNames } from '../../src/core/flags.ts';
import { createNormalizer, METHOD_NAMES, type Method, type MethodOptions } from '../../src/core/methods.ts';
import type { RowNormalizer } from '../../src/core/row-normalizer.ts';

const STARTS: Record<Method, MethodOptions> = {
  batch: { size: 3 },
  ewma: { halfLife: '1s' },
  cumulative: {},
  rolling: { last: '10s' },
  minmax: {},
  robust: { halfLife: '1s' },
  frozen: { mean: [1], std: [3] },
};

function push(normalizer: RowNormalizer, values: readonly number[], times: readonly number[]) {
  return normalizer.push(Float64Array.from(values), values.length, Float64Array.from(times));
}

const names = (flags: Uint16Array) => Array.from(flags, flagNames);

test.each(METHOD_NAMES)('%s flags the first row after a hole, and only that one', (method) => {
  const normalizer = createNormalizer(method, ['a'], STARTS[method]);
  push(normalizer, [1, 4, 2, 9, 3], [0, 1, 2, 3, 4]);
  normalizer.cut();
  normalizer.cut();
  const after = [push(normalizer, [5], [5]), push(normalizer, [6, 1], [6, 7])].filter((rows) => rows !== undefined);
  expect(after.flatMap(({ flags }) => Array.from(flags, (bits) => (bits & FLAG.gap) !== 0))).toEqual([
    true,
    false,
    false,
  ]);
});

describe('batch', () => {
  test('a hole closes the open window: no batch holds rows of both sides', () => {
    const normalizer = createNormalizer('batch', ['a'], { size: 3, eps: 0 });
    push(normalizer, [1, 3], [0, 1]);
    const before = normalizer.cut();
    expect([...before!.z]).toEqual([-1, 1]);
    expect(names(before!.flags)).toEqual([[], []]);
    const after = push(normalizer, [10, 20, 30], [1000, 1001, 1002])!;
    expect([...after.z]).toEqual([-1.224744871391589, 0, 1.224744871391589]);
    expect(names(after.flags)).toEqual([['gap'], [], []]);
  });

  test('a hole while no window is open makes no batch', () => {
    const normalizer = createNormalizer('batch', ['a'], { size: 2 });
    expect(normalizer.cut()).toBeUndefined();
    expect(normalizer.report().version).toBe(0);
  });
});

describe('statistics by time', () => {
  test('a row after 58 half-lives is not scored by what was before the hole', () => {
    const cut = createNormalizer('ewma', ['a'], { halfLife: '1s' });
    const uncut = createNormalizer('ewma', ['a'], { halfLife: '1s' });
    for (const normalizer of [cut, uncut]) push(normalizer, [1, 2, 3], [0, 1, 2]);
    cut.cut();
    const [told, untold] = [cut, uncut].map((normalizer) => push(normalizer, [1e6], [58_000])!);
    expect(names(told.flags)).toEqual([['notReady', 'gap']]);
    expect(told.z[0]).toBeNaN();
    // what a hole that nobody tells of looks like
    expect(untold.z[0]).toBeGreaterThan(1e5);
    // the statistics themselves are the same: time has passed in both
    expect(cut.state()).toEqual(uncut.state());
  });

  test('a row after a hole that is short against the half-life is scored as ever, and flagged', () => {
    const normalizer = createNormalizer('ewma', ['a'], { halfLife: '1h', eps: 0 });
    push(normalizer, [1, 3], [0, 1]);
    normalizer.cut();
    const { z, flags } = push(normalizer, [4], [5_000])!;
    expect(z[0]).toBeCloseTo(2, 5);
    expect(names(flags)).toEqual([['gap']]);
  });

  test('each feature waits for its own first value after the hole', () => {
    const normalizer = createNormalizer('ewma', ['a', 'b'], { halfLife: '1s' });
    const rows = (values: number[], times: number[]) =>
      normalizer.push(Float64Array.from(values), times.length, Float64Array.from(times))!;
    rows([1, 1, 2, 2, 3, 3], [0, 1, 2]);
    normalizer.cut();
    rows([5, Number.NaN], [60_000]);
    const { z } = rows([5, 1e6], [60_001]);
    expect(z[1]).toBeNaN();
  });

  test('rolling by time lets samples leave over the hole before it scores', () => {
    const normalizer = createNormalizer('rolling', ['a'], { last: '10s', eps: 0 });
    push(normalizer, [1000, -1000, 1, 3], [0, 1_000, 8_000, 9_000]);
    normalizer.cut();
    // of the four only those at 8 s and 9 s are still in the window: mean 2, deviation 1
    expect(push(normalizer, [5], [12_000])!.z[0]).toBe(3);
  });

  test('rolling by time is not ready after a hole as long as its window', () => {
    const normalizer = createNormalizer('rolling', ['a'], { last: '10s' });
    push(normalizer, [1, 3, 5], [0, 1, 2]);
    normalizer.cut();
    const { z, flags } = push(normalizer, [7], [60_000])!;
    expect([z[0], names(flags)]).toEqual([Number.NaN, [['notReady', 'gap']]]);
  });
});

test('statistics by count go on: a hole has no length in samples', () => {
  const [cut, uncut] = [0, 1].map(() => createNormalizer('ewma', ['a'], { alpha: 0.1 }));
  for (const normalizer of [cut!, uncut!]) push(normalizer, [1, 2, 3], [0, 1, 2]);
  cut!.cut();
  expect(push(cut!, [9], [1e6])!.z).toEqual(push(uncut!, [9], [1e6])!.z);
});

test.each(METHOD_NAMES)('%s: a hole that was told before a restart flags the first row after it', (method) => {
  const before = createNormalizer(method, ['a'], STARTS[method]);
  push(before, [1, 4, 2, 9, 3], [0, 1, 2, 3, 4]);
  before.cut();
  if (method === 'batch') push(before, [7], [5]);
  const saved = JSON.parse(JSON.stringify({ state: before.state(), pending: before.pendingRows() }));
  const after = createNormalizer(method, ['a'], STARTS[method], saved);
  expect(push(after, [5, 6, 7], [60_005, 60_006, 60_007])!.flags).toEqual(
    push(before, [5, 6, 7], [60_005, 60_006, 60_007])!.flags,
  );
  expect(after.pendingRows()).toEqual(before.pendingRows());
});
