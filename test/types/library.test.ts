import { from, type Observable, of } from 'rxjs';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  type BadSample,
  type Batch,
  BatchNorm,
  type BatchStats,
  batchBy,
  batchNorm,
  batchStats,
  Cumulative,
  cumulative,
  type Detail,
  denormalize,
  ewma,
  type FlagName,
  frozen,
  type MovingStats,
  movingStats,
  normalize,
  quarantine,
  type RowStatistics,
  type Rows,
} from '../../src/index.ts';

// The compiler checks these; running them only shows that the calls are legal.

interface Reading {
  t: number;
  x: number;
  id: string;
}

const readings: Observable<Reading> = from([{ t: 0, x: 1, id: 'a' }]);
const features = ['x'] as const;

describe('normalize', () => {
  test('on numbers gives numbers', () => {
    expectTypeOf(of(1, 2).pipe(normalize(cumulative()))).toEqualTypeOf<Observable<number>>();
    expectTypeOf(of(1, 2).pipe(normalize(ewma({ alpha: 0.1 })))).toEqualTypeOf<Observable<number>>();
    expectTypeOf(of(1, 2).pipe(normalize(frozen({ mean: [0], std: [1] })))).toEqualTypeOf<Observable<number>>();
    expectTypeOf(of(1, 2).pipe(normalize(new Cumulative({ features: 1 })))).toEqualTypeOf<Observable<number>>();
  });

  test('arrays, typed arrays and records keep their type', () => {
    expectTypeOf(of([1, 2]).pipe(normalize(cumulative()))).toEqualTypeOf<Observable<number[]>>();
    expectTypeOf(of(Float32Array.of(1)).pipe(normalize(cumulative()))).toEqualTypeOf<
      Observable<Float32Array<ArrayBuffer>>
    >();
    expectTypeOf(readings.pipe(normalize(cumulative(), { features }))).toEqualTypeOf<Observable<Reading>>();
  });

  test('detail: true gives Detail<S>', () => {
    const details = readings.pipe(normalize(cumulative(), { features, detail: true }));
    expectTypeOf(details).toEqualTypeOf<Observable<Detail<Reading>>>();
    expectTypeOf<Detail<Reading>['flags']>().toEqualTypeOf<FlagName[]>();
    expectTypeOf<Detail<number>['stats']>().toEqualTypeOf<RowStatistics>();
    expectTypeOf<RowStatistics>().toExtend<{ version: number; time: number; mean: number[]; std: number[] }>();
  });

  test('timeOf sees the sample', () => {
    const timed = ewma({ halfLife: '10s', timeOf: (reading: Reading) => reading.t });
    expectTypeOf(readings.pipe(normalize(timed, { features }))).toEqualTypeOf<Observable<Reading>>();
    // @ts-expect-error numbers have no field t
    of(1).pipe(normalize(timed));
  });

  test('momentum, unknown options and unknown units do not compile', () => {
    // @ts-expect-error two opposite meanings
    expect(() => ewma({ momentum: 0.1 })).toThrow();
    // @ts-expect-error a typo
    expect(() => normalize(cumulative(), { epsilon: 1 })).toThrow();
    // @ts-expect-error days are no unit
    expect(() => ewma({ halfLife: '3d' })).toThrow();
  });
});

test('weightOf sees the sample; options that belong together are checked when they are called', () => {
  const weighted = readings.pipe(normalize(cumulative(), { features, weightOf: (reading) => reading.t }));
  expectTypeOf(weighted).toEqualTypeOf<Observable<Reading>>();
  // @ts-expect-error there is no such field
  readings.pipe(normalize(cumulative(), { features, weightOf: (reading: Reading) => reading.w }));
  // @ts-expect-error no such word
  expect(() => normalize(cumulative(), { untilReady: 'drop' })).toThrow();
});

test('denormalize without a statistic takes details and gives samples', () => {
  const back = readings.pipe(normalize(cumulative(), { features, detail: true }), denormalize());
  expectTypeOf(back).toEqualTypeOf<Observable<Reading>>();
  const trained = of([1, 2]).pipe(batchNorm({ detail: true }), denormalize());
  expectTypeOf(trained).toEqualTypeOf<Observable<number[]>>();
});

test('quarantine keeps the type, and its side output tells it', () => {
  const onBad = (bad: BadSample<Reading>) => expectTypeOf(bad.sample.t).toBeNumber();
  expectTypeOf(readings.pipe(quarantine({ features, onBad }))).toEqualTypeOf<Observable<Reading>>();
});

test('batchNorm keeps the type of the samples, with detail a Detail of it', () => {
  expectTypeOf(of(1).pipe(batchNorm())).toEqualTypeOf<Observable<number>>();
  expectTypeOf(readings.pipe(batchNorm({ features, size: 8 }))).toEqualTypeOf<Observable<Reading>>();
  expectTypeOf(readings.pipe(batchNorm({ features, detail: true }))).toEqualTypeOf<Observable<Detail<Reading>>>();
});

test('two normalizers and a layer between them compose', () => {
  const twice = of([1, 2]).pipe(
    batchNorm({ size: 8 }),
    normalize(ewma()),
    denormalize(frozen({ mean: [0, 0], std: [1, 1] })),
  );
  expectTypeOf(twice).toEqualTypeOf<Observable<number[]>>();
});

test('batchBy, batchStats and movingStats', () => {
  expectTypeOf(readings.pipe(batchBy({ size: 2, features }))).toEqualTypeOf<Observable<Batch<Reading>>>();
  expectTypeOf(readings.pipe(batchBy({ within: '1s', features }), batchStats())).toEqualTypeOf<
    Observable<BatchStats>
  >();
  expectTypeOf(of(1).pipe(batchBy({ size: 2 }), batchStats(), movingStats())).toEqualTypeOf<Observable<MovingStats>>();
  expectTypeOf<Batch<number>>().toExtend<Rows>();
});

test('BatchNorm: rows come out as they went in', () => {
  const bn = new BatchNorm({ features: ['x'] });
  expectTypeOf(bn.train([{ t: 0, x: 1, id: 'a' }])).toEqualTypeOf<Reading[]>();
  expectTypeOf(bn.transform({ data: Float64Array.of(1), rows: 1, features: 1 })).toEqualTypeOf<Rows>();
  expectTypeOf(new BatchNorm({ features: 1 }).inverse([1, 2])).toEqualTypeOf<number[]>();
  // @ts-expect-error features is required
  expect(() => new BatchNorm({})).toThrow();
});
