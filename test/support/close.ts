import { expect } from 'vitest';

type Numbers = number | ArrayLike<number> | readonly Numbers[];

/**
 * Expects numbers, or arrays of them of the same form, to differ by no more than `tolerance`: relative to the expected
 * number where that is larger than 1, else absolute. NaN is only close to NaN.
 */
export function expectClose(actual: Numbers, expected: Numbers, tolerance = 1e-12): void {
  const worst = farthest(actual, expected, '');
  if (worst.difference <= tolerance) return;
  expect.fail(
    `${worst.path || 'the number'} is ${worst.actual}, expected ${worst.expected} ± ${tolerance}: ` +
      `the difference is ${worst.difference}`,
  );
}

interface Difference {
  path: string;
  actual: unknown;
  expected: unknown;
  difference: number;
}

function farthest(actual: unknown, expected: unknown, path: string): Difference {
  if (typeof expected === 'number' && typeof actual === 'number') {
    const same = Object.is(actual, expected) || actual === expected;
    const scaled = Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
    return { path, actual, expected, difference: same ? 0 : Number.isNaN(scaled) ? Number.POSITIVE_INFINITY : scaled };
  }
  const [a, b] = [actual, expected] as ArrayLike<unknown>[];
  if (typeof a !== 'object' || typeof b !== 'object' || a.length !== b.length) {
    return { path: path || 'the form', actual, expected, difference: Number.POSITIVE_INFINITY };
  }
  let worst: Difference = { path, actual, expected, difference: 0 };
  for (let i = 0; i < b.length; i++) {
    const found = farthest(a[i], b[i], `${path}[${i}]`);
    if (found.difference > worst.difference) worst = found;
  }
  return worst;
}
