import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchKernel } from '../../src/core/batch-kernel.ts';
import { BATCH_KERNEL_SOURCE } from '../../src/core/batch-kernel-code.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import type { Rows } from '../../src/core/rows.ts';
import { doubleOfAnyExponent, illConditioned, reading } from '../support/arbitrary.ts';
import { exactMean, exactVariance, rounded, ulpDistance } from '../support/exact.ts';

const MAX_ULP = 4;

/** Columns beside each other, the shorter ones repeated to the length of the longest. */
function beside(columns: readonly (readonly number[])[]): Rows {
  const rows = Math.max(...columns.map((column) => column.length));
  const features = columns.length;
  const data = Float64Array.from({ length: rows * features }, (_, i) => {
    const column = columns[i % features];
    return column[Math.floor(i / features) % column.length];
  });
  return { data, rows, features };
}

function columnOf({ data, rows, features }: Rows, feature: number): number[] {
  return Array.from({ length: rows }, (_, i) => data[i * features + feature]);
}

/** Which columns the kernel itself answers. */
function answered(batch: Rows): boolean[] {
  const kernel = batchKernel(batch.rows, batch.features);
  if (kernel === undefined) throw new Error('this machine or this size has no kernel');
  kernel.sum(batch);
  const summary = new BatchSummary(batch.features);
  summary.rows = batch.rows;
  return Array.from({ length: batch.features }, (_, j) => kernel.column(summary, j));
}

function expectExact(batch: Rows, columns = batch.features): void {
  const summary = new BatchSummary(batch.features).of(batch);
  for (let j = 0; j < columns; j++) {
    const values = columnOf(batch, j);
    expect([summary.count[j], summary.min[j], summary.max[j]]).toEqual([
      values.length,
      Math.min(...values),
      Math.max(...values),
    ]);
    expect(ulpDistance(summary.mean[j], rounded(exactMean(values)))).toBeLessThanOrEqual(MAX_ULP);
    expect(ulpDistance(summary.variance(j), rounded(exactVariance(values)))).toBeLessThanOrEqual(MAX_ULP);
  }
}

test('the code is that of the source in assembly/', () => {
  const source = readFileSync(new URL('../../assembly/batch-kernel.ts', import.meta.url));
  expect(createHash('sha256').update(source).digest('hex')).toBe(BATCH_KERNEL_SOURCE);
});

test('Node has SIMD, so the kernel is there; for few rows, few values or very wide rows it is not asked', () => {
  expect(batchKernel(64, 8)).toBeDefined();
  expect(batchKernel(31, 64)).toBeUndefined();
  expect(batchKernel(64, 3)).toBeUndefined();
  expect(batchKernel(64, 513)).toBeUndefined();
});

describe(`within ${MAX_ULP} ulp of the exact result`, () => {
  const long = (values: fc.Arbitrary<number>) => fc.array(values, { minLength: 257, maxLength: 700, size: 'max' });
  test.each([
    ['readings', long(reading)],
    ['numbers around 0', long(fc.double({ min: -1, max: 1, noNaN: true }))],
    ['1e9 + noise', long(fc.double({ min: 0, max: 1, noNaN: true }).map((x) => 1e9 + x))],
    [
      'two values, again and again',
      fc.tuple(reading, reading).map(([a, b]) => Array.from({ length: 300 }, (_, i) => (i % 2 ? a : b))),
    ],
    ['values a few ulp apart', long(fc.integer({ min: 0, max: 3 }).map((step) => 1 + step * Number.EPSILON))],
    ['numbers of any exponent', long(doubleOfAnyExponent())],
    [
      'columns that are hard to sum',
      illConditioned.map((values) => Array.from({ length: 320 }, (_, i) => values[i % values.length])),
    ],
  ])('%s', (_, column) => {
    fc.assert(
      fc.property(fc.array(column, { minLength: 1, maxLength: 3 }), (columns) => expectExact(beside(columns))),
      { numRuns: 25 },
    );
  });

  test('more tiles than one, the last one odd, at every width up to that of two cache lines', () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    for (let features = 1; features <= 17; features++) {
      const rows = Math.ceil(8_192 / features) + 13;
      const data = Float64Array.from({ length: rows * features }, (_, i) => 20 + (i % features) + random());
      const batch = { data, rows, features };
      expect(answered(batch)).toEqual(new Array(features).fill(true));
      expectExact(batch, 1);
      expectExact({ ...batch, data: data.map((x) => x - 20) }, 1);
    }
  });
});

test('a column with a missing or unusable value is left to the plain loops, its neighbours are not', () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300]) {
    for (const row of [0, 1, 150, 299]) {
      const batch = beside([0, 1, 2].map((j) => Array.from({ length: 300 }, (_, i) => Math.sin(i + j) + 2)));
      batch.data[row * 3 + 1] = bad;
      expect(answered(batch)).toEqual([true, false, true]);
      const summary = new BatchSummary(3).of(batch);
      expect([...summary.count]).toEqual([300, 299, 300]);
      const rest = columnOf(batch, 1).filter((x) => Math.abs(x) <= 10);
      expect(ulpDistance(summary.mean[1], rounded(exactMean(rest)))).toBeLessThanOrEqual(MAX_ULP);
    }
  }
});

test('a constant column has exactly its value as mean and no variance', () => {
  for (const x of [0, 0.1, -1e9 / 3, 2 ** 480, 5e-324]) {
    const batch = beside([new Array<number>(256).fill(x)]);
    expect(answered(batch)).toEqual([true]);
    const summary = new BatchSummary(1).of(batch);
    expect([summary.mean[0], summary.m2[0]]).toEqual([x, 0]);
  }
});

test('a guess that was bad is noticed: a few huge values among small ones, a lone one among zeros', () => {
  const few = Array.from({ length: 1_024 }, (_, i) => (i === 7 ? 1e12 : Math.cos(i)));
  const lone = Array.from({ length: 1_024 }, (_, i) => (i === 1 ? 3 : 0));
  const batch = beside([few, lone]);
  expect(answered(batch)).toEqual([false, false]);
  expectExact(batch);
});

describe('BatchNorm on batches for the kernel', () => {
  const wide = fc
    .record({
      features: fc.integer({ min: 1, max: 11 }),
      rows: fc.integer({ min: 256, max: 300 }),
      seed: fc.integer({ min: 1, max: 1_000_000 }),
      weighted: fc.boolean(),
      clip: fc.constantFrom(undefined, 1, 50),
      renorm: fc.constantFrom(undefined, { rMax: 3, dMax: 5 }),
      holes: fc.boolean(),
      flat: fc.boolean(),
    })
    .map(({ features, rows, seed, ...rest }) => {
      let state = seed;
      const data = Float64Array.from({ length: rows * features }, (_, i) => {
        state = (state * 48_271) % 2_147_483_647;
        if (rest.flat && i % features === 0) return 7;
        return rest.holes && state % 211 === 0 ? Number.NaN : (state / 2_147_483_647 - 0.3) * 10 ** (i % features);
      });
      return { features, rows, data, ...rest };
    });

  test('rows come out as from the plain loops, flags too: within 1e-13', () => {
    fc.assert(
      fc.property(wide, ({ features, rows, data, weighted, clip, renorm }) => {
        const options = {
          features,
          ...(clip !== undefined && { clip }),
          ...(renorm !== undefined && { renorm }),
          ...(weighted && {
            weight: Array.from({ length: features }, (_, j) => j - 1.5),
            bias: Array.from({ length: features }, (_, j) => 2 * j),
          }),
        };
        const [model, plain] = [new BatchNorm(options), new BatchNorm(options)];
        for (let batch = 0; batch < 2; batch++) {
          const whole = new BatchSummary(features).of({ data, rows, features });
          const [out, outFlags] = [new Float64Array(data.length), new Uint8Array(rows)];
          const [expected, expectedFlags] = [new Float64Array(data.length), new Uint8Array(rows)];
          model.trainInto({ data, rows, features }, out, outFlags);
          // by statistics that come from elsewhere the plain loops normalise
          plain.trainInto({ data, rows, features }, expected, expectedFlags, whole);
          expect(outFlags).toEqual(expectedFlags);
          for (let i = 0; i < out.length; i++) {
            if (Number.isNaN(expected[i])) expect(out[i]).toBeNaN();
            else expect(Math.abs(out[i] - expected[i])).toBeLessThanOrEqual(1e-13 * (1 + Math.abs(expected[i])));
          }
          expect(model.runningMean).toEqual(plain.runningMean);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('a feature without spread comes out as 0, never as -0', () => {
    const rows = 300;
    const data = Float64Array.from({ length: rows }, (_, i) => 1e9 + (i % 2) * 1e-7);
    const out = new Float64Array(rows);
    new BatchNorm({ features: 1 }).trainInto({ data, rows, features: 1 }, out);
    expect(out.every((z) => Object.is(z, 0))).toBe(true);
  });

  test('in place: out may be the data', () => {
    const rows = 3_000;
    const data = Float64Array.from({ length: rows * 8 }, (_, i) => Math.sin(i) * 100);
    const apart = new Float64Array(data.length);
    new BatchNorm({ features: 8 }).trainInto({ data, rows, features: 8 }, apart);
    new BatchNorm({ features: 8 }).trainInto({ data, rows, features: 8 }, data);
    expect(data).toEqual(apart);
  });
});
