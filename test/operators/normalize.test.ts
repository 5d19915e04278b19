import fc from 'fast-check';
import { EMPTY, from, NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { Cumulative, cumulative } from '../../src/core/cumulative.ts';
import { ewma } from '../../src/core/ewma.ts';
import { frozen } from '../../src/core/frozen.ts';
import type { Detail } from '../../src/operators/detail.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { unusable } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const exact = { eps: 0 };

test('normalize emits z of each sample at once, by the samples before it', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('--a---b-c--|    ', { a: 1, b: 3, c: 4 });
    const expected = '   --?---?-z--|    ';
    const actual = source.pipe(normalize(cumulative(), exact));
    expectObservable(actual).toBe(expected, { '?': Number.NaN, z: 2 });
  });
});

test('normalize emits 0 while the variance is 0, whatever x is', () => {
  expect(collected(of(5, 5, 5, 99).pipe(normalize(cumulative(), exact)))).toEqual([Number.NaN, Number.NaN, 0, 0]);
});

describe('what comes out has the form of what went in', () => {
  test('arrays', () => {
    const z = collected(of([1, 10], [3, 30], [4, 20]).pipe(normalize(cumulative(), exact)));
    expect(z[2]).toEqual([2, 0]);
  });

  test('typed arrays keep their kind, integers become Float64Array', () => {
    const floats = of(1, 3, 4).pipe(normalize(cumulative(), exact));
    expect(collected(floats)[2]).toBe(2);
    const [, , f32] = collected(from([1, 3, 4].map((x) => Float32Array.of(x))).pipe(normalize(cumulative(), exact)));
    expect(f32).toEqual(Float32Array.of(2));
    const [, , i8] = collected(from([1, 3, 4].map((x) => Int8Array.of(x))).pipe(normalize(cumulative(), exact)));
    expect(i8).toEqual(Float64Array.of(2));
  });

  test('records are copied with only the features replaced', () => {
    const records = [1, 3, 4].map((x) => ({ id: 'k', x, y: 7 }));
    const z = collected(from(records).pipe(normalize(cumulative(), { ...exact, features: ['x'] })));
    expect(z[2]).toEqual({ id: 'k', x: 2, y: 7 });
    expect(records[2]).toEqual({ id: 'k', x: 4, y: 7 });
  });

  test('records without features are an error notification that lists the numeric fields', () => {
    const message = /^normalize requires features: .* the first sample has the numeric fields x, y$/;
    expect(() => collected(of({ id: 'k', x: 1, y: 7 }).pipe(normalize(cumulative())))).toThrow(message);
  });
});

describe('options', () => {
  test('eps is added to the variance', () => {
    expect(collected(of(1, 3, 4).pipe(normalize(cumulative(), { eps: 3 })))[2]).toBe(1);
  });

  test('clip cuts z to ±clip and flags it', () => {
    const details = collected(of(1, 3, 4, -90).pipe(normalize(cumulative(), { ...exact, clip: 1.5, detail: true })));
    expect(details.slice(2).map(({ value, flags }) => [value, flags])).toEqual([
      [1.5, ['clipped']],
      [-1.5, ['clipped']],
    ]);
  });

  test('learn-then-score: the sample is among those it is scored by', () => {
    const z = collected(of(1, 3).pipe(normalize(cumulative(), { ...exact, order: 'learn-then-score' })));
    expect(z).toEqual([Number.NaN, 1]);
  });

  test('detail tells sample, value, version and time of the statistics, nEff, ready and flags', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('-a--b--c|', { a: 1, b: 3, c: 4 });
      const expected = '   -a--b--c|';
      const detail = (
        sample: number,
        value: number,
        version: number,
        time: number,
        known: boolean,
      ): Detail<number> => ({
        sample,
        value,
        stats: { version, time, mean: [known ? 2 : Number.NaN], std: [known ? 1 : Number.NaN] },
        nEff: version + 1,
        ready: known,
        flags: known ? [] : ['notReady'],
      });
      expectObservable(source.pipe(normalize(cumulative(), { ...exact, detail: true }))).toBe(expected, {
        a: detail(1, Number.NaN, 0, 1, false),
        b: detail(3, Number.NaN, 1, 4, false),
        c: detail(4, 2, 2, 7, true),
      });
    });
  });

  test('an instance is shared by all that use it', () => {
    const shared = new Cumulative({ features: 1 });
    collected(of(1, 3).pipe(normalize(shared)));
    expect(collected(of(4).pipe(normalize(shared, exact)))).toEqual([2]);
  });

  test('frozen statistics score from the first sample on', () => {
    expect(collected(of(14, 8).pipe(normalize(frozen({ mean: [10], std: [2] }), exact)))).toEqual([2, -1]);
  });
});

describe('data of any kind never ends the stream', () => {
  test('a sample of another form than the first comes out as NaN, flagged, and is not learned', () => {
    const samples = [[1, 10], [3, 30], 'text', [7], null, { a: 1 }, [4, 20]] as number[][];
    const details = collected(from(samples).pipe(normalize(cumulative(), { ...exact, detail: true })));
    for (const odd of details.slice(2, 6)) {
      expect(odd.value).toEqual([Number.NaN, Number.NaN]);
      expect(odd.flags).toContain('shape');
      expect(samples).toContain(odd.sample);
    }
    expect([details[6].value, details[6].stats.version]).toEqual([[2, 0], 2]);
  });

  test('a record of another form comes out as a record of NaN', () => {
    const samples = [{ x: 1 }, null, 'text', { y: 2 }] as { x: number }[];
    const z = collected(from(samples).pipe(normalize(cumulative(), { features: ['x'] })));
    expect(z.slice(1)).toEqual([{ x: Number.NaN }, { x: Number.NaN }, { x: Number.NaN, y: 2 }]);
  });

  test('before any sample says how many features there are, NaN comes out, with detail as a Detail', () => {
    const samples = [null, 'text', 1, 3] as number[];
    expect(collected(from(samples).pipe(normalize(cumulative())))).toEqual(new Array(4).fill(Number.NaN));
    const [first] = collected(from(samples).pipe(normalize(cumulative(), { detail: true })));
    expect(first).toMatchObject({
      sample: null,
      value: Number.NaN,
      ready: false,
      nEff: 0,
      flags: ['notReady', 'shape'],
    });
  });
});

describe('edges', () => {
  const operator = normalize<number>(cumulative(), exact);

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one value is NaN: two samples make the first variance', () =>
    expect(collected(of(1).pipe(operator))).toEqual([Number.NaN]));

  test('a source error is handed on', () => {
    expect(() => collected(throwError(() => new Error('lost')).pipe(operator))).toThrow('lost');
  });

  test('a throw of timeOf is an error notification', () => {
    const throwing = ewma<number>({
      halfLife: '1s',
      timeOf: () => {
        throw new Error('no time');
      },
    });
    expect(() => collected(of(1).pipe(normalize(throwing)))).toThrow('no time');
  });

  test('early unsubscribe unsubscribes the source', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a-b-c-', { a: 1, b: 3, c: 4 });
      expectObservable(source.pipe(operator), '^---!').toBe('-a-b', { a: Number.NaN, b: Number.NaN });
      expectSubscriptions(source.subscriptions).toBe('^---!');
    });
  });

  test('re-subscription starts anew', () => {
    const z$ = of(1, 3, 4).pipe(operator);
    expect(collected(z$)).toEqual(collected(z$));
  });

  test('a re-entrant source: a sample pushed from within next is normalised after the one that caused it', () => {
    const source = new Subject<number>();
    const seen: number[] = [];
    source.pipe(operator).subscribe((z) => {
      seen.push(z);
      if (seen.length === 3) source.next(2);
    });
    for (const x of [1, 3, 4]) source.next(x);
    expectClose(seen, [Number.NaN, Number.NaN, 2, (2 - 8 / 3) / Math.sqrt(14 / 9)]);
  });
});

test('every z is what a naive statistic of the samples before says', () => {
  // whole numbers: equal ones have no spread here and there, so both agree on what is constant
  const sample = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: -1000, max: 1000 }) },
    { weight: 1, arbitrary: unusable },
  );
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 40 }), (values) => {
      expectClose(collected(from(values).pipe(normalize(cumulative(), exact))), values.map(naive));
    }),
  );

  function naive(x: number, i: number, values: readonly number[]): number {
    const before = values.slice(0, i).filter((y) => Math.abs(y) <= 1000);
    if (!(Math.abs(x) <= 1000) || before.length < 2) return Number.NaN;
    const mean = before.reduce((sum, y) => sum + y, 0) / before.length;
    const variance = before.reduce((sum, y) => sum + (y - mean) ** 2, 0) / before.length;
    return before.every((y) => y === before[0]) ? 0 : (x - mean) / Math.sqrt(variance);
  }
});
