import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { exactMean, exactVariance, exactWeighted, rounded, ulpDistance } from '../support/exact.ts';
import { mulberry32, STRD_CASES, strdValues } from '../support/strd.ts';

/** Relative error of a variance, where the mean outweighs the spread by as much as 1e12. */
const TOLERANCE = 1e-12;

/** Noise far from 0: whole multiples of 2^-22, so that sums of a million of them are exact as small integers. */
const FRACTION = 2 ** 22;

const KINDS: Record<string, (last: number) => Cumulative | Ewma> = {
  Cumulative: () => new Cumulative({ features: 1 }),
  'Ewma, cumulative': () => new Ewma({ features: 1, cumulative: true }),
  'Ewma, by time, all at once': () => new Ewma({ features: 1, halfLife: '1s' }),
};

describe.each(Object.entries(KINDS))('%s', (_, create) => {
  test('a million rows of 1e9 + noise: the variance is exact to 1e-12, the mean to the last bit but one', () => {
    const next = mulberry32(7);
    const statistic = create(0);
    let [sum, squares] = [0n, 0n];
    const ROWS = 1_000_000;
    const row = new Float64Array(1);
    for (let i = 0; i < ROWS; i++) {
      const part = next() >>> 10;
      sum += BigInt(part);
      squares += BigInt(part * part);
      row[0] = 1e9 + part / FRACTION;
      statistic.update(row, 0);
    }
    const n = BigInt(ROWS);
    const variance = rounded({
      numerator: n * squares - sum * sum,
      denominator: n * n * BigInt(FRACTION) * BigInt(FRACTION),
    });
    const mean = rounded({
      numerator: n * 1_000_000_000n * BigInt(FRACTION) + sum,
      denominator: n * BigInt(FRACTION),
    });
    expect(Math.abs(statistic.variance[0] / variance - 1)).toBeLessThan(TOLERANCE);
    expect(ulpDistance(statistic.mean[0], mean)).toBeLessThanOrEqual(1);
  });

  test('offset + noise: the variance is exact to 1e-12, also of merged shards and after a restore', () => {
    fc.assert(
      fc.property(farFrom0, fc.integer({ min: 0, max: 3 }), (values, parts) => {
        const variance = rounded(exactVariance(values));
        const shards = Array.from({ length: parts + 1 }, () => create(0));
        values.forEach((x, i) => {
          shards[i % shards.length].update([x], 0);
          if (i % 7 === 3) {
            const kind = shards[0].constructor as unknown as { from(state: unknown): Cumulative | Ewma };
            shards[i % shards.length] = kind.from(JSON.parse(JSON.stringify(shards[i % shards.length].state())));
          }
        });
        const [whole, ...others] = shards;
        for (const shard of others) whole.merge(shard as never);
        expect(Math.abs(whole.variance[0] - variance)).toBeLessThanOrEqual(TOLERANCE * variance);
        expect(ulpDistance(whole.mean[0], rounded(exactMean(values)))).toBeLessThanOrEqual(2);
      }),
    );
  });

  test.each(STRD_CASES)('$name', ({ data }) => {
    const values = strdValues(data);
    const statistic = create(0);
    for (const x of values) statistic.update([x], 0);
    const variance = rounded(exactVariance(values));
    expect(Math.abs(statistic.variance[0] - variance)).toBeLessThanOrEqual(TOLERANCE * variance);
  });

  test('a first value far from all others leaves no error behind', () => {
    const values = [1e12, ...Array.from({ length: 200 }, (_, i) => 1e-3 * ((i * 37) % 101))];
    const statistic = create(0);
    for (const x of values) statistic.update([x], 0);
    expect(Math.abs(statistic.variance[0] / rounded(exactVariance(values)) - 1)).toBeLessThan(TOLERANCE);
  });
});

describe('Ewma', () => {
  test.each([1, 4, 64])('alpha 1/%i, around an origin that moves: the variance is exact to 1e-12', (span) => {
    fc.assert(
      fc.property(farFrom0, fc.double({ min: -1, max: 1, noNaN: true }), (noise, slope) => {
        const values = noise.map((x, i) => x + i * slope);
        const ewma = new Ewma({ features: 1, alpha: 1 / span });
        for (const x of values) ewma.update([x]);
        // (1 - 1/span)^k, times what makes all of them whole
        const last = values.length - 1;
        const weights = values.map((_, i) => BigInt(span - 1) ** BigInt(last - i) * BigInt(span) ** BigInt(i));
        const variance = rounded(exactWeighted(values, weights).variance);
        expect(Math.abs(ewma.variance[0] - variance)).toBeLessThanOrEqual(TOLERANCE * variance);
      }),
    );
  });

  test('by time, with late samples and merged shards: the variance is exact to 1e-12', () => {
    const sample = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 30 }));
    fc.assert(
      fc.property(
        fc.array(sample, { minLength: 2, maxLength: 40 }),
        fc.integer({ min: 1, max: 3 }),
        (samples, parts) => {
          const shards = Array.from({ length: parts }, () => new Ewma({ features: 1, halfLife: '1s' }));
          samples.forEach(([x, second], i) => void shards[i % parts].update([1e9 + x], second * 1000));
          const [whole, ...others] = shards;
          for (const shard of others) whole.merge(shard);
          const values = samples.map(([x]) => 1e9 + x);
          const weights = samples.map(([, second]) => 2n ** BigInt(second));
          const variance = rounded(exactWeighted(values, weights).variance);
          expect(Math.abs(whole.variance[0] - variance)).toBeLessThanOrEqual(TOLERANCE * variance);
        },
      ),
    );
  });
});

test.each([
  ['Cumulative', new Cumulative({ features: 1 }), Cumulative.from],
  ['Ewma', new Ewma({ features: 1, alpha: 0.25 }), Ewma.from],
] as const)('a state of %s without meanLow, as written before, still loads', (_, statistic, from) => {
  for (const x of [1e9, 1e9 + 0.1, 1e9 + 0.7]) statistic.update([x]);
  const { meanLow, ...before } = statistic.state();
  expect(meanLow).toEqual([expect.any(Number)]);
  const restored = from(before);
  expect([restored.mean[0], restored.variance[0]]).toEqual([statistic.mean[0], statistic.variance[0]]);
});

/** An offset of 1e3 … 1e12, and noise that its float64 can still tell. */
const farFrom0 = fc
  .tuple(
    fc.double({ min: 1e3, max: 1e12, noNaN: true }),
    fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 60 }),
  )
  .map(([offset, noise]) => noise.map((x) => offset + x));
