import fc from 'fast-check';
import { from, of } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { Cumulative, cumulative } from '../../src/core/cumulative.ts';
import { ewma } from '../../src/core/ewma.ts';
import { frozen } from '../../src/core/frozen.ts';
import type { StatisticFactory } from '../../src/core/statistic.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { reading } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';

const exact = { eps: 0 };
const NONE = Number.NaN;

describe('weight and bias', () => {
  test('follow clip, feature by feature; a feature without spread is its bias', () => {
    const options = { ...exact, clip: 1.5, weight: [10, 2], bias: [1, -1] };
    const z = collected(of([1, 5], [3, 5], [4, 5]).pipe(normalize(cumulative(), options)));
    expect(z[2]).toEqual([16, -1]);
  });

  test('of another width are an error notification', () => {
    const normalized = of([1, 2]).pipe(normalize(cumulative(), { weight: [1] }));
    expect(() => collected(normalized)).toThrow('normalize requires weight to have 2 values, got 1');
  });
});

describe('missing', () => {
  const rows = [
    [1, 10],
    [3, 30],
    [NONE, 40],
    [4, 20],
  ];

  test("'mean' comes out as 0, and is not learned", () => {
    const z = collected(from(rows).pipe(normalize(cumulative(), { ...exact, missing: 'mean' })));
    expect(z.slice(2)).toEqual([
      [0, 2],
      [2, expect.any(Number)],
    ]);
  });

  test("'dropRow' leaves the row out of output and statistics", () => {
    const dropped = collected(from(rows).pipe(normalize(cumulative(), { ...exact, missing: 'dropRow' })));
    const without = collected(from(rows.filter(([a]) => !Number.isNaN(a))).pipe(normalize(cumulative(), exact)));
    expect(dropped).toEqual(without);
    const odd = [null, [1, 2], 'text', [3]] as number[][];
    expect(collected(from(odd).pipe(normalize(cumulative(), { missing: 'dropRow' })))).toHaveLength(1);
  });

  test("'error' is an error notification that names the feature; the statistics have not moved", () => {
    const shared = new Cumulative({ features: 2 });
    const normalized = from(rows.map(([a, b]) => ({ a, b }))).pipe(
      normalize(shared, { features: ['a', 'b'], missing: 'error' }),
    );
    expect(() => collected(normalized)).toThrow(
      new RangeError("normalize requires a value of every feature (missing: 'error'), the sample has none of a"),
    );
    expect(shared.version).toBe(2);
    expect(() => collected(of(null as unknown as number).pipe(normalize(cumulative(), { missing: 'error' })))).toThrow(
      /the sample has none of feature 0$/,
    );
  });

  test('an infinite value is no missing one: NaN, flagged, whatever missing says', () => {
    for (const missing of ['nan', 'mean', 'dropRow', 'error'] as const) {
      const options = { ...exact, missing, detail: true } as const;
      const details = collected(of(1, 3, Number.POSITIVE_INFINITY).pipe(normalize(cumulative(), options)));
      expect([details[2].value, details[2].flags]).toEqual([NONE, ['overflow']]);
    }
  });
});

describe('weightOf', () => {
  const weighted = (pairs: [number, unknown][]) => from(pairs.map(([x, w]) => ({ x, w: w as number })));
  const weightOf = ({ w }: { w: number }) => w;
  const options = { ...exact, features: ['x'], weightOf } as const;

  test('weighs a sample in the statistics', () => {
    const z = collected(
      weighted([
        [1, 3],
        [5, 1],
        [4, 1],
      ]).pipe(normalize(cumulative(), options)),
    );
    expect(z[2].x).toBe(2 / Math.sqrt(3));
  });

  test('weight 0 is scored and not learned', () => {
    const z = collected(
      weighted([
        [1, 1],
        [3, 1],
        [4, 0],
        [4, 0],
      ]).pipe(normalize(ewma({ alpha: 0.5 }), options)),
    );
    expect(z[2]).toEqual(z[3]);
    expect(z[2].x).toBeGreaterThan(0);
  });

  test.each([-1, NONE, Number.POSITIVE_INFINITY, 'much', undefined, null])(
    'weight %s is scored, flagged and not learned',
    (w) => {
      const details = collected(
        weighted([
          [1, 1],
          [3, 1],
          [4, w],
          [4, 1],
        ]).pipe(normalize(cumulative(), { ...options, detail: true })),
      );
      expect(details[2]).toMatchObject({ value: { x: 2 }, flags: ['weight'], ready: true });
      expect(details[3]).toMatchObject({ value: { x: 2 }, flags: [], stats: { version: 2 } });
    },
  );

  test('frozen takes any weight, and learns from none', () => {
    const z = collected(weighted([[14, 5]]).pipe(normalize(frozen({ mean: [10], std: [2] }), options)));
    expect(z[0].x).toBe(2);
  });

  test('a statistic that has no weights throws at once', () => {
    const made = new Cumulative({ features: 1 });
    const plain: StatisticFactory = { kind: 'plain', create: () => made };
    expect(() => normalize(plain, { weightOf: () => 1 })).toThrow(
      'normalize takes weightOf with a statistic that has weights, such as ewma() or cumulative(), got plain()',
    );
  });
});

describe('maxFeatures', () => {
  test('a feature that appears later is NaN at first and has its own count; an absent one keeps its state', () => {
    const records = [{ a: 1 }, { a: 3, b: 10 }, { b: 30 }, { a: 4, b: 40 }, { b: 20, id: 'k' }] as object[];
    const z = collected(from(records).pipe(normalize(cumulative<object>(), { ...exact, maxFeatures: 5 })));
    expect(z.slice(0, 4)).toEqual([{ a: NONE }, { a: NONE, b: NONE }, { b: NONE }, { a: 2, b: 2 }]);
    expect(z[4]).toEqual({ b: expect.any(Number), id: 'k' });
  });

  test('each feature is as it would be alone', () => {
    const names = ['a', 'b', 'c'];
    const record = fc.dictionary(fc.constantFrom(...names), reading, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 30 }), (records) => {
        const z = collected(from(records).pipe(normalize(ewma({ alpha: 0.3 }), { maxFeatures: 3 })));
        for (const name of names) {
          const alone = records.flatMap((r) => (name in r ? [r[name]] : []));
          const together = z.flatMap((r) => (name in r ? [r[name]] : []));
          expect(together).toEqual(collected(from(alone).pipe(normalize(ewma({ alpha: 0.3 })))));
        }
        expect(z.map((r) => Object.keys(r))).toEqual(records.map((r) => Object.keys(r)));
      }),
    );
  });

  test('fields beyond the bound are NaN, flagged excess, and never become features', () => {
    const records = [{ a: 1, b: 1 }, { a: 3, b: 3, c: 5 }, { c: 7, a: 4 }, { b: 4 }];
    const options = { ...exact, maxFeatures: 2, detail: true } as const;
    const details = collected(from(records as object[]).pipe(normalize(cumulative<object>(), options)));
    expect(details.map(({ value }) => value)).toEqual([
      { a: NONE, b: NONE },
      { a: NONE, b: NONE, c: NONE },
      { c: NONE, a: 2 },
      { b: 2 },
    ]);
    expect(details.map(({ flags }) => flags.includes('excess'))).toEqual([false, true, true, false]);
  });

  test('details tell of the features that the record has', () => {
    const records = [{ a: 1, b: 5 }, { a: 3 }, { b: 9, a: null }, { b: 8 }] as object[];
    const options = { ...exact, maxFeatures: 2, detail: true } as const;
    const details = collected(from(records).pipe(normalize(cumulative<object>(), options)));
    expect(details[2]).toMatchObject({ value: { b: NONE, a: NONE }, flags: ['missing', 'notReady'] });
    expect(details[2].stats.features).toEqual(['b', 'a']);
    expect(details[3]).toMatchObject({ value: { b: 0.5 }, nEff: 3, flags: [] });
    expect(details[3].stats).toMatchObject({ features: ['b'], mean: [7], std: [2] });
  });

  test('absent is not missing: only a field that is there without a value is', () => {
    const records = [{ a: 1 }, { a: 3, b: 1 }, { b: null }, { a: 4 }] as object[];
    const dropped = normalize(cumulative<object>(), { ...exact, maxFeatures: 2, missing: 'dropRow' });
    expect(collected(from(records).pipe(dropped))).toEqual([{ a: NONE }, { a: NONE, b: NONE }, { a: 2 }]);
    const failing = normalize(cumulative<object>(), { maxFeatures: 2, missing: 'error' });
    expect(() => collected(from(records).pipe(failing))).toThrow(/the sample has none of b$/);
  });

  test('what is no record comes out as an empty one, and __proto__ is no feature', () => {
    const odd = [{ a: 1 }, null, 'text', [1], JSON.parse('{"__proto__": 5, "a": 3}'), { a: 4 }] as object[];
    const z = collected(from(odd).pipe(normalize(cumulative<object>(), { ...exact, maxFeatures: 9 })));
    expect(z.slice(1, 4)).toEqual([{}, {}, {}]);
    expect(Object.getPrototypeOf(z[4])).toBe(Object.prototype);
    expect(z[5]).toEqual({ a: 2 });
  });

  test.each<[() => unknown, string | RegExp]>([
    [
      () => normalize(cumulative(), { maxFeatures: 2, features: ['a'] }),
      'normalize takes maxFeatures or features, not both',
    ],
    [() => normalize(cumulative(), { maxFeatures: 2, weight: [1] }), 'normalize takes maxFeatures or weight, not both'],
    [() => normalize(new Cumulative({ features: 2 }), { maxFeatures: 2 }), /maxFeatures with a factory such as ewma/],
    [() => collected(of(1).pipe(normalize(cumulative(), { maxFeatures: 2 }))), /takes maxFeatures for records only/],
  ])('%s throws', (call, message) => expect(call).toThrow(message));
});

test('options change nothing but what they say: each that is at its default gives the plain numbers', () => {
  const defaults = [
    { missing: 'nan' },
    { untilReady: 'null' },
    { weight: [1, 1] },
    { bias: [0, 0] },
    { minSamples: 1 },
    { detail: true },
    { weightOf: () => 1 },
  ] as const;
  const rows = fc.array(fc.tuple(reading, reading) as fc.Arbitrary<number[]>, { maxLength: 30 });
  fc.assert(
    fc.property(rows, fc.constantFrom(...defaults), (samples, option) => {
      const plain = collected(from(samples).pipe(normalize(cumulative())));
      const same = collected(from(samples).pipe(normalize<number[]>(cumulative(), option as object))) as unknown[];
      const values = same.map((row) => ('value' in (row as object) ? (row as { value: number[] }).value : row));
      expectClose(values as number[][], plain, 0);
    }),
  );
});
