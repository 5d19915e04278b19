import fc from 'fast-check';
import { from, map, of } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative, cumulative } from '../../src/core/cumulative.ts';
import { ewma } from '../../src/core/ewma.ts';
import { frozen } from '../../src/core/frozen.ts';
import type { StatisticFactory } from '../../src/core/statistic.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { denormalize } from '../../src/operators/denormalize.ts';
import type { Detail } from '../../src/operators/detail.ts';
import { type NormalizeOptions, normalize } from '../../src/operators/normalize.ts';
import { reading } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';

const exact = { eps: 0 };

test('each row is brought back by the statistics it was made with, however far they have moved on', () => {
  const details = collected(of(1, 3, 4, 1000, -5).pipe(normalize(cumulative(), { ...exact, detail: true })));
  expectClose(collected(from(details).pipe(denormalize())), [Number.NaN, Number.NaN, 4, 1000, -5]);
  expect(details[2].stats).toMatchObject({ version: 2, mean: [2], std: [1] });
});

test('what is brought back is the value: another one than was made, too', () => {
  const predicted = of(8, 12, 10).pipe(
    normalize(cumulative(), { ...exact, detail: true }),
    map((row) => ({ ...row, value: row.value + 1 })),
    denormalize(),
  );
  expect(collected(predicted)[2]).toBe(12);
});

test('details survive JSON', () => {
  const options = { ...exact, features: ['a'], weight: [3], bias: [1], detail: true } as const;
  const rows = [
    { a: 1, k: 'x' },
    { a: 3, k: 'y' },
    { a: 9, k: 'z' },
  ];
  const sent = collected(from(rows).pipe(normalize(cumulative(), options))).slice(2);
  const received = JSON.parse(JSON.stringify(sent)) as Detail<{ a: number; k: string }>[];
  expectClose(
    collected(from(received).pipe(denormalize())).map(({ a }) => a),
    [9],
  );
});

describe('records', () => {
  test('by the names that the row says', () => {
    const rows = [
      { a: 1, k: 'x' },
      { a: 3, k: 'y' },
      { a: 9, k: 'z' },
    ];
    const back = from(rows).pipe(normalize(cumulative(), { features: ['a'], detail: true }), denormalize());
    expect(collected(back)[2].k).toBe('z');
  });

  test('whose fields appear and vanish', () => {
    const rows = [{ a: 1, b: 5 }, { b: 7 }, { a: 3 }, {}, { b: 9, a: 4 }] as object[];
    const back = from(rows).pipe(
      normalize(cumulative<object>(), { ...exact, maxFeatures: 3, detail: true }),
      denormalize(),
    );
    expect(collected(back).slice(3)).toEqual([{}, { b: 9, a: 4 }]);
  });
});

describe('edges', () => {
  test('a row without statistics is NaN, as is one of another form and one before any that says what a row looks like', () => {
    const odd = [null, [1, 2], 'text', [3, 4]] as number[][];
    const back = collected(from(odd).pipe(normalize(cumulative(), { detail: true }), denormalize()));
    expect(back).toEqual([Number.NaN, ...new Array(3).fill([Number.NaN, Number.NaN])]);
  });

  test('a feature without spread comes back as its mean', () => {
    const back = of(5, 5, 5).pipe(normalize(cumulative(), { detail: true }), denormalize());
    expect(collected(back)[2]).toBe(5);
  });

  test('a weight of 0 loses x: NaN', () => {
    const back = of(1, 3, 4).pipe(normalize(cumulative(), { weight: [0], detail: true }), denormalize());
    expect(collected(back)[2]).toBe(Number.NaN);
  });

  test.each([5, null, { value: 3 }, { value: 3, stats: {} }])(
    '%j, which is no Detail, is an error notification',
    (row) => {
      const back = of(row as unknown as Detail<number>).pipe(denormalize());
      expect(() => collected(back)).toThrow(
        /^denormalize without a statistic requires the rows that detail: true makes/,
      );
    },
  );

  test('undefined in place of a statistic throws: it is not the same as none', () => {
    expect(() => denormalize(undefined as never)).toThrow(/requires a statistic that has numbers/);
  });
});

describe('the inverse of the transform is the identity', () => {
  const samples = fc.array(fc.tuple(reading, reading) as fc.Arbitrary<number[]>, { minLength: 1, maxLength: 25 });
  const statistics: [string, () => StatisticFactory<number[]>][] = [
    ['cumulative', cumulative],
    ['ewma', () => ewma({ alpha: 0.2 })],
    ['ewma by time', () => ewma({ halfLife: '1s', timeOf: ([t]) => Math.abs(t) })],
    ['frozen', () => frozen({ mean: [5, -7], std: [1e3, 2e5] })],
  ];
  const variants: [string, NormalizeOptions<number[]>][] = [
    ['plain', {}],
    ['learn-then-score', { order: 'learn-then-score' }],
    ['weight and bias', { weight: [3, -0.5], bias: [1, 100] }],
    ['pass', { untilReady: 'pass', weight: [3, -0.5], bias: [1, 100] }],
    ['prior', { untilReady: 'prior', prior: { mean: [1, 2], std: [1e5, 1e6] } }],
    ['hold', { untilReady: 'hold', minSamples: 3 }],
    ['weights', { weightOf: ([x]) => Math.abs(x) }],
  ];
  const cases = statistics.flatMap(([name, make]) =>
    variants.map(([what, options]) => [name, what, make, options] as const),
  );

  test.each(cases)('%s, %s', (_, __, make, options) => {
    fc.assert(
      fc.property(samples, (rows) => {
        const details = collected(from(rows).pipe(normalize(make(), { ...options, eps: 1e-3, detail: true })));
        const back = collected(from(details).pipe(denormalize()));
        for (const [i, { value, flags, sample }] of details.entries()) {
          if (flags.includes('constant')) continue; // has lost what x was
          const known = value.map((y, j) => (Number.isNaN(y) ? Number.NaN : sample[j]));
          expectClose(
            back[i].map((x) => x / 1e6),
            known.map((x) => x / 1e6),
            1e-9,
          );
        }
      }),
    );
  });

  test.each([
    ['plain', {}],
    ['renorm', { renorm: {} }],
    ['weight and bias', { weight: [3, -0.5], bias: [1, 100], renorm: {} }],
  ])('batchNorm, %s', (_, options) => {
    fc.assert(
      fc.property(samples, (rows) => {
        const details = collected(
          from(rows).pipe(batchNorm({ size: 4, eps: 1e-3, alpha: 0.3, ...options, detail: true })),
        );
        const back = collected(from(details).pipe(denormalize()));
        for (const [i, { sample }] of details.entries()) {
          expectClose(
            back[i].map((x) => x / 1e6),
            sample.map((x) => x / 1e6),
            1e-9,
          );
        }
      }),
    );
  });
});

test('denormalize by a statistic undoes weight and bias', () => {
  const statistic = new Cumulative({ features: 1 });
  for (const x of [8, 12]) statistic.update([x]);
  expect(collected(of(7).pipe(denormalize(statistic, { ...exact, weight: [3], bias: [1] })))).toEqual([14]);
  expect(() => denormalize(new BatchNorm({ features: 1 }), { weight: [1] })).toThrow(
    'denormalize takes weight from the BatchNorm, not as an option',
  );
});
