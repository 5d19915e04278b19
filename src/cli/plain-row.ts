import type { CsvRow } from './csv-row.ts';
import { POWER } from './read-number.ts';
import { type RowBlock, SLOT } from './row-block.ts';
import { MAX_LINE_BYTES } from './row-reader.ts';

const QUOTE = 34;
const COMMA = 44;
const NEWLINE = 10;
const RETURN = 13;
const MINUS = 45;
/** Character less '0'. */
const POINT = -2;

/**
 * Reads a row without quotes whose features are plain decimals, as nearly all are, looking at each byte once.
 *
 * False, and nothing that counts is changed, for any other row and for one that does not end before `to`; those are read
 * by `CsvRow` and `readNumber`, whose results are the same. Gain: a third of the time of reading.
 *
 * @param featureOf feature of each column, -1 for none
 * @param row its fields, `next` and `lines` are set
 */
export function readPlainRow(block: RowBlock, at: number, to: number, featureOf: Int32Array, row: CsvRow): boolean {
  const { bytes, values, slots } = block;
  const { start, end } = row;
  const columns = featureOf.length;
  const first = block.rows * block.features;
  let slot = first * SLOT;
  let i = at;
  for (let column = 0; column < columns; column++, i++) {
    const begin = i;
    const feature = featureOf[column];
    if (feature >= 0) {
      const negative = bytes[i] === MINUS;
      if (negative) i++;
      const firstDigit = i;
      let whole = 0;
      let point = -1;
      for (; i < to; i++) {
        const digit = bytes[i] - 48;
        if (digit >= 0 && digit <= 9) whole = whole * 10 + digit;
        else if (digit === POINT && point < 0) point = i;
        else break;
      }
      const decimals = point < 0 ? 0 : i - point - 1;
      const digits = i - firstDigit - (point < 0 ? 0 : 1);
      if (digits === 0 || decimals > 22 || whole > Number.MAX_SAFE_INTEGER) return false;
      const size = whole / POWER[decimals];
      values[first + feature] = negative ? -size : size;
      slots[slot] = begin;
      slots[slot + 1] = i;
      slots[slot + 2] = feature;
      slot += SLOT;
    } else {
      if (bytes[i] === QUOTE) return false;
      for (; i < to; i++) {
        const byte = bytes[i];
        if (byte === COMMA || byte === NEWLINE || byte === RETURN) break;
      }
    }
    start[column] = begin;
    end[column] = i;
    if (i >= to) return false;
    if (bytes[i] === COMMA) {
      if (column + 1 === columns) return false;
      continue;
    }
    if (column + 1 < columns) return false;
    if (bytes[i] === RETURN) i++;
    if (i >= to || bytes[i] !== NEWLINE) return false;
  }
  if (i - at > MAX_LINE_BYTES) return false;
  row.fields = columns;
  row.next = i;
  row.lines = 1;
  return true;
}
