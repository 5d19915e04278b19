/**
 * What one row was normalised with, feature by feature, so that it can be brought back however far the statistics have
 * moved on since: `y = (x - mean)/std·weight + bias`, `x = (y - bias)/weight·std + mean`.
 */
export interface RowScale {
  /** NaN where a feature had no statistics. */
  readonly mean: number[];
  /** √(variance + eps). */
  readonly std: number[];
  /** Absent: 1. */
  readonly weight?: number[];
  /** Absent: 0. */
  readonly bias?: number[];
}

/** Writes to `out` the x whose y is `values`, both from 0 on; NaN where there is none, as for weight 0. */
export function invertRow(values: ArrayLike<number>, scale: RowScale, out: Float64Array): void {
  const { mean, std, weight, bias } = scale;
  for (let j = 0; j < mean.length; j++) {
    const z = (values[j] - (bias?.[j] ?? 0)) / (weight?.[j] ?? 1);
    const x = z * std[j] + mean[j];
    out[j] = Number.isFinite(x) ? x : Number.NaN;
  }
}
