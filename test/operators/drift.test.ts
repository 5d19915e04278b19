import { EMPTY, from, NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { Adwin, adwin } from '../../src/core/adwin.ts';
import type { DriftDetectorFactory } from '../../src/core/drift-detector.ts';
import { pageHinkley } from '../../src/core/page-hinkley.ts';
import { drift } from '../../src/operators/drift.ts';
import type { DriftEvent } from '../../src/operators/drift-event.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const quick = pageHinkley({ threshold: 1, delta: 0, minSamples: 1, retain: 1 });

test('drift emits an event at the sample that shows a change, and nothing else', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('--a-a-a-b-b--|', { a: 0, b: 4 });
    const expected = '   --------e----|';
    const e: DriftEvent = {
      feature: 0,
      time: 8,
      index: 3,
      kind: 'increase',
      meanBefore: 0,
      meanAfter: 4,
      before: 3,
      after: 1,
      detector: 'pageHinkley',
    };
    expectObservable(source.pipe(drift(quick))).toBe(expected, { e });
  });
});

test('each feature has its own detector; events of one sample come in the order of the features', () => {
  const rows = [0, 0, 0, 4].map((x) => ({ id: 'k', up: x, still: 1, down: -x }));
  const events = collected(from(rows).pipe(drift(quick, { features: ['down', 'still', 'up'] })));
  expect(events.map(({ feature, kind, index }) => [feature, kind, index])).toEqual([
    ['down', 'decrease', 3],
    ['up', 'increase', 3],
  ]);
});

test('timeOf gives the time of the sample', () => {
  const rows = [0, 0, 0, 4].map((x, i) => ({ t: 1000 + i, x }));
  const options = { features: ['x'], timeOf: (r: { t: number }) => r.t };
  expect(collected(from(rows).pipe(drift(quick, options)))).toMatchObject([{ time: 1003 }]);
});

test('drift(adwin()) on a stream of arrays', () => {
  const rows = Array.from({ length: 256 }, (_, i) => [0.5, i < 128 ? 0.1 : 0.9]);
  const events = collected(from(rows).pipe(drift(adwin())));
  expect(events.map(({ feature, kind, index, detector }) => [feature, kind, index, detector])).toEqual([
    [1, 'increase', 159, 'adwin'],
  ]);
});

describe('edges', () => {
  const operator = drift<number>(quick);

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));
  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));
  test('one value makes no event', () => expect(collected(of(1).pipe(operator))).toEqual([]));

  test('a source error is handed on', () => {
    expect(() => collected(throwError(() => new Error('lost')).pipe(operator))).toThrow('lost');
  });

  test('records without features are an error notification', () => {
    expect(() => collected(of({ x: 1 }).pipe(drift(quick)))).toThrow(/^drift requires features/);
  });

  test('missing, infinite and odd samples are skipped, and counted in index', () => {
    const samples = [null, 0, Number.NaN, 0, Number.POSITIVE_INFINITY, 'text', 0, 4] as number[];
    expect(collected(from(samples).pipe(operator))).toMatchObject([{ index: 7, before: 3, after: 1 }]);
  });

  test('early unsubscribe unsubscribes the source', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a-a-a-', { a: 0 });
      expectObservable(source.pipe(operator), '^--!').toBe('----');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test('re-subscription starts anew', () => {
    const events$ = of(0, 0, 0, 4).pipe(operator);
    expect(collected(events$)).toHaveLength(1);
    expect(collected(events$)).toHaveLength(1);
  });

  test('a sample pushed from within next comes after the one that caused it', () => {
    const source = new Subject<number[]>();
    const seen: unknown[] = [];
    source.pipe(drift(quick)).subscribe(({ feature, index }) => {
      seen.push([feature, index]);
      if (seen.length === 1) source.next([9, 9]);
    });
    for (const x of [0, 0, 0, 4]) source.next([x, x]);
    expect(seen).toEqual([
      [0, 3],
      [1, 3],
    ]);
  });

  test('a throw of timeOf is an error notification', () => {
    const timeOf = () => {
      throw new Error('no time');
    };
    expect(() => collected(of(0, 0, 0, 4).pipe(drift(quick, { timeOf })))).toThrow('no time');
  });
});

test('any object that makes detectors will do', () => {
  const odd: DriftDetectorFactory = { kind: 'mine', create: () => new Adwin({ clock: 1, range: 0 }) };
  const values = Array.from({ length: 40 }, (_, i) => (i < 20 ? 0 : 1));
  expect(collected(from(values).pipe(drift(odd)))[0]).toMatchObject({ detector: 'mine', kind: 'increase' });
});

test.each<[string, () => unknown, RegExp]>([
  ['no detector', () => drift(undefined as never), /^drift requires a detector such as adwin\(\) .* got undefined$/],
  ['a detector instance', () => drift(new Adwin() as never), /^drift requires a detector such as adwin\(\)/],
  ['features 3', () => drift(quick, { features: 3 as never }), /^drift requires features to be a list/],
  ['timeOf 3', () => drift(quick, { timeOf: 3 as never }), /^drift requires timeOf to be a function, got 3/],
  ['a scheduler that is none', () => drift(quick, { scheduler: {} as never }), /^drift requires scheduler to have/],
  ['reset', () => drift(quick, { reset: true } as never), /^drift has no option 'reset'; it has features, timeOf,/],
])('%s throws at once', (_, call, message) => expect(call).toThrow(message));
