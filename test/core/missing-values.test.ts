import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { FLAG } from '../../src/core/flags.ts';
import { rowsOf, samplesOf } from '../support/batches.ts';

const NONE = Number.NaN;
const BATCH = [
  [1, 10],
  [NONE, 20],
  [3, 30],
];

const model = (missing: 'nan' | 'error' | 'dropRow' | 'mean', more: object = {}) =>
  new BatchNorm({ features: ['a', 'b'], eps: 0, alpha: 1, missing, ...more });

describe("missing: 'mean'", () => {
  test('the mean takes its place in the output, and nothing in the statistics', () => {
    const bn = model('mean', { weight: [5, 1], bias: [7, 0] });
    expect(bn.train(BATCH)[1]).toEqual([7, 0]);
    expect([bn.runningMean[0], bn.runningVar[0]]).toEqual([2, 2]);
    expect(bn.transform([[NONE, 20]])).toEqual([[7, 0]]);
  });

  test('with renorm it is the d of its batch', () => {
    const bn = model('mean', { renorm: {} });
    bn.train([
      [0, 0],
      [2, 2],
    ]);
    expect(
      bn.train([
        [4, 4],
        [NONE, 5],
        [6, 6],
      ])[1][0],
    ).toBe(4 / Math.SQRT2);
  });

  test('where a batch has no value of a feature there is no mean', () => {
    expect(
      model('mean').train([
        [NONE, 1],
        [NONE, 3],
      ]),
    ).toEqual([
      [NONE, -1],
      [NONE, 1],
    ]);
  });

  test('an infinite value is no missing one', () => {
    const flags = new Uint8Array(3);
    const out = new Float64Array(3);
    new BatchNorm({ features: 1, missing: 'mean' }).trainInto(
      rowsOf([[1], [Number.POSITIVE_INFINITY], [3]]),
      out,
      flags,
    );
    expect([out[1], flags[1]]).toEqual([NONE, FLAG.overflow]);
  });
});

describe("missing: 'dropRow'", () => {
  test('such rows are in neither output nor statistics', () => {
    const [dropped, without] = [model('dropRow'), model('nan')];
    expect(dropped.train(BATCH)).toEqual(without.train([BATCH[0], BATCH[2]]));
    expect(dropped.state()).toEqual({ ...without.state(), missing: 'dropRow' });
    expect(dropped.samples).toBe(2);
    expect(dropped.transform(BATCH)).toHaveLength(2);
    expect(samplesOf(dropped.train(rowsOf(BATCH)))).toEqual([
      [-1, -1],
      [1, 1],
    ]);
    dropped.learn(BATCH);
    expect(dropped.samples).toBe(6);
  });

  test('into memory of the caller they are NaN, flagged, so that rows keep their place', () => {
    const flags = new Uint8Array(3);
    const out = new Float64Array(6);
    const rows = rowsOf(BATCH);
    model('dropRow').trainInto(rows, out, flags);
    expect([[...out], [...flags]]).toEqual([
      [-1, -1, NONE, NONE, 1, 1],
      [0, FLAG.missing, 0],
    ]);
    expect([...rows.data]).toEqual([1, 10, NONE, 20, 3, 30]);
  });

  test('inverse drops nothing', () => {
    const bn = model('dropRow');
    bn.learn([
      [1, 10],
      [3, 30],
    ]);
    expect(bn.inverse([[0, NONE]])).toEqual([[2, NONE]]);
  });

  test('a batch of which one row is left is a batch of one', () => {
    const bn = model('dropRow', { single: 'error' });
    expect(() =>
      bn.train([
        [1, 1],
        [NONE, 2],
      ]),
    ).toThrow(/requires more than 1 row a batch/);
  });
});

describe("missing: 'error'", () => {
  const bn = model('error');
  bn.learn([
    [1, 10],
    [3, 30],
  ]);
  const before = JSON.stringify(bn.state());
  const message = "requires a value of every feature (missing: 'error'), row 1 has none of a";

  test.each(['train', 'learn', 'transform'] as const)(
    '%s throws, naming row and feature, and changes nothing',
    (verb) => {
      expect(() => calls(bn)[verb](BATCH)).toThrow(new RangeError(`BatchNorm.${verb} ${message}`));
      expect(JSON.stringify(bn.state())).toBe(before);
    },
  );
});

test.each([
  [
    "missing: 'error'",
    { missing: 'error' },
    [
      [1, NONE],
      [2, 2],
    ],
  ],
  ["single: 'error'", { single: 'error' }, [[1, 2]]],
  ['another width', {}, [[1, 2, 3]]],
  ['another form', {}, [[1, 2], 'text']],
  [
    'no usable value',
    {},
    [
      [NONE, NONE],
      [Number.POSITIVE_INFINITY, 1e300],
    ],
  ],
])('a batch that is refused for %s changes nothing at all, counters included', (_, options, batch) => {
  const bn = new BatchNorm({ features: 2, ...(options as object) });
  bn.learn([
    [1, 10],
    [3, 30],
  ]);
  const before = JSON.stringify([bn.state(), bn.batches, bn.samples]);
  for (const verb of ['train', 'learn'] as const) {
    try {
      calls(bn)[verb](batch as number[][]);
    } catch {
      // that it is refused is another test's matter
    }
  }
  expect(JSON.stringify([bn.state(), bn.batches, bn.samples])).toBe(before);
});

test('missing is in the state and comes back; anything else is refused', () => {
  const { state } = { state: model('mean').state() };
  expect(BatchNorm.from(state).missing).toBe('mean');
  expect(() => BatchNorm.from({ ...state, missing: 'zero' })).toThrow(
    /missing must be one of nan, error, dropRow, mean/,
  );
});

/** One signature for the three. */
function calls(bn: BatchNorm): Record<'train' | 'learn' | 'transform', (rows: number[][]) => unknown> {
  return {
    train: (rows) => bn.train(rows),
    learn: (rows) => bn.learn(rows),
    transform: (rows) => bn.transform(rows),
  };
}
