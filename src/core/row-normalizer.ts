import type { StatisticState } from './state.ts';

/** Rows that have been normalised; memory of their own. */
export interface NormalizedRows {
  readonly rows: number;
  readonly features: number;
  /** As they came in, row-major. */
  readonly raw: Float64Array;
  /** Normalised, row-major; NaN where there is no value. */
  readonly z: Float64Array;
  /** Time of each row in ms. */
  readonly times: Float64Array;
  /** Bits of `FLAG`, one entry a row. */
  readonly flags: Uint16Array;
  /** Key of each row, where each key has statistics of its own. */
  readonly keys?: readonly string[];
}

/** Where the statistics stand; null for what is not known yet. */
export interface StatisticsReport {
  /** How often they have moved. */
  version: number;
  /** Rows that they have learned. */
  rows: number;
  mean: (number | null)[];
  std: (number | null)[];
  /** The last closed window; null for methods without windows and before the first. */
  batch: {
    count: number;
    mean: (number | null)[];
    std: (number | null)[];
    min: (number | null)[];
    max: (number | null)[];
  } | null;
}

/** Rows of an open window. */
export interface PendingRows {
  /** Row-major; null where a value is missing; 'Infinity', '-Infinity' and '-0' for what JSON does not have. */
  data: (number | string | null)[];
  times: number[];
  /** A hole in the feed comes before the next row, or before the first of these. */
  gap?: true;
}

/**
 * One method of normalising, row by row and without samples, Observables or clocks: what a server channel and the
 * command line's filter run.
 */
export interface RowNormalizer {
  readonly features: number;
  /** Rows waiting for their window to close; 0 for methods without windows. */
  readonly pending: number;
  /** Takes rows; returns those that are normalised by now, in order, or undefined when there are none. */
  push(data: Float64Array, rows: number, times: Float64Array): NormalizedRows | undefined;
  /** Closes the open window. */
  flush(): NormalizedRows | undefined;
  /**
   * There is a hole in the feed before the next row: the open window closes, and that row is flagged `gap`. Statistics by
   * time have aged meanwhile: a row that the hole leaves alone with them (nEff below `minSamples`, or 1.01) is not scored by
   * what was before it. Told twice without a row between, it is one hole.
   */
  cut(): NormalizedRows | undefined;
  report(): StatisticsReport;
  /** The report as of now, made when it is asked for: nearly free where nobody asks. */
  capture(): () => StatisticsReport;
  state(): StatisticState;
  pendingRows(): PendingRows;
}

/** NaN as JSON has it. */
export function orNull(x: number): number | null {
  return Number.isFinite(x) ? x : null;
}

/** Memory for normalised rows, in one piece: allocating four would cost as much as normalising them. */
export function emptyRows(rows: number, features: number): NormalizedRows {
  const values = rows * features;
  const memory = new ArrayBuffer(8 * (2 * values + rows) + 2 * rows);
  return {
    rows,
    features,
    raw: new Float64Array(memory, 0, values),
    z: new Float64Array(memory, 8 * values, values),
    times: new Float64Array(memory, 16 * values, rows),
    flags: new Uint16Array(memory, 8 * (2 * values + rows), rows),
  };
}
