import { StreamnormError } from '../errors.ts';
import { encodeFrame } from './frame.ts';

/** How samples are written: as JSON, or as one binary push frame each. */
export type SampleFormat = 'json' | 'f32' | 'f64';

export const SAMPLE_FORMATS: readonly SampleFormat[] = ['json', 'f32', 'f64'];

/**
 * One sample as a message. In JSON typed arrays become arrays and non-finite numbers null; a lone non-finite number
 * becomes `[null]`, because a message `null` is none. A binary push frame takes a number, a row or rows of equal length.
 *
 * @param seq rows written before this sample
 * @param time when the sample came, in ms
 * @throws StreamnormError `BAD_JSON`, `BAD_VALUE`, `BAD_DIM` when the sample cannot be written in this format
 */
export function writeSample(format: SampleFormat, sample: unknown, seq: number, time: number): string | Uint8Array {
  return format === 'json' ? jsonOf(sample) : frameOf(format, sample, seq, time);
}

/** How many rows a sample is. */
export function rowsIn(sample: unknown): number {
  return Array.isArray(sample) && isRow(sample[0]) ? sample.length : 1;
}

function jsonOf(sample: unknown): string {
  if (typeof sample === 'number') return Number.isFinite(sample) ? JSON.stringify(sample) : '[null]';
  const text = JSON.stringify(plain(sample));
  if (text === undefined || text === 'null')
    throw new StreamnormError('BAD_JSON', `${String(sample)} has no JSON form`);
  return text;
}

function plain(sample: unknown): unknown {
  if (isTyped(sample)) return Array.from(sample);
  return Array.isArray(sample) && isTyped(sample[0]) ? sample.map(plain) : sample;
}

function frameOf(dtype: 'f32' | 'f64', sample: unknown, seq: number, time: number): Uint8Array {
  const rows = typeof sample === 'number' ? [[sample]] : isRow(sample) && isRow(sample[0]) ? sample : [sample];
  const first = rows[0];
  if (!isRow(first)) {
    throw new StreamnormError(
      'BAD_VALUE',
      `format '${dtype}' writes numbers, arrays and arrays of arrays, got ${typeof sample}`,
    );
  }
  const columns = first.length;
  if (columns === 0) throw new StreamnormError('BAD_DIM', 'the sample has no values');
  const values = new Float64Array(rows.length * columns);
  for (let row = 0; row < rows.length; row++) writeRow(values, row, columns, rows[row]);
  return encodeFrame({ kind: 'push', dtype, rows: rows.length, columns, values, seq, time });
}

function writeRow(values: Float64Array, row: number, columns: number, items: unknown): void {
  if (!isRow(items) || items.length !== columns) {
    throw new StreamnormError('BAD_DIM', `row ${row} must be ${columns} values like row 0`, { row });
  }
  for (let column = 0; column < columns; column++) {
    const value = items[column];
    if (typeof value === 'number') values[row * columns + column] = value;
    else if (value === null || value === undefined) values[row * columns + column] = Number.NaN;
    else throw new StreamnormError('BAD_VALUE', `row ${row} requires numbers or null, got a ${typeof value}`, { row });
  }
}

function isRow(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || isTyped(value);
}

function isTyped(value: unknown): value is Float64Array {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}
