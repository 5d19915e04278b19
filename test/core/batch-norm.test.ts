import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { rowsOf, samplesOf } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';

test('train normalises by the batch and moves the running statistics; transform uses those', () => {
  const bn = new BatchNorm({ features: 1, alpha: 0.5, eps: 0 });
  expect(bn.train([2, 4, 6])).toEqual([-Math.sqrt(1.5), 0, Math.sqrt(1.5)]);
  expect([bn.runningMean[0], bn.runningVar[0], bn.batches, bn.samples]).toEqual([2, 2.5, 1, 3]);
  expectClose(bn.transform([2, 7]), [0, Math.sqrt(10)]);
  expect(bn.batches).toBe(1);
});

describe('what comes out has the form of what went in', () => {
  const two = () => new BatchNorm({ features: ['a', 'b'], eps: 0 });

  test('numbers', () => expect(new BatchNorm({ features: 1, eps: 0 }).train([1, 3])).toEqual([-1, 1]));

  test('arrays', () => {
    const batch = [
      [1, 10],
      [3, 30],
    ];
    expect(two().train(batch)).toEqual([
      [-1, -1],
      [1, 1],
    ]);
  });

  test('typed arrays keep their kind', () => {
    const [row] = two().train([Float32Array.of(1, 10), Float32Array.of(3, 30)]);
    expect(row).toEqual(Float32Array.of(-1, -1));
  });

  test('integer arrays come out as Float64Array, since z is a fraction', () => {
    const [row] = two().train([Int16Array.of(1, 10), Int16Array.of(3, 30)]);
    expect(row).toEqual(Float64Array.of(-1, -1));
  });

  test('records are copied with only the features replaced', () => {
    const records = [
      { id: 'x', a: 1, b: 10 },
      { id: 'y', a: 3, b: 30 },
    ];
    expect(two().train(records)).toEqual([
      { id: 'x', a: -1, b: -1 },
      { id: 'y', a: 1, b: 1 },
    ]);
    expect(records[0]).toEqual({ id: 'x', a: 1, b: 10 });
  });

  test('Rows, in new memory', () => {
    const rows = rowsOf([
      [1, 10],
      [3, 30],
    ]);
    const out = two().train(rows);
    expect([out.rows, out.features, samplesOf(out)]).toEqual([
      2,
      2,
      [
        [-1, -1],
        [1, 1],
      ],
    ]);
    expect([...rows.data]).toEqual([1, 10, 3, 30]);
  });

  test('no samples', () => {
    const bn = two();
    expect(bn.train([])).toEqual([]);
    expect(bn.batches).toBe(0);
  });

  test('a missing number at the front does not hide that these are numbers', () => {
    expect(new BatchNorm({ features: 1, eps: 0 }).train([null, 1, 3] as number[])).toEqual([Number.NaN, -1, 1]);
  });
});

test('weight and bias apply after scaling, clip before them', () => {
  const bn = new BatchNorm({ features: 2, eps: 0, weight: [2, 3], bias: [1, -1], clip: 0.5 });
  expect(
    bn.train([
      [1, 10],
      [3, 30],
    ]),
  ).toEqual([
    [0, -2.5],
    [2, 0.5],
  ]);
});

test('a constant feature comes out as its bias, also where (x - mean)/√eps would be huge', () => {
  const bn = new BatchNorm({ features: 1, eps: 0, bias: [7] });
  expect(bn.train([5, 5, 5])).toEqual([7, 7, 7]);
  expect(bn.transform([5])[0]).not.toBe(7);
});

test('debias: transform is NaN before the first batch and exact after one', () => {
  const bn = new BatchNorm({ features: 1, alpha: 0.1, eps: 0, debias: true });
  expect(bn.transform([3])).toEqual([Number.NaN]);
  bn.learn([2, 4, 6]);
  expectClose(bn.transform([2, 4, 6]), [-1, 0, 1]);
});

test('frozen, train still normalises by its batch, and nothing moves until unfreeze', () => {
  const bn = new BatchNorm({ features: 1, eps: 0 });
  bn.learn([1, 3]);
  bn.freeze();
  const before = JSON.stringify(bn.state());
  expect(bn.train([10, 30])).toEqual([-1, 1]);
  bn.learn([100, 200]);
  bn.transform([5]);
  bn.inverse([5]);
  expect([bn.frozen, JSON.stringify(bn.state())]).toEqual([true, before]);
  bn.unfreeze().learn([10, 30]);
  expect(bn.batches).toBe(2);
});

describe('a rejected batch changes nothing at all, counters included', () => {
  test.each<[string, (bn: BatchNorm) => unknown, RegExp]>([
    [
      'rows of another width',
      (bn) => bn.train(rowsOf([[1], [2]])),
      /^BatchNorm.train requires rows of 2 features, got 1$/,
    ],
    [
      'too little data',
      (bn) => bn.learn({ data: new Float64Array(3), rows: 2, features: 2 }),
      /requires data of rows × features \(2 × 2\) values, got 3/,
    ],
    [
      'a negative number of rows',
      (bn) => bn.learn({ data: new Float64Array(4), rows: -1, features: 2 }),
      /requires data/,
    ],
    [
      'samples of another width',
      (bn) => bn.train([[1, 2], [3]]),
      /^BatchNorm.train requires samples of 2 features, sample 1 is \[3\]$/,
    ],
    [
      'a first sample of another width',
      (bn) => bn.learn([[3], [1, 2]]),
      /^BatchNorm.learn requires samples of 2 features, got \[3\]$/,
    ],
    ['text', (bn) => bn.train(['a', 'b'] as never), /^BatchNorm.train requires samples of 2 features, got 'a'$/],
    ['no array', (bn) => bn.train(5 as never), /requires an array of samples or \{ data, rows, features \}, got 5/],
    [
      "a batch of one with single: 'error'",
      (bn) => bn.train([[1, 2]]),
      /requires more than 1 row a batch \(single: 'error'\), got 1/,
    ],
  ])('%s', (_, reject, message) => {
    const bn = new BatchNorm({ features: 2, single: 'error' });
    bn.learn([
      [1, 10],
      [3, 30],
    ]);
    const before = JSON.stringify(bn.state());
    expect(() => reject(bn)).toThrow(message);
    expect(JSON.stringify(bn.state())).toBe(before);
    expect([...bn.batch.mean]).toEqual([2, 20]);
  });

  test('a batch without any usable value is not counted (PyTorch counts it)', () => {
    const bn = new BatchNorm({ features: 2 });
    const before = JSON.stringify(bn.state());
    bn.learn([
      [Number.NaN, Number.POSITIVE_INFINITY],
      [null, undefined],
    ] as number[][]);
    expect(JSON.stringify(bn.state())).toBe(before);
  });
});

describe('state', () => {
  test('is the documented JSON', () => {
    const bn = new BatchNorm({ features: ['x1', 'x2'], alpha: 0.1 });
    expect(bn.state()).toEqual({
      format: 'streamnorm.batchnorm/1',
      features: ['x1', 'x2'],
      alpha: 0.1,
      eps: 1e-5,
      runningMean: [0, 0],
      runningVar: [1, 1],
      batches: 0,
      samples: 0,
      weight: null,
      bias: null,
    });
  });

  test('is a copy: changing it changes nothing', () => {
    const bn = new BatchNorm({ features: 1, weight: [2] });
    bn.learn([1, 3]);
    const before = JSON.stringify(bn.state());
    const state = bn.state();
    state.runningMean[0] = 99;
    state.weight![0] = 99;
    expect(JSON.stringify(bn.state())).toBe(before);
  });

  test('says how many batches moved each feature, where that differs', () => {
    const bn = new BatchNorm({ features: 2, cumulative: true });
    bn.learn([
      [1, Number.NaN],
      [3, Number.NaN],
    ]);
    bn.learn([[1, 5]]);
    expect(bn.state()).toMatchObject({ batches: 2, meanBatches: [2, 1], varianceBatches: [1, 0] });
  });
});

test('inverse of transform is the identity, where there is a value', () => {
  const batch = fc.array(fc.tuple(readingOrNot, readingOrNot), { minLength: 2, maxLength: 30 });
  fc.assert(
    fc.property(
      batch,
      fc.tuple(fc.double({ min: 0.1, max: 9, noNaN: true }), fc.double({ min: -9, max: 9, noNaN: true })),
      (samples, [weight, bias]) => {
        const bn = new BatchNorm({ features: 2, alpha: 0.5, weight: [weight, -weight], bias: [bias, bias] });
        bn.learn(samples);
        const back = bn.inverse(bn.transform(samples));
        const known = samples.map((sample) => sample.map((x) => (Math.abs(x) <= 1e6 ? x / 1e6 : Number.NaN)));
        expectClose(
          back.map((sample) => sample.map((x) => x / 1e6)),
          known,
          1e-9,
        );
      },
    ),
  );
});

test('a feature of nothing but NaN changes no other feature', () => {
  const batches = fc.array(fc.array(readingOrNot, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(batches, (columns) => {
      const alone = new BatchNorm({ features: 1 });
      const beside = new BatchNorm({ features: 2 });
      for (const column of columns) {
        const z = alone.train(column.map((x) => [x]));
        expect(beside.train(column.map((x) => [Number.NaN, x]))).toEqual(z.map(([y]) => [Number.NaN, y]));
      }
      expect([beside.runningMean[1], beside.runningVar[1]]).toEqual([alone.runningMean[0], alone.runningVar[0]]);
      expect([beside.runningMean[0], beside.runningVar[0]]).toEqual([0, 1]);
      expect(beside.batches).toBe(alone.batches);
    }),
  );
});
