import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { flagNames } from '../../src/core/flags.ts';
import { createNormalizer, METHOD_NAMES, type Method, type MethodOptions } from '../../src/core/methods.ts';
import { MissingValue } from '../../src/core/missing-values.ts';
import { withoutDropped } from '../../src/core/quarantine-normalizer.ts';
import type { NormalizedRows, RowNormalizer } from '../../src/core/row-normalizer.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { rowsOf } from '../support/batches.ts';
import { STARTS } from '../support/method-starts.ts';

const FEATURES = ['a', 'b'];

function pushed(normalizer: RowNormalizer, samples: number[][], times?: number[]): NormalizedRows | undefined {
  const { data, rows } = rowsOf(samples, normalizer.features);
  const ids = Float64Array.from(samples, (_, i) => i);
  const arrival = { elapsedMs: 0, nowMs: Number.POSITIVE_INFINITY, ids };
  return normalizer.push(data, rows, Float64Array.from(times ?? samples.map(() => 0)), arrival);
}

const names = (rows: NormalizedRows | undefined) => Array.from(rows?.flags ?? [], flagNames);

describe.each(METHOD_NAMES)('%s', (method) => {
  test('a row that is bad in one feature is out of the statistics as a whole, and out at once', () => {
    const rows = fc.array(fc.tuple(readingOrNot, readingOrNot), { maxLength: 30 });
    fc.assert(
      fc.property(rows, fc.integer({ min: -10, max: 0 }), (samples, least) => {
        const isGood = (row: number[]) => row.every((x) => Math.abs(x) < 1e7) && row[0] >= least;
        const options = { ...STARTS[method], quarantine: 'flag', range: { a: [least, null] } } as const;
        const [guarded, without] = [
          createNormalizer(method, FEATURES, options),
          createNormalizer(method, FEATURES, STARTS[method]),
        ];
        const out = [pushed(guarded, samples), guarded.flush()];
        const good = samples.filter(isGood);
        const expected = [good.length > 0 ? pushed(without, good) : undefined, without.flush()];
        expect(guarded.state()).toEqual(without.state());
        const z = out.flatMap((part) => zOf(part, (flags) => !flags.includes('quarantined')));
        expect(z).toEqual(expected.flatMap((part) => zOf(part)));
        const bad = out.flatMap((part) => zOf(part, (flags) => flags.includes('quarantined')));
        expect(bad).toEqual(samples.filter((row) => !isGood(row)).map(() => [Number.NaN, Number.NaN]));
      }),
    );
  });
});

test('the flags say why, and the raw values are kept', () => {
  const normalizer = createNormalizer('cumulative', FEATURES, { quarantine: 'flag', range: [0, 10] });
  const out = pushed(normalizer, [
    [1, 2],
    [Number.NaN, 11],
    [Number.POSITIVE_INFINITY, 3],
    [-1, 3],
  ]);
  expect(names(out)).toEqual([
    ['notReady'],
    ['missing', 'range', 'quarantined'],
    ['overflow', 'quarantined'],
    ['range', 'quarantined'],
  ]);
  expect([...(out?.raw ?? [])].slice(2)).toEqual([Number.NaN, 11, Number.POSITIVE_INFINITY, 3, -1, 3]);
  expect([...(out?.ids ?? [])]).toEqual([0, 1, 2, 3]);
});

test('required says which features a good row must have', () => {
  const normalizer = createNormalizer('cumulative', FEATURES, { quarantine: 'flag', required: ['a'] });
  const out = pushed(normalizer, [
    [1, Number.NaN],
    [Number.NaN, 1],
  ]);
  expect(names(out)).toEqual([
    ['missing', 'notReady'],
    ['missing', 'quarantined'],
  ]);
});

test("quarantine 'drop' and missing 'dropRow' mark the rows that are to be left out", () => {
  const rows = [
    [1, 2],
    [Number.NaN, 2],
    [1e300, 2],
  ];
  const marked = (options: MethodOptions) => names(pushed(createNormalizer('cumulative', FEATURES, options), rows));
  const left = ['quarantined', 'dropped'];
  expect(marked({ quarantine: 'drop' })).toEqual([['notReady'], ['missing', ...left], ['overflow', ...left]]);
  expect(marked({ missing: 'dropRow' })).toEqual([['notReady'], ['missing', ...left], ['overflow', 'notReady']]);
  expect(marked({ missing: 'dropRow', quarantine: 'flag' })).toEqual([
    ['notReady'],
    ['missing', ...left],
    ['overflow', 'quarantined'],
  ]);
  const kept = withoutDropped(
    pushed(createNormalizer('cumulative', FEATURES, { quarantine: 'drop' }), rows) as NormalizedRows,
  );
  expect([kept?.rows, kept?.ids?.[0]]).toEqual([1, 0]);
});

test('a late row is kept out, and with quarantine: drop left out, where windows follow times too', () => {
  for (const [method, options] of [
    ['cumulative', {}],
    ['batch', { size: 2 }],
    ['batch', { gap: 10 }],
  ] as const) {
    const normalizer = createNormalizer(method, ['a'], { ...options, lateness: 5, quarantine: 'drop' });
    const out = pushed(normalizer, [[1], [2], [3], [4]], [100, 200, 180, 195]);
    const late = names(out).filter((flags) => flags.includes('late'));
    expect([method, late]).toEqual([method, [['late', 'quarantined', 'dropped']]]);
  }
});

test("missing: 'error' refuses all that came with the row, and nothing has changed: not even the window", () => {
  const rows = fc.array(fc.tuple(readingOrNot, readingOrNot), { minLength: 1, maxLength: 20 });
  const kinds = fc.constantFrom<[Method, MethodOptions]>(
    ['batch', { size: 3 }],
    ['batch', { size: 4, every: 2 }],
    ['batch', { gap: 5, lateness: 2 }],
    ['ewma', { quarantine: 'flag', lateness: 3 }],
    ['robust', {}],
  );
  fc.assert(
    fc.property(kinds, rows, rows, ([method, options], before, refused) => {
      const normalizer = createNormalizer(method, FEATURES, { ...options, missing: 'error' });
      const good = before.filter((row) => !row.some(Number.isNaN));
      const time = (_: number[], i: number) => (i * 7) % 11;
      if (good.length > 0) pushed(normalizer, good, good.map(time));
      const all = () => JSON.stringify([normalizer.state(), normalizer.pendingRows(), normalizer.report()]);
      const then = all();
      const batch = [...refused, [1, Number.NaN]];
      const row = batch.findIndex((sample) => sample.some(Number.isNaN));
      expect(() => pushed(normalizer, batch, batch.map(time))).toThrow(MissingValue);
      expect(() => pushed(normalizer, batch, batch.map(time))).toThrow(expect.objectContaining({ row }));
      expect(all()).toBe(then);
    }),
  );
});

test.each<[Method, MethodOptions, RegExp]>([
  ['batch', { range: [0, 1] }, /takes range only with quarantine/],
  ['ewma', { required: ['a'] }, /takes required only with quarantine, or missing 'dropRow' or 'error'/],
  ['ewma', { lateness: 5 }, /takes lateness only with quarantine/],
  ['ewma', { quarantine: 'flag', maxAhead: 5 }, /takes maxAhead only with lateness, and quarantine/],
  ['ewma', { quarantine: 'hide' as 'flag' }, /quarantine to be one of flag, drop, got 'hide'/],
  ['ewma', { quarantine: 'flag', range: [2, 1] }, /range to be \[min, max\] with min <= max.*got \[2,1\]/],
  ['ewma', { quarantine: 'flag', range: { c: [0, 1] } }, /range to name features, of a, b, got 'c'/],
  ['ewma', { quarantine: 'flag', range: { a: [0] as never } }, /range of a to be \[min, max\]/],
  ['ewma', { quarantine: 'flag', required: ['c'] }, /required to name features, of a, b, got 'c'/],
  ['ewma', { quarantine: 'flag', required: 'a' as never }, /required to be a list of features, got 'a'/],
])('%s %j throws', (method, options, message) => {
  expect(() => createNormalizer(method, FEATURES, options)).toThrow(message);
});

function zOf(part: NormalizedRows | undefined, which: (flags: string[]) => boolean = () => true): number[][] {
  if (part === undefined) return [];
  return Array.from({ length: part.rows }, (_, i) => i)
    .filter((i) => which(flagNames(part.flags[i])))
    .map((i) => Array.from(part.z.subarray(i * part.features, (i + 1) * part.features)));
}
