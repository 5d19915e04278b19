import type { Drift } from './drift-detector.ts';
import type { DriftAction, DriftWatch } from './drift-watch.ts';
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
  /** What `Arrival.ids` called each row; undefined where it called them nothing. */
  readonly ids?: Float64Array | undefined;
  /** Changes of the means of features, in the order of the rows that showed them; absent when there were none. */
  drifts?: readonly RowDrift[];
}

/** The mean of a feature has changed. */
export interface RowDrift extends Drift {
  /** Index of the feature. */
  readonly feature: number;
  /** Which of these rows showed it. */
  readonly row: number;
  readonly detector: string;
  readonly action: DriftAction;
}

/** What a watch has found, by the rows that leave: the first of them was the `first` that the watch saw. */
export function rowDrifts(watch: DriftWatch, first: number): RowDrift[] | undefined {
  const { kind: detector, action } = watch;
  return watch.take()?.map((found) => ({ ...found, row: found.row - first, detector, action }));
}

/** When rows come, and what they are called. */
export interface Arrival {
  /** Ms that only ever count up: what windows by arrival go by. */
  readonly elapsedMs: number;
  /** The wall clock in ms, for what is too far ahead of it. */
  readonly nowMs: number;
  /** Numbers of the caller's, one a row, which leave with the rows: rows may leave in another order than they came. */
  readonly ids?: Float64Array | undefined;
  /**
   * Of each row, for methods whose statistic takes weights (`WEIGHTED_METHODS`); others pass them over. A row whose weight
   * is none is scored, not learned, and flagged `weight`; one of weight 0 only not learned. Absent, all weigh 1.
   */
  readonly weights?: Float64Array | undefined;
  /** Bits of `FLAG`, one entry a row, for rows that a `QuarantineNormalizer` is to keep out whatever it thinks of them. */
  readonly keptOut?: Uint16Array | undefined;
}

/** Of rows that come without a clock: no window closes by time, and nothing is ahead of it. */
export const NO_CLOCK: Arrival = { elapsedMs: 0, nowMs: Number.POSITIVE_INFINITY };

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
  /** Windows that share rows, or follow their times. */
  line?: SavedLine;
  /** The newest time that `quarantine` has let pass. */
  newest?: number;
}

/** Windows as slices of a line; the rows are those beside it, in the order of the line. */
export interface SavedLine {
  /** What the windows are; others cannot go on from here. */
  of: string;
  /** Where each row lies. */
  positions: number[];
  /** Bits of each row: 1 it has left, 2 it is to be learned, 4 a window still holds it, 8 it came after a hole. */
  marks: number[];
  /** Up to where windows have closed; null for none. */
  closed: number | null;
  /** Where the newest row lies, or the clock stood; null before the first. */
  newest: number | null;
}

/**
 * One method of normalising, row by row and without samples, Observables or clocks: what a server channel and the
 * command line's filter run.
 */
export interface RowNormalizer {
  readonly features: number;
  /** Rows waiting for their window to close; 0 for methods without windows. */
  readonly pending: number;
  /** When `advance` is due, in ms as `Arrival.elapsedMs`; Infinity while no window closes by time. */
  readonly dueMs: number;
  /**
   * Takes rows; returns those that leave by now, or undefined when there are none. Every row leaves once, in the order
   * in which it came, but where windows follow the times of rows: then they leave in that order. What is kept out of the
   * statistics leaves at once.
   *
   * @throws MissingValue with `missing: 'error'`; nothing has changed then
   */
  push(data: Float64Array, rows: number, times: Float64Array, arrival?: Arrival): NormalizedRows | undefined;
  /** Closes the windows that are due. A window that was restored begins its time with the first call. */
  advance(elapsedMs: number): NormalizedRows | undefined;
  /** Closes all open windows. */
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

/** What belongs to some of the rows. */
export function arrivalOf(arrival: Arrival, from: number, to: number): Arrival {
  const { ids, weights, keptOut } = arrival;
  if (ids === undefined && weights === undefined && keptOut === undefined) return arrival;
  const part = { ids: ids?.subarray(from, to), weights: weights?.subarray(from, to) };
  return { ...arrival, ...part, keptOut: keptOut?.subarray(from, to) };
}

/** NaN as JSON has it. */
export function orNull(x: number): number | null {
  return Number.isFinite(x) ? x : null;
}

/** Memory for normalised rows, in one piece: allocating four would cost as much as normalising them. */
export function emptyRows(rows: number, features: number, named = false): NormalizedRows {
  const values = rows * features;
  const memory = new ArrayBuffer(8 * (2 * values + rows) + 2 * rows);
  return {
    rows,
    features,
    raw: new Float64Array(memory, 0, values),
    z: new Float64Array(memory, 8 * values, values),
    times: new Float64Array(memory, 16 * values, rows),
    flags: new Uint16Array(memory, 8 * (2 * values + rows), rows),
    ids: named ? new Float64Array(rows) : undefined,
  };
}
