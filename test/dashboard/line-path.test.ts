import { describe, expect, test } from 'vitest';
import { tracePath } from '../../dashboard/line-path.ts';

const NONE = Number.NaN;
const plain = { offset: 0, factor: 1 };

function trace(xs: number[], ys: number[], from = 0, to = xs.length - 1): string {
  const steps: string[] = [];
  const pen = {
    moveTo: (x: number, y: number) => steps.push(`M${x},${y}`),
    lineTo: (x: number, y: number) => steps.push(`L${x},${y}`),
  };
  tracePath(pen, xs, ys, from, to, plain, plain);
  return steps.join(' ');
}

describe('tracePath', () => {
  test('draws one line through the points', () => {
    expect(trace([0, 1, 2], [5, 6, 7])).toBe('M0,5 L1,6 L2,7');
  });

  test('interrupts the line where a value is not a number', () => {
    expect(trace([0, 1, 2, 3, 4], [5, 6, NONE, 8, 9])).toBe('M0,5 L1,6 M3,8 L4,9');
  });

  test('draws a lone point as a dot', () => {
    expect(trace([0, 1, 2], [NONE, 6, NONE])).toBe('M1,6 L1.1,6');
    expect(trace([3], [6])).toBe('M3,6 L3.1,6');
  });

  test('points in one pixel column become a stroke through their extent that ends at the last of them', () => {
    expect(trace([1, 1.1, 1.2, 1.3, 2], [5, 9, 1, 6, 7])).toBe('M1,5 L1,1 L1,9 L1,6 L2,7');
  });

  test('keeps a spike among ten thousand points', () => {
    const xs = Array.from({ length: 10_000 }, (_, i) => i / 100);
    const ys = xs.map((_, i) => (i === 5005 ? 99 : 0));
    const path = trace(xs, ys);
    expect(path).toContain('L50,99');
    expect(path.split(' ').length).toBeLessThan(500);
  });

  test('draws nothing of nothing, and only the part asked for', () => {
    expect(trace([], [])).toBe('');
    expect(trace([0, 1], [NONE, NONE])).toBe('');
    expect(trace([0, 1, 2, 3], [1, 2, 3, 4], 1, 2)).toBe('M1,2 L2,3');
  });

  test('scales to pixels', () => {
    const steps: number[] = [];
    const pen = { moveTo: (...at: number[]) => steps.push(...at), lineTo: (...at: number[]) => steps.push(...at) };
    tracePath(pen, [0, 1], [0, 1], 0, 1, { offset: 10, factor: 100 }, { offset: 50, factor: -20 });
    expect(steps).toEqual([10, 50, 110, 30]);
  });
});
