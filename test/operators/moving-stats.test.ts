import fc from 'fast-check';
import { EMPTY, from, map, NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { batchBy } from '../../src/operators/batch-by.ts';
import { batchStats } from '../../src/operators/batch-stats.ts';
import { type AveragedStats, movingStats } from '../../src/operators/moving-stats.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { chunksOf } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const half = { alpha: 0.5 };

/** Biased variance v of n values: its unbiased variance is v·n/(n - 1). */
const stats = (mean: number, variance = 1, count = 2): AveragedStats => ({ count, mean: [mean], variance: [variance] });

test('movingStats emits the averages once for each batch, from mean 0 and variance 1', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('---a------b--|', { a: stats(4, 1), b: stats(8, 3) });
    const expected = '   ---u------v--|';
    expectObservable(source.pipe(movingStats(half))).toBe(expected, {
      u: { mean: [2], variance: [1.5], batches: 1, features: undefined },
      v: { mean: [5], variance: [3.75], batches: 2, features: undefined },
    });
  });
});

describe('options', () => {
  test('alpha 0.1 is the default', () => {
    expect(collected(of(stats(10)).pipe(movingStats()))[0].mean[0]).toBe(1);
  });

  test('retain weighs the old value', () => {
    expectClose(collected(of(stats(10)).pipe(movingStats({ retain: 0.75 })))[0].mean, [2.5]);
  });

  test('halfLife counts batches', () => {
    expectClose(collected(of(stats(10)).pipe(movingStats({ halfLife: 1 })))[0].mean, [5]);
  });

  test('cumulative weighs all batches alike', () => {
    const steps = collected(of(stats(4), stats(8), stats(3)).pipe(movingStats({ cumulative: true })));
    expectClose(
      steps.map(({ mean }) => mean[0]),
      [4, 6, 5],
    );
  });

  test('debias takes out the start values: the first batch is its own average', () => {
    const [first] = collected(of(stats(4, 1)).pipe(movingStats({ alpha: 0.1, debias: true })));
    expectClose([first.mean[0], first.variance[0]], [4, 2]);
  });
});

describe('variance', () => {
  const ramp = Array.from({ length: 100 }, (_, i) => i);
  const last = (options: object) =>
    collected(from(ramp).pipe(batchBy({ size: 10 }), batchStats(), movingStats({ cumulative: true, ...options }))).at(
      -1,
    );

  test('within is the mean spread in a batch: 9.17 for a ramp of 0 to 99 in tens', () => {
    expectClose(last({})!.variance, [55 / 6]);
  });

  test('total is the variance of the stream: 841.67 for the same, so z(99) is 1.71 and not 16.35', () => {
    const { mean, variance } = last({ variance: 'total' })!;
    expectClose([mean[0], variance[0]], [49.5, 83325 / 99]);
    expectClose((99 - mean[0]) / Math.sqrt(variance[0]), 1.7062, 1e-4);
    expectClose((99 - 49.5) / Math.sqrt(55 / 6), 16.3494, 1e-4);
  });

  test('total has no value before two values weigh, and a batch without variance adds its mean alone', () => {
    const emitted = collected(
      of(stats(4, 0, 1), stats(8, Number.NaN, 5)).pipe(movingStats({ cumulative: true, variance: 'total' })),
    );
    expect(emitted[0]).toMatchObject({ mean: [4], variance: [Number.NaN] });
    expectClose(emitted[1].variance, [8]); // of 4 and 8
  });
});

test('a feature without usable values keeps its averages; one with a single value moves its mean only', () => {
  const rows = [
    [1, Number.NaN, 1],
    [3, Number.NaN, Number.NaN],
  ];
  const [moved] = collected(from(rows).pipe(batchBy({ size: 2 }), batchStats(), movingStats(half)));
  expect([moved.mean, moved.variance]).toEqual([
    [1, 0, 0.5],
    [1.5, 1, 1],
  ]);
});

test.each([Number.NaN, null, Number.POSITIVE_INFINITY])(
  'a source that says mean %s does not spoil the averages',
  (mean) => {
    const odd = { count: 2, mean: [mean as number, 4], variance: [mean as number, 1] };
    const [first] = collected(of(odd).pipe(movingStats(half)));
    expect([first.mean, first.variance]).toEqual([
      [0, 2],
      [1, 1.5],
    ]);
  },
);

test('a batch of another width is an error notification', () => {
  const wide = { count: 2, mean: [1, 2], variance: [1, 1] };
  expect(() => collected(of(stats(1), wide).pipe(movingStats()))).toThrow(
    'movingStats requires batches of 1 features, got 2',
  );
});

describe('edges', () => {
  const operator = movingStats(half);
  const means = map(({ mean }: { mean: number[] }) => mean[0]);

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one batch of one moves the mean only', () => {
    const [first] = collected(of(stats(4, 0, 1)).pipe(operator));
    expect([first.mean, first.variance, first.batches]).toEqual([[2], [1], 1]);
  });

  test('a source error is handed on', () => {
    expect(() => collected(throwError(() => new Error('lost')).pipe(operator))).toThrow('lost');
  });

  test('completion flushes nothing: every batch was answered', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a-|', { a: stats(4) }).pipe(operator, means)).toBe('a-|', { a: 2 });
    });
  });

  test('early unsubscribe unsubscribes the source', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a---', { a: stats(4) });
      expectObservable(source.pipe(operator, means), '^--!').toBe('-a', { a: 2 });
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test('re-subscription starts from 0 and 1 again', () => {
    const moving = of(stats(4), stats(8)).pipe(operator);
    expect(collected(moving)).toEqual(collected(moving));
  });

  test('a re-entrant source: a batch pushed from within next counts after the one that caused it', () => {
    const source = new Subject<AveragedStats>();
    const seen: number[] = [];
    source.pipe(operator, means).subscribe((mean) => {
      if (seen.push(mean) === 1) source.next(stats(8));
    });
    source.next(stats(4));
    expect(seen).toEqual([2, 5]);
  });

  test('what was emitted does not change later', () => {
    const [first] = collected(of(stats(4), stats(8)).pipe(operator));
    expect(first.mean).toEqual([2]);
  });
});

test('the averages are the running statistics of a BatchNorm that learns the same batches', () => {
  const rows = fc.array(fc.tuple(readingOrNot, readingOrNot), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 20 }), (samples, size) => {
      const bn = new BatchNorm({ features: 2, alpha: 0.3 });
      const steps = collected(from(samples).pipe(batchBy({ size }), batchStats(), movingStats({ alpha: 0.3 })));
      chunksOf(samples, [size]).forEach((chunk, i) => {
        bn.learn(chunk);
        expectClose(steps[i].mean, bn.runningMean);
        expectClose(steps[i].variance, bn.runningVar);
        expect(steps[i].batches).toBe(bn.batches);
      });
    }),
  );
});
