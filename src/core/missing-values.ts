import type { Rows } from './rows.ts';

/**
 * What becomes of a row that lacks a value (NaN, null, undefined, no such field): `'nan'` leaves that feature NaN (JSON
 * null), `'error'` throws, `'dropRow'` leaves the row out of output and statistics, `'mean'` puts the mean in its place,
 * so that it comes out as 0 (then weight and bias). It never enters a statistic. Infinite values are no missing ones:
 * they come out as NaN, flagged.
 */
export type Missing = (typeof MISSING)[number];

export const MISSING = ['nan', 'error', 'dropRow', 'mean'] as const;

/** A row lacks a value, and `missing: 'error'` was asked for. */
export class MissingValue extends RangeError {
  /** The first such row of those that came together. */
  readonly row: number;

  constructor(message: string, row: number) {
    super(message);
    this.row = row;
  }
}

/** @throws RangeError naming the first row and feature without a value */
export function requireValues(where: string, { data, rows, features }: Rows, names?: readonly string[]): void {
  for (let i = 0; i < rows * features; i++) {
    if (!Number.isNaN(data[i])) continue;
    const feature = i % features;
    const row = rows === 1 ? 'the sample' : `row ${(i - feature) / features}`;
    throw new RangeError(
      `${where} requires a value of every feature (missing: 'error'), ${row} has none of ${names?.[feature] ?? `feature ${feature}`}`,
    );
  }
}

/** True when row `row` lacks a value. */
export function lacksValue(data: Float64Array, row: number, features: number): boolean {
  for (let i = row * features, end = i + features; i < end; i++) if (Number.isNaN(data[i])) return true;
  return false;
}

/** The rows, with those that lack a value NaN throughout, and how many those are. */
export function withoutIncomplete(batch: Rows): { batch: Rows; dropped: number } {
  const { rows, features } = batch;
  let data: Float64Array | undefined;
  let dropped = 0;
  for (let row = 0; row < rows; row++) {
    if (!lacksValue(batch.data, row, features)) continue;
    data ??= batch.data.slice(0, rows * features);
    data.fill(Number.NaN, row * features, (row + 1) * features);
    dropped++;
  }
  return { batch: data === undefined ? batch : { data, rows, features }, dropped };
}
