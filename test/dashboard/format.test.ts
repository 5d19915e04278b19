import { describe, expect, test } from 'vitest';
import {
  decimalsFor,
  formatAge,
  formatNumber,
  formatRate,
  formatTime,
  steadyDecimals,
} from '../../dashboard/format.ts';

describe('format', () => {
  test('decimals follow the spread', () => {
    expect([0.2, 0.0123, 45, 12_345].map((std) => decimalsFor(std))).toEqual([3, 4, 1, 0]);
    expect([0, null, undefined].map((std) => decimalsFor(std))).toEqual([3, 3, 3]);
    expect(decimalsFor(0.2, 2)).toBe(2);
  });

  test('decimals stay where the spread is near a power of ten', () => {
    expect(steadyDecimals(undefined, 2)).toBe(2);
    expect(steadyDecimals(3, 2)).toBe(3);
    expect(steadyDecimals(2, 3)).toBe(3);
    expect(steadyDecimals(5, 3)).toBe(3);
  });

  test('numbers: fixed decimals, a real minus, an exponent where digits would not do, a dash for nothing', () => {
    expect(formatNumber(1234.5, 2)).toBe('1,234.50');
    expect(formatNumber(-1.37, 2)).toBe('−1.37');
    expect(formatNumber(1e-7, 3)).toBe('1.000e−7');
    expect(formatNumber(2.5e12, 1)).toBe('2.500e+12');
    expect(formatNumber(0, 1)).toBe('0.0');
    expect(formatNumber(null)).toBe('–');
    expect(formatNumber(Number.NaN)).toBe('–');
  });

  test('times are as fine as their steps', () => {
    const noon = new Date(2026, 0, 2, 12, 34, 56, 789).getTime();
    expect([60_000, 5000, 500, 50].map((step) => formatTime(noon, step))).toEqual([
      '12:34',
      '12:34:56',
      '12:34:56.7',
      '12:34:56.789',
    ]);
    expect(formatTime(Number.NaN)).toBe('–');
  });

  test('ages and rates', () => {
    expect([300, 42_000, 185_000, 7_800_000].map(formatAge)).toEqual(['0.3 s', '42 s', '3 min 5 s', '2 h 10 min']);
    expect([0, 0.42, 40.04, 1234.6].map(formatRate)).toEqual(['0', '0.4', '40', '1,235']);
  });
});
