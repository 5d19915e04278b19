import fc from 'fast-check';
import { EMPTY, from, NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { frozen } from '../../src/core/frozen.ts';
import { denormalize } from '../../src/operators/denormalize.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { reading } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const ten = frozen<number>({ mean: [10], std: [2] });
const exact = { eps: 0 };

test('denormalize brings each value back at once', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('--z---y--|', { z: 2, y: -1 });
    const expected = '   --x---w--|';
    expectObservable(source.pipe(denormalize(ten, exact))).toBe(expected, { x: 14, w: 8 });
  });
});

describe('where the numbers come from', () => {
  test('an instance, as it is when a value passes', () => {
    const statistic = new Cumulative({ features: 1 });
    for (const x of [8, 12]) statistic.update([x]);
    expect(collected(of(1).pipe(denormalize(statistic, exact)))).toEqual([12]);
    for (const x of [0, 20]) statistic.update([x]);
    expect(collected(of(1).pipe(denormalize(statistic, exact)))).toEqual([10 + Math.sqrt(52)]);
  });

  test('an instance that has not learned two samples gives NaN', () => {
    expect(collected(of(1).pipe(denormalize(new Cumulative({ features: 1 }))))).toEqual([Number.NaN]);
  });

  test('a BatchNorm: its moving statistics, weight and bias', () => {
    const bn = new BatchNorm({ features: ['a'], alpha: 1, eps: 0, weight: [2], bias: [1] });
    bn.learn([{ a: 8 }, { a: 12 }]);
    const back = collected(from(bn.transform([{ a: 11, k: 'x' }])).pipe(denormalize(bn)));
    expect(back[0].k).toBe('x');
    expectClose(back[0].a, 11);
  });

  test('a BatchNorm without names reads records by features', () => {
    const bn = new BatchNorm({ features: 1, alpha: 1, eps: 0 });
    bn.learn([8, 12]);
    expectClose(collected(of({ a: 0 }).pipe(denormalize(bn, { features: ['a'] })))[0].a, 10);
  });

  test('the latest of an Observable of mean and variance; nothing is emitted before its first', () => {
    marbles(({ cold, hot, expectObservable }) => {
      const source = cold(' -a-b--c|', { a: 1, b: 1, c: 1 });
      const numbers = hot('--m--n--', { m: { mean: [10], variance: [4] }, n: { mean: [0], std: [3] } });
      const expected = '   ---x--y|';
      expectObservable(source.pipe(denormalize(numbers, exact))).toBe(expected, { x: 12, y: 3 });
    });
  });

  test('impossible numbers of an Observable are an error notification', () => {
    const impossible = of({ mean: [0], variance: [-1] });
    expect(() => collected(of(1).pipe(denormalize(impossible)))).toThrow(
      'frozen requires finite variances >= 0, got -1',
    );
  });
});

test('features picks the fields of records; without them it is an error notification', () => {
  const source = of({ a: 2, k: 'x' });
  const numbers = frozen<{ a: number; k: string }>({ mean: [10], std: [2] });
  expect(collected(source.pipe(denormalize(numbers, { ...exact, features: ['a'] })))).toEqual([{ a: 14, k: 'x' }]);
  expect(() => collected(source.pipe(denormalize(numbers)))).toThrow(/^denormalize requires features/);
});

test('a statistic of another width is an error notification', () => {
  const statistic = new Cumulative({ features: 3 });
  expect(() => collected(of([1, 2]).pipe(denormalize(statistic)))).toThrow(
    'denormalize has a statistic of 3 features, the samples have 2',
  );
});

test('missing and infinite values come out as NaN, samples of another form too', () => {
  const odd = [2, Number.NaN, Number.POSITIVE_INFINITY, null, 'text', [1]] as number[];
  const bn = new BatchNorm({ features: 1 });
  const expected = [expect.any(Number), ...new Array(5).fill(Number.NaN)];
  expect(collected(from(odd).pipe(denormalize(ten)))).toEqual(expected);
  expect(collected(from(odd).pipe(denormalize(bn)))).toEqual(expected);
});

describe('edges', () => {
  const operator = denormalize<number>(ten, exact);

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one value', () => expect(collected(of(0).pipe(operator))).toEqual([10]));

  test('a source error is handed on', () => {
    expect(() => collected(throwError(() => new Error('lost')).pipe(operator))).toThrow('lost');
  });

  test('completion flushes nothing: nothing is kept', () => {
    marbles(({ cold, expectObservable }) =>
      expectObservable(cold('a-|', { a: 0 }).pipe(operator)).toBe('a-|', { a: 10 }),
    );
  });

  test('early unsubscribe unsubscribes the source', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a---', { a: 0 });
      expectObservable(source.pipe(operator), '^--!').toBe('-a', { a: 10 });
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test('re-subscription may have another form', () => {
    const source = new Subject<number | number[]>();
    const seen: unknown[] = [];
    const values = source.pipe(denormalize<number | number[]>(frozen({ mean: [10], std: [2] }), exact));
    for (const sample of [2, [2]]) {
      const subscription = values.subscribe((value) => seen.push(value));
      source.next(sample);
      subscription.unsubscribe();
    }
    expect(seen).toEqual([14, [14]]);
  });

  test('a re-entrant source: a value pushed from within next is brought back too', () => {
    const source = new Subject<number>();
    const seen: number[] = [];
    source.pipe(operator).subscribe((x) => {
      if (seen.push(x) === 1) source.next(1);
    });
    source.next(2);
    expect(seen).toEqual([14, 12]);
  });
});

test('denormalize undoes normalize', () => {
  const given = fc.record({ mean: reading, std: fc.double({ min: 1e-3, max: 1e6, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(reading), given, (values, { mean, std }) => {
      const statistic = frozen<number>({ mean: [mean], std: [std] });
      const back = collected(from(values).pipe(normalize(statistic), denormalize(statistic)));
      expectClose(
        back.map((x) => x / 1e6),
        values.map((x) => x / 1e6),
        1e-9,
      );
    }),
  );
});
