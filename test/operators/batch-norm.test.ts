import fc from 'fast-check';
import { EMPTY, from, NEVER, of, Subject, take, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import type { FlagName } from '../../src/core/flags.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import type { Detail } from '../../src/operators/detail.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { chunksOf } from '../support/batches.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const exact = { eps: 0 };

test('batchNorm emits the samples of a batch, normalised, when it closes', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('--a--b------c-----d----|', { a: 1, b: 3, c: 10, d: 30 });
    const expected = '   -----(AB)---------(AB)-|';
    expectObservable(source.pipe(batchNorm({ size: 2, ...exact }))).toBe(expected, { A: -1, B: 1 });
  });
});

test('the default is batches of 64', () => {
  const ramp = Array.from({ length: 130 }, (_, i) => i);
  const details = collected(from(ramp).pipe(batchNorm({ detail: true })));
  expect(details.map(({ stats }) => stats.version)).toEqual(ramp.map((i) => Math.floor(i / 64) + 1));
});

test('records come out as copies with only the features replaced', () => {
  const records = [
    { id: 'x', a: 1 },
    { id: 'y', a: 3 },
  ];
  expect(collected(from(records).pipe(batchNorm({ size: 2, ...exact, features: ['a'] })))).toEqual([
    { id: 'x', a: -1 },
    { id: 'y', a: 1 },
  ]);
  expect(records[0].a).toBe(1);
});

describe('options', () => {
  test('within closes a batch however few samples it holds', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a-b-------|', { a: 1, b: 3 });
      const expected = '   -----(AB)-|';
      expectObservable(source.pipe(batchNorm({ within: 5, ...exact }))).toBe(expected, { A: -1, B: 1 });
    });
  });

  test('weight and bias per feature, clip before them', () => {
    const source = of([1, 10], [3, 30]).pipe(batchNorm({ size: 2, ...exact, weight: [2, 3], bias: [1, 0], clip: 0.5 }));
    expect(collected(source)).toEqual([
      [0, -1.5],
      [2, 1.5],
    ]);
  });

  test("single: 'error' makes a batch of one an error notification", () => {
    expect(() => collected(of(1).pipe(batchNorm({ single: 'error' })))).toThrow(/requires more than 1 row a batch/);
  });

  test('detail tells sample, value, statistics, nEff, ready and flags', () => {
    const samples = [
      [1, 10],
      [Number.NaN, 30],
      [3, Number.POSITIVE_INFINITY],
    ];
    marbles(({ cold, expectObservable }) => {
      const source = cold('ab-c----|', { a: samples[0], b: samples[1], c: samples[2] });
      const expected = '   ---(abc)|';
      const detail = (i: number, value: number[], flags: FlagName[]): Detail<number[]> => ({
        sample: samples[i],
        value,
        stats: { version: 1, time: 3, mean: [2, 20], std: [1, 10] },
        nEff: 2,
        ready: true,
        flags,
      });
      expectObservable(source.pipe(batchNorm({ size: 3, ...exact, detail: true }))).toBe(expected, {
        a: detail(0, [-1, -1], []),
        b: detail(1, [Number.NaN, 1], ['missing']),
        c: detail(2, [1, Number.NaN], ['overflow']),
      });
    });
    const [last] = collected(of(5).pipe(batchNorm({ detail: true })));
    expect(last).toMatchObject({ sample: 5, value: 0, nEff: 1, ready: false, flags: ['single'] });
  });

  test('renorm corrects batches after the first towards the moving statistics', () => {
    const options = { size: 2, alpha: 1, ...exact, renorm: { rMax: 9, dMax: 9 } };
    const z = collected(of(-1, 1, 4, 4).pipe(batchNorm(options)));
    expect(z).toEqual([-1, 1, 4 / Math.SQRT2, 4 / Math.SQRT2]);
  });

  test("missing: 'dropRow' leaves such rows out; they count for the size", () => {
    const samples = [1, Number.NaN, 3, Number.NaN, 5];
    expect(collected(from(samples).pipe(batchNorm({ size: 3, ...exact, missing: 'dropRow' })))).toEqual([-1, 1, 0]);
  });

  test("missing: 'mean' puts the mean in its place", () => {
    const samples = [1, Number.NaN, 3];
    expect(collected(from(samples).pipe(batchNorm({ size: 3, ...exact, missing: 'mean', bias: [5] })))).toEqual([
      4, 5, 6,
    ]);
  });

  test("missing: 'error' is an error notification, before which nothing of its batch is emitted", () => {
    const seen: number[] = [];
    const failing = from([1, 3, 5, Number.NaN]).pipe(batchNorm({ size: 2, missing: 'error' }));
    const failures: unknown[] = [];
    failing.subscribe({ next: (z) => seen.push(z), error: (error) => failures.push(error) });
    expect(seen).toHaveLength(2);
    expect(failures).toEqual([
      new RangeError(
        "BatchNorm.train requires a value of every feature (missing: 'error'), row 1 has none of feature 0",
      ),
    ]);
  });

  test('model is moved by every subscription and normalises by its own options', () => {
    const model = new BatchNorm({ features: 1, alpha: 0.5, eps: 0, weight: [10] });
    const z = of(1, 3).pipe(batchNorm({ size: 2, model }));
    expect([collected(z), collected(z)]).toEqual([
      [-10, 10],
      [-10, 10],
    ]);
    expect([model.batches, model.runningMean[0]]).toEqual([2, 1.5]);
  });

  test('a model with names reads records by them', () => {
    const model = new BatchNorm({ features: ['a'], eps: 0 });
    expect(collected(of({ a: 1 }, { a: 3 }).pipe(batchNorm({ size: 2, model })))).toEqual([{ a: -1 }, { a: 1 }]);
  });

  test('a model of another width is an error notification', () => {
    const source = of([1, 2]).pipe(batchNorm({ size: 1, model: new BatchNorm({ features: 3 }) }));
    expect(() => collected(source)).toThrow('batchNorm has a model of 3 features, the samples have 2');
  });

  test('a frozen model is not moved', () => {
    const model = new BatchNorm({ features: 1, eps: 0 }).freeze();
    expect(collected(of(1, 3).pipe(batchNorm({ size: 2, model })))).toEqual([-1, 1]);
    expect(model.batches).toBe(0);
  });
});

describe('edges', () => {
  const operator = batchNorm<number>({ size: 2, ...exact });

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one value comes out as 0', () => expect(collected(of(7).pipe(operator))).toEqual([0]));

  test('a source error drops the open batch', () => {
    marbles(({ cold, expectObservable }) => expectObservable(cold('a-#', { a: 1 }).pipe(operator)).toBe('--#'));
    expect(() => collected(throwError(() => new Error('lost')).pipe(operator))).toThrow('lost');
  });

  test('completion flushes the partial batch and learns it', () => {
    const model = new BatchNorm({ features: 1, alpha: 1, eps: 0 });
    expect(collected(of(1, 3, 5, 10, 30).pipe(batchNorm({ size: 3, model })))).toHaveLength(5);
    expect([model.batches, model.runningMean[0]]).toEqual([2, 20]);
  });

  test('early unsubscribe, also in the middle of a batch, unsubscribes the source', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a-b-c-', { a: 1, b: 3, c: 4 });
      expectObservable(source.pipe(batchNorm({ size: 3 })), '^---!').toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^---!');
    });
    expect(collected(of(1, 3, 5).pipe(batchNorm({ size: 3, ...exact }), take(2)))).toHaveLength(2);
  });

  test('re-subscription starts with fresh statistics', () => {
    const versions = of(1, 3).pipe(batchNorm({ size: 2, detail: true }));
    expect([collected(versions)[1].stats.version, collected(versions)[1].stats.version]).toEqual([1, 1]);
  });

  test('a re-entrant source: a batch closed from within next does not disturb the one being emitted', () => {
    const source = new Subject<number>();
    const seen: Detail<number>[] = [];
    source.pipe(batchNorm({ size: 2, ...exact, detail: true })).subscribe((detail) => {
      seen.push(detail);
      if (seen.length === 1) for (const x of [Number.NaN, 30]) source.next(x);
    });
    for (const x of [1, 3]) source.next(x);
    const inner = seen
      .filter(({ stats }) => stats.version === 2)
      .map(({ sample, value, nEff }) => [sample, value, nEff]);
    const outer = seen
      .filter(({ stats }) => stats.version === 1)
      .map(({ sample, value, nEff }) => [sample, value, nEff]);
    expect(outer).toEqual([
      [1, -1, 2],
      [3, 1, 2],
    ]);
    expect(inner).toEqual([
      [Number.NaN, Number.NaN, 1],
      [30, 0, 1],
    ]);
  });
});

test('the stream is what BatchNorm.train makes of its chunks', () => {
  const rows = fc.array(fc.tuple(readingOrNot, readingOrNot), { maxLength: 60 });
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 20 }), (samples, size) => {
      const model = new BatchNorm({ features: 2, alpha: 0.3 });
      const direct = new BatchNorm({ features: 2, alpha: 0.3 });
      const streamed = collected(from(samples).pipe(batchNorm<number[]>({ size, model })));
      expect(streamed).toEqual(chunksOf<number[]>(samples, [size]).flatMap((chunk) => direct.train(chunk)));
      expect(model.state()).toEqual(direct.state());
    }),
  );
});
