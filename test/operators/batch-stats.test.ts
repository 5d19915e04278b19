import { EMPTY, from, map, NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { type Batch, batchBy } from '../../src/operators/batch-by.ts';
import { batchStats } from '../../src/operators/batch-stats.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

test('batchStats emits the statistics of each batch at once', () => {
  marbles(({ cold, expectObservable }) => {
    const [first, second] = batches([1, 2, 6], [5]);
    const source = cold('---a------b--|', { a: first, b: second });
    const expected = '   ---s------t--|';
    const means = source.pipe(
      batchStats(),
      map(({ mean }) => mean),
    );
    expectObservable(means).toBe(expected, { s: [3], t: [5] });
  });
});

test('count, mean, both variances, minimum and maximum', () => {
  expect(collected(from(batches([1, 2, 6])).pipe(batchStats()))).toEqual([
    {
      count: 3,
      counts: [3],
      mean: [3],
      variance: [14 / 3],
      unbiasedVariance: [7],
      min: [1],
      max: [6],
      features: undefined,
    },
  ]);
});

test('unusable values are skipped, each feature on its own; a feature without any is NaN', () => {
  const rows = [
    [1, Number.NaN],
    [Number.POSITIVE_INFINITY, Number.NaN],
    [3, 1e300],
  ];
  const [stats] = collected(from(rows).pipe(batchBy({ size: 3 }), batchStats()));
  expect(stats).toMatchObject({ count: 3, counts: [2, 0], mean: [2, Number.NaN], variance: [1, Number.NaN] });
  expect([stats.min, stats.max, stats.unbiasedVariance]).toEqual([
    [1, Number.NaN],
    [3, Number.NaN],
    [2, Number.NaN],
  ]);
});

describe('features', () => {
  const records = [
    { a: 1, b: 10 },
    { a: 3, b: 30 },
  ];
  const source = from(records).pipe(batchBy<{ a: number; b: number }>({ size: 2, features: ['a', 'b'] }));

  test('pick and order the features', () => {
    const [stats] = collected(source.pipe(batchStats({ features: ['b', 'a'] })));
    expect([stats.features, stats.mean]).toEqual([
      ['b', 'a'],
      [20, 2],
    ]);
  });

  test('that the batch lacks are an error notification', () => {
    expect(() => collected(source.pipe(batchStats({ features: ['c'] })))).toThrow(
      "batchStats has no feature 'c'; the batch has a, b",
    );
    expect(() => collected(from(batches([1])).pipe(batchStats({ features: ['c'] })))).toThrow('the batch has no names');
  });
});

describe('edges', () => {
  const operator = batchStats<unknown>();

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one value has variance 0 and no unbiased variance', () => {
    const [stats] = collected(from(batches([5])).pipe(operator));
    expect([stats.variance, stats.unbiasedVariance]).toEqual([[0], [Number.NaN]]);
  });

  test('a source error is handed on', () => {
    expect(() => collected(throwError(() => new Error('lost')).pipe(operator))).toThrow('lost');
  });

  test('completion flushes nothing: nothing is kept', () => {
    const [batch] = batches([1, 2]);
    marbles(({ cold, expectObservable }) => {
      expectObservable(
        cold('a-|', { a: batch }).pipe(
          operator,
          map(({ count }) => count),
        ),
      ).toBe('a-|', { a: 2 });
    });
  });

  test('early unsubscribe unsubscribes the source', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot<Batch<unknown>>('-------');
      expectObservable(source.pipe(operator), '^--!').toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test('re-subscription gives the same', () => {
    const stats = from(batches([1, 3], [5, 9])).pipe(operator);
    expect(collected(stats)).toEqual(collected(stats));
  });

  test('a re-entrant source: a batch pushed from within next has its own statistics', () => {
    const source = new Subject<Batch<unknown>>();
    const [first, second] = batches([1, 3], [5, 9]);
    const means: number[][] = [];
    source.pipe(operator).subscribe(({ mean }) => {
      if (means.push(mean) === 1) source.next(second);
    });
    source.next(first);
    expect(means).toEqual([[2], [7]]);
  });
});

function batches(...columns: number[][]): Batch<unknown>[] {
  return columns.flatMap((column) => collected(of(...column).pipe(batchBy({ size: column.length }))));
}
