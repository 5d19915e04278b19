/** A line through figures that were taken at equal intervals. */
export interface Rise {
  readonly mean: number;
  /** From the first to the last, along the line; and its standard error, for neighbours that are alike. */
  readonly rise: number;
  readonly error: number;
  /** For people; the figures are MiB. */
  readonly text: string;
}

/**
 * Least squares. Neighbours resemble each other (a history fills and is cut), so they count for fewer than there are: for
 * n·(1 − r)/(1 + r) of them, with r their correlation at lag 1 about the line.
 */
export function risePerRun(figures: readonly number[]): Rise {
  const n = figures.length;
  const mean = figures.reduce((sum, y) => sum + y, 0) / n;
  const middle = (n - 1) / 2;
  let [xx, xy] = [0, 0];
  for (let i = 0; i < n; i++) {
    xx += (i - middle) ** 2;
    xy += (i - middle) * (figures[i]! - mean);
  }
  const slope = xy / xx;
  const rest = figures.map((y, i) => y - mean - slope * (i - middle));
  const squares = rest.reduce((sum, e) => sum + e * e, 0);
  const neighbours = rest.slice(1).reduce((sum, e, i) => sum + e * rest[i]!, 0);
  const likeness = squares === 0 ? 0 : Math.min(0.99, Math.max(0, neighbours / squares));
  const effective = Math.max(3, (n * (1 - likeness)) / (1 + likeness));
  const error = Math.sqrt((squares / n / xx) * (n / (effective - 2))) * (n - 1);
  const rise = slope * (n - 1);
  const text = `${mean.toFixed(1)} MiB, ${rise >= 0 ? '+' : ''}${rise.toFixed(2)} ± ${error.toFixed(2)} MiB over ${n} s after the warm-up`;
  return { mean, rise, error, text };
}
