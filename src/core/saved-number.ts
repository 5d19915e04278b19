import { StreamnormError } from '../errors.ts';

/** A number as JSON can have it: null for NaN, words for what JSON does not have. */
export function savedNumber(x: number): number | string | null {
  if (Object.is(x, -0)) return '-0';
  return Number.isFinite(x) ? x : Number.isNaN(x) ? null : String(x);
}

/** @throws StreamnormError STATE for anything that `savedNumber` cannot have written */
export function readSavedNumber(saved: unknown): number {
  if (saved === null) return Number.NaN;
  if (Number.isFinite(saved) || saved === 'Infinity' || saved === '-Infinity' || saved === '-0') return Number(saved);
  throw new StreamnormError('STATE', `the saved open window holds ${String(saved).slice(0, 40)}, which is no number`);
}
