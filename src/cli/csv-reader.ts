import { readTime, TIME_RULE } from '../core/read-time.ts';
import { StreamnormError } from '../errors.ts';
import { type BadLines, quoted } from './bad-lines.ts';
import { textOfBytes } from './bytes-text.ts';
import { CsvRow, SCAN } from './csv-row.ts';
import { readPlainRow } from './plain-row.ts';
import { readNumber } from './read-number.ts';
import { type RowBlock, SLOT } from './row-block.ts';
import { type KeyOf, LINE_TOO_LONG, MAX_LINE_BYTES, type ReadOptions, type RowReader } from './row-reader.ts';

const NEWLINE = 10;
const RETURN = 13;
const BOM = [0xef, 0xbb, 0xbf];

/**
 * CSV with a header, passed on byte for byte but for the features. Blank lines are left out, except in a file of one
 * column, where they are rows without a value.
 *
 * Without given features they are the columns whose field in the first row is a number, time, key and weight excepted.
 */
export class CsvReader implements RowReader {
  readonly missing: string;
  features: readonly string[] | undefined;
  readonly #options: ReadOptions;
  readonly #bad: BadLines;
  readonly #keyOf: KeyOf;
  readonly #row: CsvRow;
  readonly #probe: Float64Array;
  #head: Buffer | undefined;
  #header: readonly string[];
  /** Feature of each column, -1 for none. */
  #featureOf: Int32Array;
  #keyColumn: number;
  #timeColumn: number;
  #weightColumn: number;
  /** Number of the line that is read next. */
  #line: number;
  /** Within a line that was too long. */
  #skipping: boolean;
  /** Where `#find` stopped. */
  #at: number;

  constructor(options: ReadOptions, bad: BadLines, keyOf: KeyOf) {
    this.missing = '';
    this.features = undefined;
    this.#options = options;
    this.#bad = bad;
    this.#keyOf = keyOf;
    this.#row = new CsvRow();
    this.#probe = new Float64Array(1);
    this.#head = undefined;
    this.#header = [];
    this.#featureOf = new Int32Array(0);
    this.#keyColumn = -1;
    this.#timeColumn = -1;
    this.#weightColumn = -1;
    this.#line = 1;
    this.#skipping = false;
    this.#at = 0;
  }

  get header(): readonly string[] {
    return this.#header;
  }

  takeHead(): Buffer | undefined {
    const head = this.#head;
    this.#head = undefined;
    return head;
  }

  readHead(bytes: Buffer, from: number, to: number, last: boolean): number {
    this.#at = from;
    if (this.#header.length === 0 && !this.#readHeader(bytes, from, to, last)) return from;
    if (this.features === undefined && this.#find(bytes, this.#at, to, last)) this.#use(this.#numericColumns(bytes));
    return this.#at;
  }

  read(block: RowBlock, from: number, to: number, last: boolean, arrivedMs: number): number {
    this.#at = from;
    for (;;) {
      block.reserve();
      const plain = !this.#skipping && readPlainRow(block, this.#at, to, this.#featureOf, this.#row);
      if (!plain && !this.#find(block.bytes, this.#at, to, last)) return this.#at;
      const complaint = (plain ? undefined : this.#readFeatures(block)) ?? this.#finish(block, arrivedMs);
      if (complaint !== undefined) {
        this.#bad.add(this.#line, complaint, block.bytes.subarray(this.#at, this.#row.next));
      }
      this.#at = this.#row.next;
      this.#line += this.#row.lines;
    }
  }

  /** Reads the features of the row that `#find` went to; returns what is wrong with it. */
  #readFeatures({ bytes, features, rows, values, slots }: RowBlock): string | undefined {
    const { start, end } = this.#row;
    const first = rows * features;
    let slot = first * SLOT;
    for (let column = 0; column < this.#featureOf.length; column++) {
      const feature = this.#featureOf[column];
      if (feature < 0) continue;
      const inner = this.#row.isQuoted(bytes, column) ? 1 : 0;
      if (!readNumber(bytes, start[column] + inner, end[column] - inner, values, first + feature)) {
        return `${this.#header[column]} is ${this.#shown(bytes, column)}, not a number`;
      }
      slots[slot] = start[column];
      slots[slot + 1] = end[column];
      slots[slot + 2] = feature;
      slot += SLOT;
    }
    return undefined;
  }

  /** Adds the row to the block; returns what is wrong with it. */
  #finish(block: RowBlock, arrivedMs: number): string | undefined {
    const { bytes, rows } = block;
    let time = arrivedMs;
    if (this.#timeColumn >= 0) {
      time = this.#time(bytes);
      if (Number.isNaN(time)) {
        return `${this.#header[this.#timeColumn]} is ${this.#shown(bytes, this.#timeColumn)}, not ${TIME_RULE}`;
      }
    }
    if (this.#weightColumn >= 0 && !this.#readWeight(block)) {
      return `${this.#header[this.#weightColumn]} is ${this.#shown(bytes, this.#weightColumn)}, not a number`;
    }
    const key = this.#keyOf(this.#keyColumn < 0 ? '' : this.#row.text(bytes, this.#keyColumn));
    if (key === undefined) return `there are no statistics for the key ${this.#shown(bytes, this.#keyColumn)}`;
    block.times[rows] = time;
    block.line[rows] = this.#line;
    block.keys[rows] = key;
    block.rowStart[rows] = this.#at;
    block.rowEnd[rows] = this.#row.next;
    block.rows = rows + 1;
    return undefined;
  }

  #readHeader(bytes: Buffer, from: number, to: number, last: boolean): boolean {
    if (to === from || (to - from < BOM.length && !last)) return false;
    const row = this.#row;
    const begin =
      BOM.every((byte, i) => bytes[from + i] === byte) && to - from >= BOM.length ? from + BOM.length : from;
    const found = row.scan(bytes, begin, to, last);
    if (found === SCAN.incomplete && to - from <= MAX_LINE_BYTES) return false;
    if (found !== SCAN.row) {
      throw new StreamnormError('DATA', 'line 1: the header cannot be read: it has a quote that is not closed');
    }
    this.#header = Array.from({ length: row.fields }, (_, i) => textOfBytes(row.text(bytes, i)));
    this.#head = Buffer.from(bytes.subarray(from, row.next));
    this.#line += row.lines;
    this.#at = row.next;
    this.#keyColumn = this.#columnOf(this.#options.key, 'key');
    this.#timeColumn = this.#columnOf(this.#options.time, 'time');
    this.#weightColumn = this.#columnOf(this.#options.sampleWeight, 'weight');
    if (this.#options.features !== undefined) this.#use(this.#options.features);
    return true;
  }

  #use(features: readonly string[]): void {
    this.#featureOf = new Int32Array(this.#header.length).fill(-1);
    features.forEach((name, feature) => {
      this.#featureOf[this.#columnOf(name, 'feature')] = feature;
    });
    this.features = features;
  }

  #columnOf(name: string | undefined, what: string): number {
    if (name === undefined) return -1;
    const column = this.#header.indexOf(name);
    if (column >= 0) return column;
    throw new StreamnormError('DATA', `the header has no ${what} ${quoted(name)}; it has ${this.#header.join(', ')}`);
  }

  #numericColumns(bytes: Buffer): string[] {
    const row = this.#row;
    const names = this.#header.filter((_, column) => {
      if (column === this.#keyColumn || column === this.#timeColumn || column === this.#weightColumn) return false;
      const inner = row.isQuoted(bytes, column) ? 1 : 0;
      const number = readNumber(bytes, row.start[column] + inner, row.end[column] - inner, this.#probe, 0);
      return number && !Number.isNaN(this.#probe[0]);
    });
    if (names.length > 0) return names;
    throw new StreamnormError('DATA', `line ${this.#line}: no column is a number; name the columns with --features`);
  }

  /** Goes to the next whole row with as many fields as the header, from `#at` on, which is left where it begins. */
  #find(bytes: Buffer, from: number, to: number, last: boolean): boolean {
    const row = this.#row;
    const columns = this.#header.length;
    this.#at = from;
    while (this.#at < to) {
      const at = this.#at;
      if (this.#skipping || (columns > 1 && isBlank(bytes, at, to, last))) {
        this.#skipLine(bytes, to);
        continue;
      }
      const found = row.scan(bytes, at, to, last);
      const tooLong = found !== SCAN.badQuotes && (found === SCAN.row ? row.next : to) - at > MAX_LINE_BYTES;
      if (found === SCAN.incomplete && !tooLong) return false;
      if (found === SCAN.row && !tooLong) {
        if (row.fields === columns) return true;
        const fields = `${row.fields} ${row.fields === 1 ? 'field' : 'fields'}`;
        this.#bad.add(this.#line, `${fields}, the header has ${columns}`, bytes.subarray(at, row.next));
        this.#line += row.lines;
        this.#at = row.next;
        continue;
      }
      const line = tooLong ? undefined : wholeLine(bytes, at, to, last);
      // the rest of the line is still to come
      if (!tooLong && line === undefined && to - at <= MAX_LINE_BYTES) return false;
      // one wrong quote must not swallow the rest of the input: it goes on at the next line
      this.#bad.add(
        this.#line,
        tooLong
          ? `${LINE_TOO_LONG}, or a quote is not closed`
          : 'a quote is not closed, or text follows a closing quote',
        line,
      );
      this.#skipLine(bytes, to);
    }
    return false;
  }

  #skipLine(bytes: Buffer, to: number): void {
    const newline = bytes.subarray(0, to).indexOf(NEWLINE, this.#at);
    this.#skipping = newline < 0;
    this.#at = newline < 0 ? to : newline + 1;
    if (newline >= 0) this.#line += 1;
  }

  /** Most times are plain numbers, which need no string. */
  #time(bytes: Buffer): number {
    const column = this.#timeColumn;
    const isNumber = readNumber(bytes, this.#row.start[column], this.#row.end[column], this.#probe, 0);
    return isNumber && Number.isFinite(this.#probe[0]) ? this.#probe[0] : readTime(this.#row.text(bytes, column));
  }

  #readWeight({ bytes, rows, weights }: RowBlock): boolean {
    const column = this.#weightColumn;
    const inner = this.#row.isQuoted(bytes, column) ? 1 : 0;
    return readNumber(bytes, this.#row.start[column] + inner, this.#row.end[column] - inner, weights, rows);
  }

  #shown(bytes: Buffer, column: number): string {
    return quoted(textOfBytes(this.#row.text(bytes, column)));
  }
}

/** The line that begins at `at`; undefined when its end is not there yet. */
function wholeLine(bytes: Buffer, at: number, to: number, last: boolean): Buffer | undefined {
  const newline = bytes.subarray(0, to).indexOf(NEWLINE, at);
  if (newline >= 0) return bytes.subarray(at, newline + 1);
  return last ? bytes.subarray(at, to) : undefined;
}

function isBlank(bytes: Buffer, at: number, to: number, last: boolean): boolean {
  if (bytes[at] === NEWLINE) return true;
  return bytes[at] === RETURN && (at + 1 < to ? bytes[at + 1] === NEWLINE : last);
}
