import fc from 'fast-check';
import { concat, from, of, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { Cumulative, cumulative } from '../../src/core/cumulative.ts';
import { Ewma, ewma } from '../../src/core/ewma.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const exact = { eps: 0 };
const NONE = Number.NaN;
const timed = (samples: readonly (readonly [x: number, t: number])[]) => from(samples.map(([x, t]) => ({ x, t })));
const byTime = (halfLife = 1_000) =>
  ewma<{ x: number; t: number }>({ halfLife: `${halfLife}ms`, timeOf: ({ t }) => t });

describe("untilReady: 'hold'", () => {
  test('keeps rows back and emits them, in order, as soon as the statistics serve them', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('--a---b---c--|', { a: 1, b: 3, c: 4 });
      const expected = '   ------(ab)c--|';
      const held = source.pipe(normalize(cumulative(), { ...exact, untilReady: 'hold' }));
      expectObservable(held).toBe(expected, { a: -1, b: 1, c: 2 });
    });
  });

  test('minSamples says how long', () => {
    const z = collected(
      of(1, 3, 1, 3, 2).pipe(normalize(cumulative(), { ...exact, untilReady: 'hold', minSamples: 4 })),
    );
    expect(z).toEqual([-1, 1, -1, 1, 0]);
  });

  test('a row that is ready waits behind one that is not', () => {
    const samples = [
      [1, NONE],
      [3, NONE],
      [5, 10],
      [NONE, NONE],
      [7, 30],
    ];
    const seen: number[][] = [];
    const source = new Subject<number[]>();
    source.pipe(normalize(cumulative(), { ...exact, untilReady: 'hold' })).subscribe((z) => seen.push(z));
    for (const sample of samples.slice(0, 4)) source.next(sample);
    expect(seen).toEqual([
      [-1, NONE],
      [1, NONE],
    ]);
    source.next(samples[4]);
    expect(seen).toHaveLength(5);
    expect(seen.slice(2).map(([, b]) => b)).toEqual([-1, NONE, 1]);
  });

  test('past maxHeld the oldest leaves as it is, flagged notReady; nothing is lost', () => {
    const options = { ...exact, untilReady: 'hold', minSamples: 9, maxHeld: 2, detail: true } as const;
    const source = new Subject<number>();
    const seen: [number, string[]][] = [];
    source.pipe(normalize(cumulative(), options)).subscribe(({ sample, flags }) => seen.push([sample, flags]));
    for (const x of [1, 2, 3, 4]) source.next(x);
    expect(seen).toEqual([
      [1, ['notReady']],
      [2, ['notReady']],
    ]);
    source.complete();
    expect(seen.map(([x]) => x)).toEqual([1, 2, 3, 4]);
  });

  test('on completion what is held leaves, unready features as NaN', () => {
    const samples = [
      [1, 5],
      [3, NONE],
    ];
    const z = collected(from(samples).pipe(normalize(cumulative(), { ...exact, untilReady: 'hold' })));
    expect(z).toEqual([
      [-1, NONE],
      [1, NONE],
    ]);
    expect(collected(of(1).pipe(normalize(cumulative(), { untilReady: 'hold' })))).toEqual([NONE]);
  });

  test('when the source fails what is held is dropped', () => {
    const seen: number[] = [];
    const failing = concat(
      of(1),
      throwError(() => new Error('lost')),
    );
    failing
      .pipe(normalize(cumulative(), { untilReady: 'hold' }))
      .subscribe({ next: (z) => seen.push(z), error: () => {} });
    expect(seen).toEqual([]);
  });

  test('a sample pushed from within next leaves after those that were held', () => {
    const source = new Subject<number>();
    const seen: number[] = [];
    const operator = normalize<number>(cumulative(), { untilReady: 'hold', detail: true });
    source.pipe(operator).subscribe(({ sample }) => {
      if (seen.push(sample) === 1) source.next(9);
    });
    for (const x of [1, 3, 4]) source.next(x);
    expect(seen).toEqual([1, 3, 9, 4]);
  });

  test('samples before any that says how many features there are leave at once', () => {
    const samples = [null, 'text', 1, 3] as number[];
    const z = collected(from(samples).pipe(normalize(cumulative(), { ...exact, untilReady: 'hold' })));
    expect(z).toEqual([NONE, NONE, -1, 1]);
  });

  test('every row leaves, once and in order, whatever the feed and the bound', () => {
    const samples = fc.array(fc.tuple(readingOrNot, readingOrNot) as fc.Arbitrary<number[]>, { maxLength: 30 });
    fc.assert(
      fc.property(
        samples,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        (rows, maxHeld, minSamples) => {
          const options = { untilReady: 'hold', maxHeld, minSamples, detail: true } as const;
          const details = collected(from(rows).pipe(normalize(cumulative(), options)));
          expect(details.map(({ sample }) => sample)).toEqual(rows);
        },
      ),
    );
  });
});

test("untilReady: 'pass' hands x on as it is, without weight and bias, flagged notReady", () => {
  const options = { ...exact, untilReady: 'pass', weight: [2], bias: [1], detail: true } as const;
  const details = collected(of(1, 3, 4).pipe(normalize(cumulative(), options)));
  expect(details.map(({ value, ready, flags }) => [value, ready, flags])).toEqual([
    [1, false, ['notReady']],
    [3, false, ['notReady']],
    [5, true, []],
  ]);
});

test("untilReady: 'prior' normalises by given numbers until there are own ones", () => {
  const options = { ...exact, untilReady: 'prior', prior: { mean: [10], std: [2] }, clip: 4 } as const;
  const details = collected(of(14, -90, 4).pipe(normalize(cumulative(), { ...options, detail: true })));
  expect(details.map(({ value, flags }) => [value, flags])).toEqual([
    [2, ['notReady']],
    [-4, ['notReady', 'clipped']],
    [(4 + 38) / 52, []],
  ]);
});

test('with missing mean, a value that is missing before there are statistics has the mean of the prior, or none', () => {
  const samples = [NONE, 1, 3, NONE];
  const mean = { ...exact, missing: 'mean', bias: [7] } as const;
  expect(collected(from(samples).pipe(normalize(cumulative(), mean)))).toEqual([NONE, NONE, NONE, 7]);
  const prior = { untilReady: 'prior', prior: { mean: [1], std: [1] } } as const;
  expect(collected(from(samples).pipe(normalize(cumulative(), { ...mean, ...prior })))).toEqual([7, 7, 9, 7]);
});

describe('minSamples', () => {
  test('counts effective samples: those before a row', () => {
    const z = collected(of(1, 3, 1, 3, 4).pipe(normalize(cumulative(), { ...exact, minSamples: 4 })));
    expect(z).toEqual([NONE, NONE, NONE, NONE, 2]);
  });

  test('a variance needs two samples, whatever minSamples', () => {
    expect(collected(of(1, 3, 4).pipe(normalize(cumulative(), { ...exact, minSamples: 1 })))).toEqual([NONE, NONE, 2]);
  });

  test('is never reached where the rate forgets faster', () => {
    // nEff of alpha 0.5 tends to 3
    const z = collected(
      of(...Array.from({ length: 50 }, (_, i) => i % 3)).pipe(normalize(ewma({ alpha: 0.5 }), { minSamples: 4 })),
    );
    expect(z.every(Number.isNaN)).toBe(true);
  });

  test('a gap takes the statistics away again: of four samples, three 58 half-lives old, nEff is 1', () => {
    const gap = [
      [1, 0],
      [3, 1],
      [2, 2],
      [1e6, 58_000],
      [1e6 + 1, 58_001],
      [1e6 + 3, 58_002],
      [1e6, 58_003],
    ] as const;
    const options = { ...exact, features: ['x'], detail: true, minSamples: 2 } as const;
    const details = collected(timed(gap).pipe(normalize(byTime(), options)));
    // two samples of which one is a millisecond older weigh a little less than two
    expect(details.map(({ ready }) => ready)).toEqual([false, false, false, false, false, false, true]);
    expectClose(details[3].nEff, 1);
    const held = collected(timed(gap).pipe(normalize(byTime(), { ...options, untilReady: 'hold' })));
    expect(held.map(({ ready }) => ready)).toEqual(new Array(7).fill(true));
    expect(Math.max(...held.map(({ value }) => Math.abs(value.x)))).toBeLessThan(3);
  });

  test('by default a gap does so too, so that no 1e8 comes out', () => {
    const gap = [
      [1, 0],
      [3, 1],
      [2, 2],
      [500, 58_000],
      [501, 58_001],
      [502, 58_002],
      [501, 58_003],
    ] as const;
    const z = collected(timed(gap).pipe(normalize(byTime(), { ...exact, features: ['x'] }))).map(({ x }) => x);
    // the one that ends the gap is scored by what was before it
    expect(z.map(Number.isNaN)).toEqual([true, true, false, false, true, false, false]);
    expect(Math.max(...z.slice(5).map(Math.abs))).toBeLessThan(4);
  });

  test('a sample in an order that is kept makes no gap', () => {
    const z = collected(
      timed([
        [1, 0],
        [3, 900],
        [2, 1_800],
        [4, 2_700],
      ]).pipe(normalize(byTime(), { features: ['x'] })),
    );
    expect(z.map(({ x }) => Number.isNaN(x))).toEqual([true, true, false, false]);
  });

  test('a shared statistic that something else moves is asked again', () => {
    const shared = new Ewma({ features: 1, halfLife: '1s' });
    const source = new Subject<number>();
    const seen: number[] = [];
    source.pipe(normalize(shared, exact)).subscribe((z) => seen.push(z));
    for (const x of [1, 3, 2]) source.next(x);
    shared.update([77], Date.now() + 1e8);
    source.next(5);
    expect(seen.map(Number.isNaN)).toEqual([true, true, false, true]);
  });
});

test('frozen halfway, a statistic goes on scoring and stops learning', () => {
  const shared = new Cumulative({ features: 1 });
  const source = new Subject<number>();
  const seen: number[] = [];
  source.pipe(normalize(shared, exact)).subscribe((z) => seen.push(z));
  for (const x of [1, 3]) source.next(x);
  shared.freeze();
  for (const x of [4, 4, 4]) source.next(x);
  expect(seen.slice(2)).toEqual([2, 2, 2]);
});

test.each<[object, string | RegExp]>([
  [{ untilReady: 'prior' }, "normalize takes prior and untilReady 'prior' together, got untilReady 'prior' alone"],
  [
    { prior: { mean: [0], std: [1] } },
    "normalize takes prior and untilReady 'prior' together, got prior with untilReady 'null'",
  ],
  [{ maxHeld: 5 }, "normalize takes maxHeld only with untilReady 'hold', got 5"],
  [{ untilReady: 'prior', prior: { mean: [0] } }, /^normalize requires prior to have/],
  [{ untilReady: 'prior', prior: { mean: [0], variance: [-1] } }, /^normalize requires prior to have .* got -1$/],
])('%j throws at once', (options, message) => {
  expect(() => normalize(cumulative(), options)).toThrow(message);
});

test('a prior of another width is an error notification', () => {
  const options = { untilReady: 'prior', prior: { mean: [0], std: [1] } } as const;
  expect(() => collected(of([1, 2]).pipe(normalize(cumulative(), options)))).toThrow(
    'normalize requires prior to have 2 features, got 1',
  );
});
