import { StreamnormError } from '../errors.ts';
import { isControl } from './control-message.ts';
import type { Frame } from './frame.ts';

/** What a message can hold: a number, a row of numbers, a record. */
export type Sample = number | number[] | Record<string, unknown>;

/**
 * The samples of one message; what `fromWebSocket` does when it is given no `samples`.
 *
 * | message | samples |
 * |---|---|
 * | `1.5` | that number |
 * | `[1.5, null]` | one row; `null` is NaN |
 * | `[[1, 2], [3, 4]]`, `[{…}, {…}]` | one a row or record |
 * | `{"bid": 1.5, "ask": 2}` | that record, untouched |
 * | `{"type": "next", "z": [[…]]}`, `{"type": "push", "x": [[…]]}` | one a row |
 * | `{"type": "snapshot"}`, `heartbeat`, `gap`, `accepted`, `error`, `drift`, `bye` | none |
 * | a binary frame | one a row |
 *
 * @param message parsed JSON, or bytes
 * @param frame the frame the bytes hold
 * @throws StreamnormError `BAD_JSON` when it is none of these, `BAD_VALUE` when a row holds something else than
 *   numbers and null, `BAD_FRAME` when it is bytes that hold no frame
 * @example
 * samplesOf([[1, null], [3, 4]]); // [[1, NaN], [3, 4]]
 */
export function samplesOf(message: unknown, frame?: Frame): Sample[] {
  if (frame !== undefined) return rowsOf(frame);
  if (typeof message === 'number') return [message];
  if (Array.isArray(message)) return samplesOfArray(message);
  if (message instanceof Uint8Array) {
    throw new StreamnormError(
      'BAD_FRAME',
      `frame requires the first bytes to be 'SNM1', got ${message.length} other bytes`,
    );
  }
  if (typeof message !== 'object' || message === null) throw badJson(message);
  if (isControl(message)) return [];
  const { type, z, x } = message as { type?: unknown; z?: unknown; x?: unknown };
  if (type === 'next') return samplesOfRows('z', z);
  if (type === 'push') return samplesOfRows('x', x);
  return [message as Record<string, unknown>];
}

function samplesOfRows(name: string, rows: unknown): Sample[] {
  if (Array.isArray(rows)) return samplesOfArray(rows);
  throw new StreamnormError('BAD_JSON', `${name} must be an array of rows, got ${kindOf(rows)}`);
}

function samplesOfArray(items: readonly unknown[]): Sample[] {
  const first = items[0];
  if (Array.isArray(first))
    return items.map((item, row) => (Array.isArray(item) ? rowOf(item, row) : notA('row', item, row)));
  if (typeof first === 'object' && first !== null) {
    return items.map((item, row) => (isRecord(item) ? item : notA('record', item, row)));
  }
  if (items.length === 0) throw badJson(items);
  return [rowOf(items, 0)];
}

function rowOf(items: readonly unknown[], row: number): number[] {
  const values = new Array<number>(items.length);
  for (let column = 0; column < items.length; column++) {
    const value = items[column];
    if (typeof value === 'number') values[column] = value;
    else if (value === null) values[column] = Number.NaN;
    else {
      throw new StreamnormError('BAD_VALUE', `row ${row} requires numbers or null, got ${kindOf(value)} at ${column}`, {
        row,
      });
    }
  }
  return values;
}

function rowsOf({ values, rows, columns }: Frame): number[][] {
  const list = new Array<number[]>(rows);
  for (let row = 0; row < rows; row++) list[row] = Array.from(values.subarray(row * columns, (row + 1) * columns));
  return list;
}

function isRecord(item: unknown): item is Record<string, unknown> {
  return typeof item === 'object' && item !== null && !Array.isArray(item);
}

function notA(what: string, item: unknown, row: number): never {
  throw new StreamnormError('BAD_JSON', `row ${row} must be a ${what} like row 0, got ${kindOf(item)}`, { row });
}

function badJson(message: unknown): StreamnormError {
  return new StreamnormError('BAD_JSON', `the message must be a number, an array or a record, got ${kindOf(message)}`);
}

/** Never the value itself: it may be huge, and 200,000 levels deep. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  return typeof value === 'object' ? 'an object' : typeof value === 'string' ? 'a string' : String(value);
}
