import { describe, expect, test } from 'vitest';
import { steadyRange } from '../../dashboard/steady-range.ts';

describe('steadyRange', () => {
  test('stays while the data fits and fills it', () => {
    const first = steadyRange(undefined, 0, 10);
    expect(first).toEqual([-1.5, 11.5]);
    expect(steadyRange(first, 1, 11)).toBe(first);
  });

  test('moves when the data leaves it or has become small in it', () => {
    expect(steadyRange([0, 10], 2, 12)).toEqual([0.5, 13.5]);
    expect(steadyRange([0, 10], 4, 6)).toEqual([3.7, 6.3]);
  });

  test('gives a constant room, and stays without data', () => {
    expect(steadyRange(undefined, 0, 0)).toEqual([-0.15, 0.15]);
    expect(steadyRange([2, 3], Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)).toEqual([2, 3]);
    expect(steadyRange(undefined, Number.NaN, Number.NaN)).toEqual([-0.15, 1.15]);
  });
});
