/**
 * The largest magnitude that may enter a statistic. Squares of differences stay below 2^962, so even 2^53 of them
 * add up to less than the largest float64 (2^1024).
 */
export const MAX_MAGNITUDE = 2 ** 480;

/** Weights of samples lie between these, or are 0: the squares of their sums neither overflow nor vanish. */
const MAX_WEIGHT = 2 ** 256;
const MIN_WEIGHT = 2 ** -256;

/** True for a weight that a sample can have; 0 is one. */
export function isWeight(weight: unknown): weight is number {
  return typeof weight === 'number' && (weight === 0 || (weight >= MIN_WEIGHT && weight <= MAX_WEIGHT));
}

/** The largest magnitude that may enter with this weight: `w·x²` stays below 2^960, as it does for weight 1. */
export function magnitudeLimit(weight: number): number {
  return weight > 1 ? MAX_MAGNITUDE / Math.sqrt(weight) : MAX_MAGNITUDE;
}

/** True for numbers that may enter a statistic: not NaN, not infinite, not so large that a sum of squares overflows. */
export function isUsable(x: number): boolean {
  return Math.abs(x) <= MAX_MAGNITUDE;
}
