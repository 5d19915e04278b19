import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { durationMs } from '../../src/core/duration.ts';
import { rateByCount, rateOf } from '../../src/core/rate.ts';
import { expectClose } from '../support/close.ts';

// Wrong rates and durations are in parameters.test.ts.

test.each<[object, object]>([
  [{}, { alpha: 0.1 }],
  [{ alpha: 0.3 }, { alpha: 0.3 }],
  [{ alpha: undefined, cumulative: false }, { alpha: 0.1 }],
  [{ retain: 0.75 }, { alpha: 0.25 }],
  [{ halfLife: 1 }, { alpha: 0.5 }],
  [{ halfLife: '30s' }, { halfLifeMs: 30_000 }],
  [{ cumulative: true }, { cumulative: true }],
  [{ cumulative: true, alpha: undefined }, { cumulative: true }],
])('%j is the rate %j', (options, rate) => expect(rateOf('test', options)).toEqual(rate));

test('after halfLife values the old ones weigh half', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 1e6, noNaN: true }), (halfLife) => {
      const { alpha } = rateByCount('test', { halfLife }) as { alpha: number };
      expectClose((1 - alpha) ** halfLife, 0.5, 1e-9);
    }),
  );
});

test('a half-life of 1e17 values keeps its digits, where 1 - 2^(-1/h) is 0', () => {
  const { alpha } = rateByCount('test', { halfLife: 1e17 }) as { alpha: number };
  expect(alpha / (Math.LN2 / 1e17)).toBeCloseTo(1, 12);
});

describe('durationMs', () => {
  test.each<[unknown, number]>([
    [250, 250],
    [0.5, 0.5],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    [' 2h ', 7_200_000],
    ['1e-7ms', 1e-7],
    ['1e+21ms', 1e21],
  ])('%j is %d ms', (value, spanMs) => expect(durationMs('test', 'within', value)).toBe(spanMs));

  test.each(['', 's', '5', '5 s', '-5s', '5d', '1,5s', '0x5s', 'Infinitys', 'NaNms', {}, null, [5], true])(
    '%j is none',
    (value) => {
      expect(() => durationMs('batchBy', 'within', value)).toThrow(TypeError);
      expect(() => durationMs('batchBy', 'within', value)).toThrow(
        /^batchBy requires within to be a number of ms > 0 or '250ms'/,
      );
    },
  );

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '0s', '1e400s'])('%j is out of range', (value) => {
    expect(() => durationMs('batchBy', 'within', value)).toThrow(RangeError);
  });
});
