import fc from 'fast-check';
import {
  concat,
  concatMap,
  delay,
  EMPTY,
  from,
  ignoreElements,
  map,
  NEVER,
  type OperatorFunction,
  of,
  Subject,
  scan,
  take,
  tap,
} from 'rxjs';
import { describe, expect, test } from 'vitest';
import { Cumulative, cumulative } from '../../src/core/cumulative.ts';
import { Ewma, type EwmaState, ewma } from '../../src/core/ewma.ts';
import { minMax } from '../../src/core/min-max.ts';
import { movingBatch } from '../../src/core/moving-batch.ts';
import { robust } from '../../src/core/robust.ts';
import { rolling } from '../../src/core/rolling.ts';
import type { StatisticFactory } from '../../src/core/statistic.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { type NormalizeOptions, normalize } from '../../src/operators/normalize.ts';
import { type Eviction, perKey } from '../../src/operators/per-key.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const firstLetter = (text: string) => text[0];
/** Numbers the samples of a key from 1. */
const counted = (): OperatorFunction<string, string> =>
  scan((last, text) => text[0] + (Number(last.slice(1)) + 1), 'x0');

test('perKey gives each key an operator of its own, and emits at once what it emits', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('--a-b-a-b-a--|');
    const expected = '   --1-2-3-4-5--|';
    const values = { '1': 'a1', '2': 'b1', '3': 'a2', '4': 'b2', '5': 'a3' };
    expectObservable(source.pipe(perKey(firstLetter, counted))).toBe(expected, values);
  });
});

test('perKey(normalize) scores each key by its own samples', () => {
  const rows = [1, 3, 4].flatMap((x) => [
    { k: 'a', x },
    { k: 'b', x: -100 * x },
  ]);
  const operator = () => normalize<{ k: string; x: number }>(cumulative(), { eps: 0, features: ['x'] });
  const z = collected(from(rows).pipe(perKey((row) => row.k, operator)));
  expect(z.slice(4)).toEqual([
    { k: 'a', x: 2 },
    { k: 'b', x: -2 },
  ]);
});

describe('maxKeys', () => {
  test('the key unused for longest is evicted when a new one comes', () => {
    const evicted: unknown[] = [];
    const source = of('a', 'b', 'a', 'c', 'b', 'a');
    const onEvict = ({ key, reason, evictions }: Eviction<string, unknown>) => evicted.push([key, reason, evictions]);
    expect(collected(source.pipe(perKey(firstLetter, counted, { maxKeys: 2, onEvict })))).toEqual([
      'a1',
      'b1',
      'a2',
      'c1',
      'b1',
      'a1',
    ]);
    expect(evicted).toEqual([
      ['b', 'maxKeys', 1],
      ['a', 'maxKeys', 2],
      ['c', 'maxKeys', 3],
    ]);
  });

  test('an evicted operator completes: a partial batch leaves before the new key has its operator', () => {
    const source = of(['a', 1], ['b', 5], ['a', 3], ['c', 7]) as never;
    const operator = () => (samples: typeof source) =>
      (samples as never as Subject<[string, number]>).pipe(
        map(([, x]) => x),
        batchNorm({ size: 3, eps: 0 }),
      );
    expect(
      collected((source as never as typeof NEVER).pipe(perKey((s) => s[0], operator as never, { maxKeys: 2 }))),
    ).toEqual([0, -1, 1, 0]);
  });

  test('what a key had learned is handed back when it returns', () => {
    interface Reading {
      k: string;
      x: number;
    }
    const rows = Array.from({ length: 60 }, (_, i): Reading => ({ k: 'abc'[(i * 7) % 3], x: i ** 1.5 }));
    const saved = new Map<string, EwmaState>();
    const restored: string[] = [];
    const operatorOf = (key: string, state?: EwmaState) => {
      if (state !== undefined) restored.push(key);
      const statistic = state === undefined ? new Ewma({ features: 1, alpha: 0.3 }) : Ewma.from(state);
      return { operator: normalize<Reading>(statistic, { features: ['x'] }), state: () => statistic.state() };
    };
    const roomForOne = perKey((r: Reading) => r.k, operatorOf, {
      maxKeys: 1,
      onEvict: ({ key, state }) => {
        if (state !== undefined) saved.set(key, state);
      },
      restore: (key) => saved.get(key),
    });
    const roomForAll = perKey((r: Reading) => r.k, operatorOf);
    expect(collected(from(rows).pipe(roomForOne))).toEqual(collected(from(rows).pipe(roomForAll)));
    expect(restored.length).toBe(57);
  });

  test('the state is asked for once the operator has completed', () => {
    const learned: number[] = [];
    const operatorOf = () => {
      const statistic = new Cumulative({ features: 1 });
      const late = (samples: Subject<number>) =>
        concat(samples.pipe(ignoreElements()), of(1)).pipe(tap(() => statistic.update([1])));
      return { operator: late as never as OperatorFunction<number, number>, state: () => statistic.count[0] };
    };
    const onEvict = ({ state }: Eviction<number, number>) => learned.push(state as number);
    collected(of(1, 2).pipe(perKey((x) => x, operatorOf, { maxKeys: 1, onEvict })));
    expect(learned).toEqual([1]);
  });
});

describe('idle', () => {
  test('a key that was unused for so long is evicted, at that time', () => {
    marbles(({ cold, expectObservable }) => {
      const evicted = new Subject<string>();
      const source = cold('a-b-a-------a--|');
      const results = '    1-2-3-------4--|';
      const evictions = '  -------b-e------';
      const operator = perKey(firstLetter, counted, {
        idle: 5,
        onEvict: ({ key, reason }) => evicted.next(`${key} ${reason}`),
      });
      expectObservable(evicted).toBe(evictions, { b: 'b idle', e: 'a idle' });
      expectObservable(source.pipe(operator)).toBe(results, { '1': 'a1', '2': 'b1', '3': 'a2', '4': 'a1' });
    });
  });

  test('no timer outlives the subscription', () => {
    marbles(({ cold, expectObservable, flush }) => {
      const evicted: string[] = [];
      const operator = perKey(firstLetter, counted, { idle: 5, onEvict: ({ key }) => evicted.push(key) });
      expectObservable(cold('a-b|').pipe(operator)).toBe('1-2|', { '1': 'a1', '2': 'b1' });
      expectObservable(cold('a-b').pipe(operator), '^---!').toBe('1-2', { '1': 'a1', '2': 'b1' });
      flush();
      expect(evicted).toEqual([]);
    });
  });
});

describe('edges', () => {
  const operator = perKey(firstLetter, counted);

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));
  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));
  test('one value', () => expect(collected(of('a').pipe(operator))).toEqual(['a1']));

  test('a source error is handed on, what operators held back is dropped', () => {
    marbles(({ cold, expectObservable }) => {
      const held = perKey(
        (x: string) => x,
        () => batchNorm({ size: 2 }) as never as OperatorFunction<string, string>,
      );
      expectObservable(cold('a-#').pipe(held)).toBe('--#');
    });
  });

  test('on completion each operator emits what it held back, keys in the order in which they came', () => {
    const rows = [
      { k: 'b', x: 1 },
      { k: 'a', x: 1 },
      { k: 'b', x: 3 },
    ];
    const inner = () => batchNorm<{ k: string; x: number }>({ size: 10, eps: 0, features: ['x'] });
    expect(collected(from(rows).pipe(perKey((r) => r.k, inner)))).toEqual([
      { k: 'b', x: -1 },
      { k: 'b', x: 1 },
      { k: 'a', x: 0 },
    ]);
  });

  test('it completes after the operators have, those of evicted keys included', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a-b|');
      const late = perKey(firstLetter, (): OperatorFunction<string, string> => (s) => s.pipe(delay(5)), { maxKeys: 1 });
      expectObservable(source.pipe(late)).toBe('-----a-(b|)');
    });
  });

  test('an error of one operator is the error of all, and unsubscribes the source and the others', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a-b-c-');
      const failing = perKey(
        firstLetter,
        (key): OperatorFunction<string, string> =>
          map((x) => {
            if (key === 'b') throw 'bad key';
            return x;
          }),
      );
      expectObservable(source.pipe(failing)).toBe('-a-#', undefined, 'bad key');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test.each<[string, () => OperatorFunction<string, string>]>([
    ['keyOf', () => perKey(thrower, counted)],
    ['operatorOf', () => perKey(firstLetter, thrower)],
    ['onEvict', () => perKey(firstLetter, counted, { maxKeys: 1, onEvict: thrower })],
    ['restore', () => perKey(firstLetter, counted, { restore: thrower })],
  ])('a throw of %s is an error notification', (_, make) => {
    expect(() => collected(of('a', 'b').pipe(make()))).toThrow('thrown');
  });

  test('an operatorOf that returns none is an error notification that says so', () => {
    expect(() => collected(of('a').pipe(perKey(firstLetter, () => 5 as never)))).toThrow(
      /^perKey requires operatorOf to return an operator, or one with its state, got 5$/,
    );
  });

  test('an operator that completes by itself takes no more samples, and does not complete the others', () => {
    const source = of('a', 'a', 'b', 'a', 'b');
    const one = perKey(firstLetter, (key) => (s) => (key === 'a' ? s.pipe(counted(), take(1)) : s.pipe(counted())));
    expect(collected(source.pipe(one))).toEqual(['a1', 'b1', 'b2']);
  });

  test('early unsubscribe unsubscribes the source and all operators', () => {
    let open = 0;
    const tracked = perKey(
      firstLetter,
      (): OperatorFunction<string, string> => (samples) => {
        open++;
        return samples.pipe(tap({ finalize: () => open-- }));
      },
    );
    const source = new Subject<string>();
    const subscription = source.pipe(tracked).subscribe();
    for (const x of ['a', 'b', 'c']) source.next(x);
    expect([open, source.observed]).toEqual([3, true]);
    subscription.unsubscribe();
    expect([open, source.observed]).toEqual([0, false]);
  });

  test('take(1) stops an endless synchronous source', () => {
    const endless = from(
      (function* () {
        for (;;) yield 'a';
      })(),
    );
    expect(collected(endless.pipe(operator, take(1)))).toEqual(['a1']);
  });

  test('re-subscription starts anew', () => {
    const counted$ = of('a', 'a').pipe(operator);
    expect(collected(counted$)).toEqual(collected(counted$));
  });

  test('a sample pushed from within next, for any key, comes after the one that caused it', () => {
    const source = new Subject<string>();
    const seen: string[] = [];
    source.pipe(perKey(firstLetter, counted, { maxKeys: 1 })).subscribe((x) => {
      seen.push(x);
      if (seen.length === 1) source.next('b');
      if (seen.length === 2) source.next('a');
    });
    source.next('a');
    expect(seen).toEqual(['a1', 'b1', 'a1']);
  });

  test('NaN and undefined are keys like any other', () => {
    const keys = perKey(
      (x: number | undefined) => x,
      () => scan((n) => n + 1, 0) as never,
    );
    expect(collected(of(Number.NaN, undefined, Number.NaN, undefined).pipe(keys))).toEqual([1, 1, 2, 2]);
  });
});

test('keys never mix and their order is kept: as if each had a stream of its own', () => {
  const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.nat({ max: 9 })), { maxLength: 80 });
  fc.assert(
    fc.property(samples, (list) => {
      const sums = perKey(
        ([key]: [number, number]) => key,
        (key) => (s) =>
          s.pipe(
            scan((sum, [, x]) => sum + x, 0),
            map((sum) => [key, sum]),
          ),
      );
      const naive = new Map<number, number>();
      const expected = list.map(([key, x]) => {
        naive.set(key, (naive.get(key) ?? 0) + x);
        return [key, naive.get(key)];
      });
      expect(collected(from(list).pipe(sums))).toEqual(expected);
    }),
  );
});

test('the LRU order is that of a naive list', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 100 }),
      fc.integer({ min: 1, max: 6 }),
      (keys, max) => {
        const evicted: number[] = [];
        const operator = perKey(
          (x: number) => x,
          () => map((x: number) => x),
          { maxKeys: max, onEvict: ({ key }) => evicted.push(key) },
        );
        expect(collected(from(keys).pipe(operator))).toEqual(keys);
        const expected: number[] = [];
        let used: number[] = [];
        for (const key of keys) {
          if (!used.includes(key) && used.length === max) expected.push(used.shift() as number);
          used = [...used.filter((k) => k !== key), key];
        }
        expect(evicted).toEqual(expected);
      },
    ),
  );
});

describe('a plain normalize, whose keys share memory,', () => {
  interface Keyed {
    key: string;
    sample: unknown;
    t: number;
  }
  type Make = () => StatisticFactory<unknown>;
  const statistics: [string, Make][] = [
    ['ewma', () => ewma({ alpha: 0.2 })],
    ['ewma by time', () => ewma({ halfLife: '1s', timeOf: (s) => (s as { t?: number }).t ?? 5 })],
    ['cumulative', () => cumulative()],
    ['minMax', () => minMax()],
    ['rolling', () => rolling({ last: 3 })],
    ['robust', () => robust()],
    ['movingBatch', () => movingBatch({ size: 2, alpha: 0.5 })],
  ];
  const options: NormalizeOptions<unknown>[] = [
    { features: ['a', 'b'] },
    { features: ['a', 'b'], clip: 1, order: 'learn-then-score', eps: 0 },
    { features: ['a', 'b'], weight: [2, 3], bias: Float64Array.of(1, 0), missing: 'mean' },
    { features: ['a', 'b'], untilReady: 'pass', minSamples: 2.5 },
  ];
  const x = fc.oneof(
    { weight: 5, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
    fc.constant(Number.NaN),
  );
  const sample = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(x, x) },
    { weight: 3, arbitrary: fc.record({ a: x, b: x, t: fc.nat({ max: 20_000 }) }) },
    fc.tuple(x, x).map((list) => Float32Array.from(list)),
    fc.constantFrom<unknown>(null, undefined, 'text', { a: 1 }),
  );
  const samples = fc.array(fc.record<Keyed>({ key: fc.constantFrom('k', 'l', 'm', 'n'), sample, t: fc.nat() }), {
    maxLength: 60,
  });
  /** Of all keys, through `inner`, which sees the samples alone. */
  const run = (list: readonly Keyed[], operator: OperatorFunction<unknown, unknown>): unknown[] => {
    const out: unknown[] = [];
    const source = new Subject<unknown>();
    source.pipe(operator).subscribe({ next: (z) => out.push(z), error: (error) => out.push(String(error)) });
    for (const { sample } of list) source.next(sample);
    return out;
  };

  test.each(statistics)('%s comes out as from an operator for each key, to the last bit', (_, make) => {
    fc.assert(
      fc.property(samples, fc.constantFrom(...options), fc.integer({ min: 1, max: 4 }), (list, given, maxKeys) => {
        const keys = list.map(({ key }) => key);
        const keyOf = () => {
          let i = 0;
          return () => keys[i++];
        };
        const plain = perKey<unknown, string>(keyOf(), () => normalize(make(), given), { maxKeys });
        const opaque = perKey<unknown, string>(keyOf(), () => (s) => s.pipe(normalize(make(), given)), { maxKeys });
        expect(run(list, plain)).toEqual(run(list, opaque));
      }),
      { numRuns: 50 },
    );
  });

  test('what an evicted key had learned is in its eviction, and goes on when it is given back', () => {
    const rows = Array.from({ length: 60 }, (_, i) => ({ k: 'abc'[(i * 7) % 3], x: i ** 1.5 }));
    for (const [, make] of statistics) {
      const saved = new Map<string, unknown>();
      const operatorOf = () => normalize<{ k: string; x: number }>(make(), { features: ['x'] });
      const roomForOne = perKey((r: (typeof rows)[number]) => r.k, operatorOf, {
        maxKeys: 1,
        onEvict: ({ key, state }) => saved.set(key, JSON.parse(JSON.stringify(state))),
        restore: (key) => saved.get(key),
      });
      const roomForAll = perKey((r: (typeof rows)[number]) => r.k, operatorOf);
      expect(collected(from(rows).pipe(roomForOne))).toEqual(collected(from(rows).pipe(roomForAll)));
      expect(saved.size).toBe(3);
    }
  });

  test('a state of another width is an error notification; anything else that is restored is left to operatorOf', () => {
    const wide = new Cumulative({ features: 2 }).state();
    const z = () => normalize<number>(cumulative(), { eps: 0 });
    expect(() => collected(of(1).pipe(perKey(() => 'a', z, { restore: () => wide as unknown })))).toThrow(
      'normalize has a statistic of 2 features, the samples have 1',
    );
    const asks: unknown[] = [];
    const scaled = (_: string, clip?: number) => {
      asks.push(clip);
      return normalize<number>(cumulative(), { eps: 0, clip });
    };
    const restore = (): number => 1;
    expect(collected(of(1, 3, 40).pipe(perKey(() => 'a', scaled, { restore })))).toEqual([Number.NaN, Number.NaN, 1]);
    expect(asks).toEqual([1]);
  });

  test('keys may have options of their own, more than are shared', () => {
    const list = Array.from({ length: 200 }, (_, i) => ({ key: i % 40, x: Math.sin(i) * 9 }));
    const clipOf = (key: number) =>
      normalize<(typeof list)[number]>(cumulative(), { features: ['x'], clip: 0.1 * key + 0.1 });
    const plain = perKey((row: (typeof list)[number]) => row.key, clipOf);
    const opaque = perKey(
      (row: (typeof list)[number]) => row.key,
      (key: number) => (s) => s.pipe(clipOf(key)),
    );
    expect(collected(from(list).pipe(plain))).toEqual(collected(from(list).pipe(opaque)));
  });

  test('idle keys are evicted with their state', () => {
    marbles(({ cold, expectObservable }) => {
      const evicted = new Subject<string>();
      const z = () => normalize<number>(cumulative(), { eps: 0 });
      const operator = perKey((n: number) => n < 10, z, {
        idle: 5,
        onEvict: ({ state }) => evicted.next(String((state as { count: number[] }).count)),
      });
      expectObservable(evicted).toBe('-------e', { e: '2' });
      expectObservable(cold('a-b--------', { a: 1, b: 3 }).pipe(operator)).toBe('N-N', { N: Number.NaN });
    });
  });

  test('an error of timeOf is an error notification', () => {
    const z = () => normalize<number>(ewma({ halfLife: '1s', timeOf: thrower }));
    expect(() => collected(of(1).pipe(perKey(() => 'a', z)))).toThrow('thrown');
  });
});

test('an operator that brings, as it is made, so many keys that its own is evicted loses only its own sample', () => {
  const source = new Subject<string>();
  const seen: string[] = [];
  const brings = (key: string) => (samples: Subject<string>) => {
    if (key === 'a') source.next('b');
    return samples.pipe(map((text) => `${key}${text}`));
  };
  source.pipe(perKey(firstLetter, brings as never, { maxKeys: 1 })).subscribe((text) => seen.push(text as string));
  for (const text of ['a', 'b', 'c']) source.next(text);
  expect(seen).toEqual(['bb', 'bb', 'cc']);
});

test('100,000 keys: each has its own numbers', () => {
  const keys = 100_000;
  const rows = [1, 3, 4].flatMap((x) => Array.from({ length: keys }, (_, k) => ({ k, x: x * (k + 1) })));
  const inner = () => normalize<{ k: number; x: number }>(cumulative(), { eps: 0, features: ['x'] });
  let twos = 0;
  from(rows)
    .pipe(perKey((r) => r.k, inner, { maxKeys: keys }))
    .subscribe(({ x }) => {
      if (Math.abs(x - 2) < 1e-9) twos++;
    });
  expect(twos).toBe(keys);
});

test('the default bound holds 10,000 keys', () => {
  let evictions = 0;
  const same = (): OperatorFunction<number, number> => map((x) => x);
  from(Array.from({ length: 12_000 }, (_, k) => k))
    .pipe(perKey((k) => k, same, { onEvict: () => evictions++ }))
    .subscribe();
  expect(evictions).toBe(2000);
});

test('an operator may answer later: results come as they are ready', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('a-b-a----|');
    const waits = perKey(firstLetter, (key): OperatorFunction<string, string> => {
      const ms = key === 'a' ? 4 : 1;
      return concatMap((x) => of(x).pipe(delay(ms)));
    });
    expectObservable(source.pipe(waits)).toBe('---ba---a|');
  });
});

test.each<[string, () => unknown, RegExp]>([
  ['keyOf by name', () => perKey('id' as never, counted), /^perKey requires keyOf to be a function, got 'id'/],
  ['an operator', () => perKey(firstLetter, undefined as never), /^perKey requires operatorOf to be a function/],
  [
    'maxKeys 0',
    () => perKey(firstLetter, counted, { maxKeys: 0 }),
    /^perKey requires maxKeys to be a whole number from 1 to 16000000, got 0/,
  ],
  ['idle soon', () => perKey(firstLetter, counted, { idle: 'soon' as never }), /^perKey requires idle to be/],
  ['idle 600h', () => perKey(firstLetter, counted, { idle: '600h' }), /^perKey requires idle to be at most 24 days/],
  [
    'onEvict 3',
    () => perKey(firstLetter, counted, { onEvict: 3 as never }),
    /^perKey requires onEvict to be a function/,
  ],
  [
    'restore 3',
    () => perKey(firstLetter, counted, { restore: 3 as never }),
    /^perKey requires restore to be a function/,
  ],
  [
    'ttl',
    () => perKey(firstLetter, counted, { ttl: 3 } as never),
    /^perKey has no option 'ttl'; it has maxKeys, idle,/,
  ],
])('%s throws at once', (_, call, message) => expect(call).toThrow(message));

function thrower(): never {
  throw new Error('thrown');
}
