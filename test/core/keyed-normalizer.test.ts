import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createKeyedNormalizer, type KeyEviction, type KeyedNormalizer } from '../../src/core/keyed-normalizer.ts';
import { createNormalizer, METHOD_NAMES, type Method, type MethodOptions } from '../../src/core/methods.ts';
import type { NormalizedRows, RowNormalizer } from '../../src/core/row-normalizer.ts';

const FEATURES = ['a', 'b', 'c'];

const OPTIONS: Record<Method, MethodOptions[]> = {
  batch: [{ size: 3 }],
  ewma: [{ alpha: 0.3 }, { halfLife: '2s', minSamples: 1.5 }, { cumulative: true, order: 'learn-then-score' }],
  cumulative: [{ clip: 2 }, { untilReady: 'pass', missing: 'mean' }],
  rolling: [{ last: 3 }, { last: '3s' }],
  minmax: [{}],
  robust: [{}],
  frozen: [{ mean: [1, 2, 3], std: [1, 1, 2] }],
};

/** Each compares dozens of normalizers. */
const RUNS = { numRuns: 40 };

const VARIANTS = METHOD_NAMES.flatMap((method) => OPTIONS[method].map((options) => [method, options] as const));

/** A row: its key, its values, the ms since the one before, and whether a hole comes before its message. */
interface Row {
  hole: boolean;
  key: string;
  values: number[];
  after: number;
}

const value = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1e300, -0, 1e9) },
);
const row: fc.Arbitrary<Row> = fc.record({
  hole: fc.integer({ max: 9, min: 0 }).map((n) => n === 0),
  key: fc.constantFrom('k', 'l', 'm', '__proto__', ''),
  values: fc.array(value, { minLength: FEATURES.length, maxLength: FEATURES.length }),
  after: fc.integer({ min: -2_000, max: 5_000 }),
});
const rows = fc.array(row, { maxLength: 60 });

describe.each(VARIANTS)('%s %j', (method, options) => {
  test('the rows of a key come out as from a normalizer of its own, to the last bit, and so does its state', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 9 }), (list, size) => {
        const keyed = createKeyedNormalizer(method, FEATURES, options, { maxKeys: 100 });
        const alone = aloneByKey(method, options);
        const found = new Map<string, string[]>();
        const expected = new Map<string, string[]>();
        for (const [keys, data, times, hole] of pushes(list, size)) {
          if (hole) {
            note(found, keyed.cut());
            for (const [key, one] of alone.all) note(expected, ofKey(key, one.cut()));
          }
          note(found, keyed.push(keys, data, keys.length, times, 0));
          keys.forEach((key, i) => {
            const width = FEATURES.length;
            const one = alone(key).push(data.slice(i * width, (i + 1) * width), 1, times.slice(i, i + 1));
            note(expected, ofKey(key, one));
          });
        }
        expect(found).toEqual(expected);
        for (const key of new Set(list.map((each) => each.key))) {
          expect(keyed.state(key)).toEqual(alone(key).state());
          expect(keyed.report(key)).toEqual(alone(key).report());
        }
        expect(keyed.pending).toBe([...alone.all.values()].reduce((sum, { pending }) => sum + pending, 0));
      }),
      RUNS,
    );
  });

  test('a snapshot holds every key as it was when it began, whatever comes while it is read', () => {
    fc.assert(
      fc.property(rows, rows, fc.integer({ min: 0, max: 4 }), (before, after, readFirst) => {
        const keyed = createKeyedNormalizer(method, FEATURES, options, { maxKeys: 4 });
        for (const [keys, data, times] of pushes(before, 7)) keyed.push(keys, data, keys.length, times, 0);
        const expected = [...keyed.entries()].map((entry) => JSON.stringify(entry));
        const snapshot = keyed.snapshot();
        expect(snapshot.size).toBe(expected.length);
        const found: string[] = [];
        const read = () => {
          const entry = snapshot.next();
          if (entry !== undefined) found.push(entry);
        };
        for (let i = 0; i < readFirst; i++) read();
        for (const [keys, data, times, hole] of pushes(after, 3)) {
          if (hole) keyed.cut();
          keyed.push(keys, data, keys.length, times, 0);
          read();
        }
        keyed.flush();
        while (found.length < expected.length) read();
        expect(found).toEqual(expected);
        expect(snapshot.next()).toBeUndefined();
        keyed.endSnapshot();
      }),
      RUNS,
    );
  });

  test('restored from its entries it goes on with the same bits, and evicts in the same order', () => {
    fc.assert(
      fc.property(rows, rows, (before, after) => {
        const evicted: string[][] = [[], []];
        const make = (which: number) =>
          createKeyedNormalizer(method, FEATURES, options, {
            maxKeys: 3,
            onEvict: ({ key }) => evicted[which].push(key),
          });
        const [first, second] = [make(0), make(1)];
        for (const [keys, data, times] of pushes(before, 7)) first.push(keys, data, keys.length, times, 0);
        first.cut();
        for (const [key, state, pending] of first.entries()) {
          const text = JSON.stringify({ state, ...(pending && { pending }) });
          second.restore(key, JSON.parse(text), 0);
        }
        evicted[0].length = 0;
        for (const [keys, data, times] of pushes(after, 7)) {
          expect(second.push(keys, data, keys.length, times, 0)).toEqual(first.push(keys, data, keys.length, times, 0));
        }
        expect(second.flush()).toEqual(first.flush());
        expect(evicted[1]).toEqual(evicted[0]);
      }),
      RUNS,
    );
  });
});

// not batch: an eviction closes the open window
describe.each(VARIANTS.filter(([method]) => method !== 'batch'))('%s %j', (method, options) => {
  test('evicted keys that come back with what they knew lose nothing', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 3 }), (list, maxKeys) => {
        const saved = new Map<string, string>();
        const small = createKeyedNormalizer(method, FEATURES, options, {
          maxKeys,
          onEvict: ({ key, saved: asked }) => saved.set(key, JSON.stringify(asked())),
          restore: (key) => {
            const text = saved.get(key);
            return text === undefined ? undefined : JSON.parse(text);
          },
        });
        const large = createKeyedNormalizer(method, FEATURES, options, { maxKeys: 100 });
        for (const [keys, data, times] of pushes(list, 7)) {
          expect(small.push(keys, data, keys.length, times, 0)).toEqual(large.push(keys, data, keys.length, times, 0));
          expect(small.size).toBeLessThanOrEqual(maxKeys);
        }
      }),
      RUNS,
    );
  });
});

describe('bounds', () => {
  const one = (keyed: KeyedNormalizer, key: string, x: number, nowMs = 0) =>
    keyed.push([key], Float64Array.of(x), 1, new Float64Array(1), nowMs);

  test('the key unused for longest is evicted when a new one comes, counted and told of', () => {
    const told: unknown[] = [];
    const onEvict = ({ key, reason, saved }: KeyEviction) => told.push([key, reason, saved().state]);
    const keyed = createKeyedNormalizer('cumulative', ['x'], {}, { maxKeys: 2, onEvict });
    for (const [key, x] of [
      ['a', 1],
      ['b', 2],
      ['a', 3],
      ['c', 4],
    ] as const)
      one(keyed, key, x);
    expect(told).toEqual([
      [
        'b',
        'maxKeys',
        { format: 'streamnorm.cumulative/1', features: ['x'], version: 1, count: [1], mean: [2], m2: [0] },
      ],
    ]);
    expect(keyed.evictions).toEqual({ maxKeys: 1, idle: 0 });
    expect([keyed.size, keyed.has('a'), keyed.has('b'), keyed.has('c')]).toEqual([2, true, false, true]);
  });

  test('a key that was unused for idleMs has lost its statistics, also when it is the one that comes', () => {
    const keyed = createKeyedNormalizer('cumulative', ['x'], {}, { maxKeys: 9, idleMs: 100 });
    one(keyed, 'a', 1, 0);
    one(keyed, 'b', 1, 50);
    expect(keyed.dueMs).toBe(100);
    one(keyed, 'a', 1, 100);
    expect(keyed.state('a')).toMatchObject({ count: [1] });
    expect(keyed.evictions).toEqual({ maxKeys: 0, idle: 1 });
    keyed.advance(149);
    expect(keyed.size).toBe(2);
    keyed.advance(150);
    expect([keyed.size, keyed.has('b')]).toEqual([1, false]);
  });

  test('an evicted key with an open window gives its rows back first', () => {
    const keyed = createKeyedNormalizer('batch', ['x'], { size: 3, eps: 0 }, { maxKeys: 1 });
    expect(one(keyed, 'a', 1)).toBeUndefined();
    expect(one(keyed, 'a', 3)).toBeUndefined();
    expect(keyed.pending).toBe(2);
    const out = one(keyed, 'b', 7);
    expect([out?.keys, Array.from(out?.z ?? [])]).toEqual([
      ['a', 'a'],
      [-1, 1],
    ]);
    expect(keyed.pending).toBe(1);
  });

  test('windows that were open for within are overdue, each on its own', () => {
    const keyed = createKeyedNormalizer('batch', ['x'], { size: 3, eps: 0, within: 10 }, { maxKeys: 9 });
    one(keyed, 'a', 1, 0);
    one(keyed, 'b', 2, 5);
    expect(keyed.dueMs).toBe(10);
    expect(keyed.advance(12)?.keys).toEqual(['a']);
    expect(keyed.dueMs).toBe(15);
    expect(keyed.flushKey('b')?.keys).toEqual(['b']);
    expect([keyed.dueMs, keyed.pending]).toEqual([Number.POSITIVE_INFINITY, 0]);
  });

  test('a saved state that does not fit is refused, and nothing has changed', () => {
    const keyed = createKeyedNormalizer('ewma', ['x'], {}, { maxKeys: 1 });
    one(keyed, 'a', 1);
    expect(() => keyed.restore('b', { state: { format: 'streamnorm.cumulative/1' } }, 0)).toThrow(/format/);
    expect([keyed.size, keyed.has('a')]).toEqual([1, true]);
  });

  test.each([0, 1.5, 16_000_001, '9'])('maxKeys %s throws', (maxKeys) => {
    expect(() => createKeyedNormalizer('ewma', ['x'], {}, { maxKeys: maxKeys as never })).toThrow(
      /^key requires maxKeys to be a whole number from 1 to 16000000, got/,
    );
  });
});

test('a frozen statistic that is restored stays frozen, and one with weights keeps them', () => {
  for (const saved of [
    { format: 'streamnorm.cumulative/1', features: 1, version: 2, count: [2], mean: [2], m2: [2], frozen: true },
    {
      format: 'streamnorm.cumulative/1',
      features: 1,
      version: 2,
      count: [2],
      mean: [2],
      m2: [2],
      weight: [3],
      weight2: [5],
    },
  ]) {
    const keyed = createKeyedNormalizer('cumulative', ['x'], {}, { maxKeys: 9 });
    const alone = createNormalizer('cumulative', ['x'], {}, { state: saved });
    keyed.restore('a', { state: saved }, 0);
    const [x, t] = [Float64Array.of(5), Float64Array.of(0)];
    expect(keyed.push(['a'], x, 1, t, 0)?.z).toEqual(alone.push(x, 1, t)?.z);
    expect(keyed.state('a')).toEqual(alone.state());
  }
});

function aloneByKey(method: Method, options: MethodOptions) {
  const all = new Map<string, RowNormalizer>();
  const of = (key: string): RowNormalizer => {
    const known = all.get(key) ?? createNormalizer(method, FEATURES, options);
    all.set(key, known);
    return known;
  };
  return Object.assign(of, { all });
}

/** The rows in messages of `size`. */
function* pushes(list: readonly Row[], size: number): Generator<[string[], Float64Array, Float64Array, boolean]> {
  let time = 1e6;
  for (let from = 0; from < list.length; from += size) {
    const part = list.slice(from, from + size);
    const times = Float64Array.from(part, ({ after }) => (time += after));
    yield [part.map(({ key }) => key), Float64Array.from(part.flatMap(({ values }) => values)), times, part[0].hole];
  }
}

function ofKey(key: string, one: NormalizedRows | undefined) {
  return one && { ...one, keys: Array<string>(one.rows).fill(key) };
}

/** Each row as text, under its key; -0 and 0 differ. */
function note(into: Map<string, string[]>, out: (NormalizedRows & { keys: readonly string[] }) | undefined): void {
  if (out === undefined) return;
  const text = (values: Float64Array) => Array.from(values, (x) => (Object.is(x, -0) ? '-0' : String(x))).join();
  out.keys.forEach((key, i) => {
    const [from, to] = [i * out.features, (i + 1) * out.features];
    const line = `${text(out.z.subarray(from, to))} | ${text(out.raw.subarray(from, to))} | ${out.times[i]} ${out.flags[i]}`;
    into.set(key, [...(into.get(key) ?? []), line]);
  });
}
