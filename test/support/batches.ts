import type { Rows } from '../../src/core/rows.ts';

/** Arrays of numbers as `Rows`; null and undefined become NaN. */
export function rowsOf(samples: readonly (readonly (number | null | undefined)[])[], features?: number): Rows {
  const width = features ?? samples[0].length;
  return {
    data: Float64Array.from(samples.flatMap((sample) => sample.map((x) => x ?? Number.NaN))),
    rows: samples.length,
    features: width,
  };
}

/** One column as `Rows`. */
export function columnOf(values: readonly number[]): Rows {
  return { data: Float64Array.from(values), rows: values.length, features: 1 };
}

/** Rows as arrays of numbers. */
export function samplesOf({ data, rows, features }: Rows): number[][] {
  return Array.from({ length: rows }, (_, i) => Array.from(data.subarray(i * features, (i + 1) * features)));
}

/** The values cut into pieces of these sizes, the last piece with the rest; sizes are used in turn. */
export function chunksOf<T>(values: readonly T[], sizes: readonly number[]): T[][] {
  const chunks: T[][] = [];
  for (let from = 0, turn = 0; from < values.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length]);
    chunks.push(values.slice(from, from + size));
    from += size;
  }
  return chunks;
}
