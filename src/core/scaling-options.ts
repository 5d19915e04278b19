import { requireNumber, shown } from './parameter.ts';

/** What is added to a variance before the root when nothing is said. */
export const DEFAULT_EPS = 1e-5;

export function requireEps(where: string, eps: unknown): number {
  return requireNumber(where, 'eps', eps, (e) => e >= 0 && e < Number.POSITIVE_INFINITY, 'to be >= 0');
}

export function requireClip(where: string, clip: unknown): number {
  return requireNumber(where, 'clip', clip, (c) => c > 0, 'to be > 0');
}

/** One number for each feature; null when there are none. `length` undefined where the number of features is not known yet. */
export function requireVector(
  where: string,
  name: string,
  value: ArrayLike<number> | null | undefined,
  length: number | undefined,
): Float64Array | null {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'object' || typeof value.length !== 'number') {
    throw new TypeError(`${where} requires ${name} to be an array of numbers, got ${shown(value)}`);
  }
  if (length !== undefined && value.length !== length) {
    throw new RangeError(`${where} requires ${name} to have ${length} values, got ${value.length}`);
  }
  for (let j = 0; j < value.length; j++) {
    if (!Number.isFinite(value[j])) throw new RangeError(`${where} requires ${name} to be finite, got ${value[j]}`);
  }
  return Float64Array.from(value);
}
