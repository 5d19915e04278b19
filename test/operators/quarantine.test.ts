import fc from 'fast-check';
import { EMPTY, from, NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { cumulative } from '../../src/core/cumulative.ts';
import { ewma } from '../../src/core/ewma.ts';
import type { Range } from '../../src/core/row-judge.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { type BadSample, quarantine } from '../../src/operators/quarantine.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

test('quarantine hands good samples on at once, unchanged, and tells of the others', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('-a-n-b-i-c|', { a: 1, n: Number.NaN, b: 2, i: Number.POSITIVE_INFINITY, c: 3 });
    const expected = '   -a---b---c|';
    expectObservable(source.pipe(quarantine())).toBe(expected, { a: 1, b: 2, c: 3 });
  });
});

describe('reasons', () => {
  test('missing, overflow, both, and another form; with their number', () => {
    const { good, bad } = judged([
      [1, 2],
      [Number.NaN, 2],
      [1, 1e300],
      [null, Number.POSITIVE_INFINITY],
      'text',
      [3],
      [5, 6],
    ]);
    expect(good).toEqual([
      [1, 2],
      [5, 6],
    ]);
    expect(bad.map(({ reasons, bad: count }) => [count, ...reasons])).toEqual([
      [1, 'missing'],
      [2, 'overflow'],
      [3, 'missing', 'overflow'],
      [4, 'shape'],
      [5, 'shape'],
    ]);
    expect(bad.every(({ time }) => Number.isNaN(time))).toBe(true);
  });

  test('records are judged by their features, and handed on as they are', () => {
    const samples = [{ a: 1, b: null }, { b: 2 }, { a: 'x' }];
    const { good, bad } = judged(samples, { features: ['a'] });
    expect(good[0]).toBe(samples[0]);
    expect(bad.map(({ sample }) => sample)).toEqual(samples.slice(1));
  });

  test('samples before any that says what a row looks like are bad', () => {
    expect(judged([null, 'text', 4]).bad.map(({ reasons }) => reasons)).toEqual([['shape'], ['shape']]);
  });

  test('range: of all features, or of some by name or place; null is no bound', () => {
    const rows = [
      [1, 50],
      [11, 5],
      [-1, 1e300],
    ];
    const reasons = (range: Range) => judged(rows, { range }).bad.map((bad) => bad.reasons);
    expect(reasons([0, 10])).toEqual([['range'], ['range'], ['overflow', 'range']]);
    expect(reasons({ 0: [null, 10] })).toEqual([['range'], ['overflow']]);
    const records = judged([{ a: 1 }, { a: 3 }], { features: ['a'], range: { a: [2, null] } });
    expect(records.good).toEqual([{ a: 3 }]);
  });

  test('required: a sample may lack the other features', () => {
    const samples = [{ a: 1 }, { b: 1 }];
    expect(judged(samples, { features: ['a', 'b'], required: ['a'] }).good).toEqual([{ a: 1 }]);
  });

  test('with timeOf: no time, and late by more than lateness', () => {
    const samples = [
      [0, 10],
      [0, 30],
      [0, 20],
      [0, 19],
      [0, Number.NaN],
      [Number.NaN, 5],
      [0, 30],
    ];
    const { good, bad } = judged(samples, { timeOf: ([, t]: number[]) => t, lateness: 10 });
    expect(good).toEqual([
      [0, 10],
      [0, 30],
      [0, 20],
      [0, 30],
    ]);
    expect(bad.map(({ reasons, time }) => [time, ...reasons])).toEqual([
      [19, 'late'],
      [Number.NaN, 'missing', 'time'],
      [5, 'missing', 'late'],
    ]);
  });

  test('lateness is 0 where none is given', () => {
    expect(judged([3, 2, 3], { timeOf: (t: number) => t }).good).toEqual([3, 3]);
  });

  test('a time far ahead of the clock is bad, or it would make all others late', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('abc|', { a: 1, b: 10_000_000, c: 2 });
      expectObservable(source.pipe(quarantine({ timeOf: (t: number) => t }))).toBe('a-c|', { a: 1, c: 2 });
    });
    const allowed = judged([1, 8.64e15, 2], { timeOf: (t: number) => t, maxAhead: 9e15 });
    expect(allowed.bad.map(({ reasons }) => reasons)).toEqual([['late']]);
  });

  test('what was bad does not count as the newest', () => {
    const rows = [
      [0, 1],
      [Number.NaN, 9],
      [0, 2],
    ];
    expect(judged(rows, { timeOf: ([, t]: number[]) => t }).good).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });
});

describe('edges', () => {
  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(quarantine())).toBe('|')));
  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(quarantine())).toBe('-')));

  test('a source error is handed on', () => {
    expect(() => collected(throwError(() => new Error('lost')).pipe(quarantine()))).toThrow('lost');
  });

  test('records without features are an error notification, as is a throw of onBad', () => {
    expect(() => collected(of({ a: 1 }).pipe(quarantine()))).toThrow(/^quarantine requires features/);
    const onBad = () => {
      throw new Error('no');
    };
    expect(() => collected(of(Number.NaN).pipe(quarantine({ onBad })))).toThrow('no');
  });

  test('re-subscription counts anew', () => {
    const counts: number[] = [];
    const kept = of(Number.NaN, 1).pipe(quarantine({ onBad: ({ bad }) => counts.push(bad) }));
    expect([collected(kept), collected(kept), counts]).toEqual([[1], [1], [1, 1]]);
  });

  test('a sample pushed from within onBad is judged too', () => {
    const source = new Subject<number>();
    const seen: number[] = [];
    source.pipe(quarantine({ onBad: () => source.next(7) })).subscribe((x) => seen.push(x));
    for (const x of [1, Number.NaN, 2]) source.next(x);
    expect(seen).toEqual([1, 7, 2]);
  });
});

test.each([
  [{ lateness: 5 }, 'quarantine takes lateness only with timeOf, got lateness 5'],
  [{ range: [1] }, 'quarantine requires range to be [min, max] with min <= max, null for no bound, got [1]'],
  [{ features: ['a'], range: { b: [0, 1] } }, "quarantine requires range to name features, of a, got 'b'"],
  [{ required: 'a' }, "quarantine requires required to be a list of features, got 'a'"],
  [{ maxAhead: '5m' }, "quarantine takes maxAhead only with timeOf, got maxAhead '5m'"],
])('%j throws', (options, message) => expect(() => quarantine(options as object)).toThrow(message));

describe('behind quarantine a bad sample changes nothing at all', () => {
  const rows = fc.array(fc.tuple(readingOrNot, readingOrNot) as fc.Arbitrary<number[]>, { maxLength: 30 });
  const isGood = (row: readonly number[]) => row.every((x) => Math.abs(x) <= 1e6);

  test('normalize', () => {
    fc.assert(
      fc.property(rows, fc.constantFrom(cumulative, ewma), (samples, statistic) => {
        const all = from(samples).pipe(quarantine(), normalize<number[]>(statistic(), { detail: true }));
        const good = from(samples.filter(isGood)).pipe(normalize<number[]>(statistic(), { detail: true }));
        expect(withoutTime(collected(all))).toEqual(withoutTime(collected(good)));
      }),
    );
  });

  test('batchNorm', () => {
    fc.assert(
      fc.property(rows, (samples) => {
        const [model, other] = [new BatchNorm({ features: 2 }), new BatchNorm({ features: 2 })];
        const all = collected(from(samples).pipe(quarantine(), batchNorm({ size: 3, model })));
        expect(all).toEqual(collected(from(samples.filter(isGood)).pipe(batchNorm({ size: 3, model: other }))));
        expect(model.state()).toEqual(other.state());
      }),
    );
  });

  function withoutTime(details: { stats: object }[]): unknown {
    return details.map(({ stats, ...rest }) => ({ ...rest, stats: { ...stats, time: 0 } }));
  }
});

function judged(samples: readonly unknown[], options: object = {}): { good: unknown[]; bad: BadSample<unknown>[] } {
  const bad: BadSample<unknown>[] = [];
  const good = collected(from(samples).pipe(quarantine({ ...options, onBad: (sample) => bad.push(sample) })));
  return { good, bad };
}
