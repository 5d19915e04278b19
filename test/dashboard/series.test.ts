import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Series } from '../../dashboard/series.ts';

describe('Series', () => {
  test('keeps the newest points, oldest first', () => {
    const series = new Series(2, 3);
    for (const n of [1, 2, 3, 4]) series.push([n, -n]);
    expect([...series.view(0)]).toEqual([2, 3, 4]);
    expect([...series.view(1)]).toEqual([-2, -3, -4]);
    expect(series.length).toBe(3);
  });

  test('view gives the newest of them when asked for fewer, and what there is when asked for more', () => {
    const series = new Series(1, 5);
    for (const n of [1, 2, 3]) series.push([n]);
    expect([...series.view(0, 2)]).toEqual([2, 3]);
    expect([...series.view(0, 99)]).toEqual([1, 2, 3]);
  });

  test('is empty at first and after clear', () => {
    const series = new Series(1, 2);
    expect([...series.view(0)]).toEqual([]);
    expect(series.last(0)).toBeNaN();
    series.push([7]);
    expect(series.last(0)).toBe(7);
    series.clear();
    expect(series.length).toBe(0);
    expect(series.last(0)).toBeNaN();
  });

  test('a view does not copy', () => {
    const series = new Series(1, 4);
    series.push([1]);
    expect(series.view(0).buffer).toBe(series.view(0).buffer);
  });

  test('rejects a capacity below 1', () => {
    expect(() => new Series(1, 0)).toThrow('Series requires a capacity of at least 1, got 0');
  });

  test('equals an array that drops its oldest elements', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.double({ noNaN: true }), { maxLength: 60 }),
        (size, values) => {
          const series = new Series(1, size);
          const oracle: number[] = [];
          for (const value of values) {
            series.push([value]);
            oracle.push(value);
            if (oracle.length > size) oracle.shift();
            expect([...series.view(0)]).toEqual(oracle);
          }
        },
      ),
    );
  });
});
