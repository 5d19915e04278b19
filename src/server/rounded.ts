const POWERS = Array.from({ length: 31 }, (_, n) => 10 ** n);

/**
 * x with 7 significant digits, as a number whose shortest text has no more: about half the bytes of all 17, and far
 * more than a chart or a model needs. Numbers below 1e-15 or above 1e15 keep all their digits.
 */
export function rounded(x: number): number {
  const size = Math.abs(x);
  if (!(size >= 1e-15 && size < 1e15)) return x;
  // decimals such that 1 <= size·10^decimals / 1e6 < 10, give or take the rounding of log10
  const decimals = 6 - Math.floor(Math.log10(size));
  const near =
    decimals < 0
      ? Math.round(size / POWERS[-decimals]) * POWERS[-decimals]
      : Math.round(size * POWERS[decimals]) / POWERS[decimals];
  return x < 0 ? -near : near;
}
