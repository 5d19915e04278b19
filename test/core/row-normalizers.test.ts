import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { flagNames } from '../../src/core/flags.ts';
import {
  createNormalizer,
  METHOD_NAMES,
  METHOD_OPTIONS,
  METHODS,
  type MethodOptions,
  WEIGHTED_METHODS,
} from '../../src/core/methods.ts';
import type { NormalizedRows, RowNormalizer } from '../../src/core/row-normalizer.ts';
import { SampleNormalizer } from '../../src/core/sample-normalizer.ts';
import { StreamnormError } from '../../src/errors.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { chunksOf, rowsOf } from '../support/batches.ts';
import { STARTS } from '../support/method-starts.ts';

const FEATURES = ['a', 'b'];

test('weights are of the methods whose statistic takes them, and of no other', () => {
  const weighted = METHOD_NAMES.filter((method) => {
    const normalizer = createNormalizer(method, FEATURES, STARTS[method]);
    return normalizer instanceof SampleNormalizer && normalizer.standardizer.statistic.weighted === true;
  });
  expect([...WEIGHTED_METHODS].sort()).toEqual(weighted.sort());
});

describe('batch', () => {
  test('rows leave when their window closes, as BatchNorm.train makes them', () => {
    const normalizer = createNormalizer('batch', FEATURES, { size: 2, eps: 0 });
    expect(pushed(normalizer, [[1, 10]])).toBeUndefined();
    expect(normalizer.pending).toBe(1);
    const out = pushed(
      normalizer,
      [
        [3, 30],
        [5, 5],
        [7, 9],
        [0, 0],
      ],
      100,
    )!;
    expect([...out.z]).toEqual([-1, -1, 1, 1, -1, -1, 1, 1]);
    expect([...out.raw]).toEqual([1, 10, 3, 30, 5, 5, 7, 9]);
    expect([...out.times]).toEqual([0, 100, 101, 102]);
    expect(normalizer.pending).toBe(1);
  });

  test('flush closes the open window; without one there is nothing', () => {
    const normalizer = createNormalizer('batch', FEATURES, { size: 9 });
    expect(normalizer.flush()).toBeUndefined();
    pushed(normalizer, [
      [1, 10],
      [3, 30],
    ]);
    expect(normalizer.flush()?.rows).toBe(2);
    expect([normalizer.pending, normalizer.flush()]).toEqual([0, undefined]);
  });

  // regression: the refused window stayed open, so every later row and every flush threw too
  test("a window of one that single: 'error' refuses is gone, and the next rows are taken", () => {
    const normalizer = createNormalizer('batch', ['a'], { size: 2, eps: 0, single: 'error' });
    pushed(normalizer, [[1]]);
    expect(() => normalizer.flush()).toThrow(/requires more than 1 row/);
    expect([...pushed(normalizer, [[1], [3]])!.z]).toEqual([-1, 1]);
  });

  test('the report tells the running statistics and the last window', () => {
    const normalizer = createNormalizer('batch', FEATURES, { size: 2, alpha: 1 });
    expect(normalizer.report()).toEqual({ version: 0, rows: 0, mean: [null, null], std: [null, null], batch: null });
    pushed(normalizer, [
      [1, Number.NaN],
      [3, Number.NaN],
    ]);
    expect(normalizer.report()).toEqual({
      version: 1,
      rows: 2,
      mean: [2, 0],
      std: [Math.SQRT2, 1],
      batch: { count: 2, mean: [2, null], std: [1, null], min: [1, null], max: [3, null] },
    });
  });
});

describe('by sample', () => {
  test('each row leaves at once, scored by the rows before it', () => {
    const normalizer = createNormalizer('cumulative', ['a'], { eps: 0 });
    const out = pushed(normalizer, [[1], [3], [4], [1e300]])!;
    expect([...out.z]).toEqual([Number.NaN, Number.NaN, 2, Number.NaN]);
    expect(Array.from(out.flags, flagNames)).toEqual([['notReady'], ['notReady'], [], ['overflow']]);
    expect([normalizer.pending, normalizer.flush()]).toEqual([0, undefined]);
  });

  test('the report says null for what is not known yet', () => {
    const normalizer = createNormalizer('cumulative', FEATURES);
    pushed(normalizer, [[1, Number.NaN]]);
    expect(normalizer.report()).toEqual({ version: 1, rows: 1, mean: [1, null], std: [null, null], batch: null });
  });
});

describe('options of how values come out', () => {
  test('batch: renorm and missing', () => {
    const options = { size: 2, alpha: 1, eps: 0, renorm: { rMax: 9, dMax: 9 }, missing: 'mean' } as const;
    const normalizer = createNormalizer('batch', ['a'], options);
    const out = pushed(normalizer, [[-1], [1], [4], [4], [Number.NaN], [7]])!;
    expect([...out.z].slice(0, 4)).toEqual([-1, 1, 4 / Math.SQRT2, 4 / Math.SQRT2]);
    expect(out.z[4]).toBe(out.z[5]);
  });

  test('by sample: weight, bias, missing, untilReady, minSamples', () => {
    const scaling = { weight: [10], bias: [1] };
    const options = { eps: 0, ...scaling, missing: 'mean', untilReady: 'pass', minSamples: 3 } as const;
    const out = pushed(createNormalizer('cumulative', ['a'], options), [[1], [3], [2], [Number.NaN], [2]])!;
    expect([...out.z]).toEqual([1, 3, 2, 1, 1]);
    expect(Array.from(out.flags, flagNames)).toEqual([['notReady'], ['notReady'], ['notReady'], ['missing'], []]);
  });

  // regression: the sum of all weights in the state of ewma was taken for the option of that name, and reset
  test('weight and bias, then and now, leave the sums of a saved statistic alone', () => {
    const first = createNormalizer('ewma', ['a'], { weight: [2] });
    pushed(first, [[1], [3], [4]]);
    const saved = { state: first.state(), options: { weight: [2] } };
    for (const options of [{}, { weight: [5], bias: [1] }]) {
      expect(createNormalizer('ewma', ['a'], options, saved).state()).toEqual(first.state());
    }
  });

  test("untilReady 'prior' normalises by given numbers until there are statistics", () => {
    const options = { eps: 0, untilReady: 'prior', prior: { mean: [10], std: [2] } } as const;
    const out = pushed(createNormalizer('cumulative', ['a'], options), [[12], [8], [10]])!;
    expect([...out.z]).toEqual([1, -1, 0]);
  });

  test("untilReady 'hold' is refused: rows leave at once here", () => {
    expect(() => createNormalizer('ewma', FEATURES, { untilReady: 'hold' })).toThrow(
      "ewma takes untilReady 'null', 'pass' or 'prior', got 'hold': rows leave at once here",
    );
  });
});

describe.each(METHOD_NAMES)('%s', (method) => {
  test('every option it names is described', () => {
    for (const option of METHODS[method].options) expect(METHOD_OPTIONS[option].help).toMatch(/\w/);
  });

  test('an option of another method throws and names its own', () => {
    const other = Object.keys(METHOD_OPTIONS).find(
      (name) => !(METHODS[method].options as readonly string[]).includes(name),
    );
    if (other === undefined) return;
    const create = () => createNormalizer(method, FEATURES, { ...STARTS[method], [other]: 1 });
    expect(create).toThrow(
      new RegExp(`^method ${method} has no option '${other}'; it has ${METHODS[method].options.join(', ')}$`),
    );
  });

  test('a captured report is that of its moment', () => {
    const normalizer = createNormalizer(method, FEATURES, STARTS[method]);
    pushed(normalizer, STREAM.slice(0, 8));
    const before = normalizer.report();
    const captured = normalizer.capture();
    pushed(normalizer, STREAM.slice(8));
    expect(captured()).toEqual(before);
  });

  test('rows are the same in whatever pieces they come', () => {
    const rows = fc.array(fc.tuple(readingOrNot, readingOrNot), { maxLength: 60 });
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(rows, sizes, (samples, cuts) => {
        const whole = createNormalizer(method, FEATURES, STARTS[method]);
        const pieces = createNormalizer(method, FEATURES, STARTS[method]);
        let time = 0;
        const parts = chunksOf(samples, cuts).map((chunk) => {
          const out = pushed(pieces, chunk, time);
          time += chunk.length;
          return out;
        });
        expect(flat([...parts, pieces.flush()])).toEqual(flat([pushed(whole, samples), whole.flush()]));
        expect(pieces.state()).toEqual(whole.state());
      }),
    );
  });

  test('resumed, with its open window, it goes on as if it had never stopped', () => {
    const original = createNormalizer(method, FEATURES, STARTS[method]);
    pushed(original, STREAM.slice(0, 7));
    const saved = JSON.parse(JSON.stringify({ state: original.state(), pending: original.pendingRows() }));
    const resumed = createNormalizer(method, FEATURES, STARTS[method], saved);
    expect(resumed.pending).toBe(original.pending);
    const rest = STREAM.slice(7);
    expect(flat([pushed(resumed, rest, 7), resumed.flush()])).toEqual(
      flat([pushed(original, rest, 7), original.flush()]),
    );
    expect(resumed.state()).toEqual(original.state());
  });

  test('a state of another number of features is refused, code STATE', () => {
    const saved = { state: createNormalizer(method, ['a', 'b', 'c'], threeWide(STARTS[method])).state() };
    const options = method === 'frozen' ? {} : STARTS[method];
    expect(() => createNormalizer(method, FEATURES, options, saved)).toThrow(StreamnormError);
    expect(() => createNormalizer(method, FEATURES, options, saved)).toThrow(
      expect.objectContaining({ code: 'STATE' }),
    );
  });
});

test('another order of the features is refused: columns would be swapped in silence', () => {
  const saved = { state: new BatchNorm({ features: ['b', 'a'] }).state() };
  expect(() => createNormalizer('batch', FEATURES, {}, saved)).toThrow(
    'the state has the features b, a, expected a, b',
  );
});

test.each([
  ['too few times', { data: [1, 2], times: [] }],
  ['half a row', { data: [1, 2, 3], times: [0, 1] }],
  ['as many rows as a window', { data: [1, 2, 3, 4, 5, 6, 7, 8], times: [0, 1, 2, 3] }],
  ['text', { data: ['x', 2], times: [0] }],
])('an open window of %s is refused, code STATE', (_, pending) => {
  const saved = { state: new BatchNorm({ features: FEATURES }).state(), pending };
  expect(() => createNormalizer('batch', FEATURES, { size: 4 }, saved)).toThrow(
    expect.objectContaining({ code: 'STATE' }),
  );
});

const STREAM = Array.from({ length: 23 }, (_, i) => [
  i % 5 === 3 ? Number.NaN : i * 1.7,
  i % 7 === 2 ? Number.POSITIVE_INFINITY : 1e6 - i * i,
]);

function pushed(normalizer: RowNormalizer, samples: number[][], from = 0): NormalizedRows | undefined {
  if (samples.length === 0) return undefined;
  const { data, rows } = rowsOf(samples, normalizer.features);
  return normalizer.push(
    data,
    rows,
    Float64Array.from(samples, (_, i) => from + i),
  );
}

/** All rows of several answers, as if they were one. */
function flat(answers: (NormalizedRows | undefined)[]): Record<'raw' | 'z' | 'times' | 'flags', number[]> {
  const all = { raw: [], z: [], times: [], flags: [] } as Record<'raw' | 'z' | 'times' | 'flags', number[]>;
  for (const answer of answers) {
    for (const part of ['raw', 'z', 'times', 'flags'] as const) all[part].push(...(answer?.[part] ?? []));
  }
  return all;
}

function threeWide(options: MethodOptions): MethodOptions {
  const { mean, std } = options;
  return { ...options, ...(mean && { mean: [...mean, 5] }), ...(std && { std: [...std, 6] }) };
}
