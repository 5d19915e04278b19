/**
 * Past this many samples the bound stops growing. Rounding errors of the algorithms used here do not grow with n as
 * the worst case does, and without the stop a lively feature around 1e9 would count as constant after 1e7 samples.
 */
const MAX_N = 4096;

/** With a deviation above this part of its mean a feature is not constant, whatever n: a quick way out of asking. */
export const SURELY_NOISE = 2 * MAX_N * Number.EPSILON;

/**
 * True when a spread is no more than rounding noise around the mean: `var <= n·ε·var + (n·ε·mean)²`.
 * Such a feature has no scale; dividing by it gives 1e8 or NaN.
 *
 * Bound: Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983; scikit-learn's
 * `_is_constant_feature` uses the same. Given numbers, whose n is infinite, have the error of one rounding.
 */
export function isConstantFeature(variance: number, mean: number, n: number): boolean {
  const roundings = n === Number.POSITIVE_INFINITY ? 1 : n < MAX_N ? n : MAX_N;
  const error = roundings * Number.EPSILON;
  const shift = error * mean;
  return variance <= error * variance + shift * shift;
}
