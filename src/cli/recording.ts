import { createReadStream } from 'node:fs';
import { readTime, TIME_RULE } from '../core/read-time.ts';
import { StreamnormError } from '../errors.ts';
import { type BadLines, quoted } from './bad-lines.ts';
import { textOfBytes } from './bytes-text.ts';
import { CsvRow, SCAN } from './csv-row.ts';
import { readNumber } from './read-number.ts';
import { LINE_TOO_LONG, MAX_LINE_BYTES } from './row-reader.ts';

const TIME_NAMES = ['time', 'timestamp', 'ts'];
const NEWLINE = 10;

export interface RecordingOptions {
  readonly format: 'csv' | 'ndjson';
  /** Columns to send; else the numeric ones, or the values as they are. */
  readonly features?: readonly string[] | undefined;
  /** Column with the time of a row; else the one called time, timestamp or ts. */
  readonly time?: string | undefined;
  /** Rows are timed by a rate, so they may have no time. */
  readonly timeless: boolean;
}

export interface RecordedRow {
  /** In ms; NaN for a row without one. */
  readonly time: number;
  /** What to send: a record, a list or a number. */
  readonly value: unknown;
  readonly bytes: number;
}

/**
 * The rows of a recording, in the order of the file, in constant memory.
 *
 * @throws StreamnormError NO_INPUT; DATA when it has no times and is not timeless
 */
export async function* recordedRows(
  file: string,
  options: RecordingOptions,
  bad: BadLines,
): AsyncGenerator<RecordedRow[]> {
  const reader = options.format === 'csv' ? new CsvRecording(options, bad) : new NdjsonRecording(options, bad);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunksOf(file)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const rows: RecordedRow[] = [];
    rest = bytes.subarray(reader.read(bytes, rows, false));
    if (rest.length > MAX_LINE_BYTES) throw new StreamnormError('DATA', `${file}: ${LINE_TOO_LONG}`);
    if (rows.length > 0) yield rows;
  }
  const rows: RecordedRow[] = [];
  reader.read(rest, rows, true);
  if (rows.length > 0) yield rows;
}

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file)) yield chunk as Buffer;
  } catch (cause) {
    throw new StreamnormError('NO_INPUT', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Numeric columns as records; of named columns also those that hold text. The time goes along. */
class CsvRecording {
  readonly #options: RecordingOptions;
  readonly #bad: BadLines;
  readonly #row: CsvRow;
  readonly #number: Float64Array;
  #header: string[] | undefined;
  #columns: number[] | undefined;
  #timeColumn: number;
  #line: number;

  constructor(options: RecordingOptions, bad: BadLines) {
    this.#options = options;
    this.#bad = bad;
    this.#row = new CsvRow();
    this.#number = new Float64Array(1);
    this.#header = undefined;
    this.#columns = undefined;
    this.#timeColumn = -1;
    this.#line = 1;
  }

  /** Reads whole rows; returns the first byte not read. */
  read(bytes: Buffer, rows: RecordedRow[], last: boolean): number {
    const row = this.#row;
    let at = 0;
    for (; at < bytes.length; at = row.next, this.#line += row.lines) {
      const found = row.scan(bytes, at, bytes.length, last);
      if (found === SCAN.incomplete) break;
      if (found === SCAN.badQuotes) {
        const newline = bytes.indexOf(NEWLINE, at);
        if (newline < 0 && !last) break;
        row.next = newline < 0 ? bytes.length : newline + 1;
        row.lines = 1;
        this.#bad.add(this.#line, 'a quote is not closed, or text follows a closing quote');
      } else if (this.#header === undefined) {
        this.#readHeader(bytes);
      } else if (row.fields === this.#header.length) {
        const read = this.#rowOf(bytes, at);
        if (read !== undefined) rows.push(read);
      } else if (row.next - at > 2) {
        this.#bad.add(this.#line, `${row.fields} fields, the header has ${this.#header.length}`);
      }
    }
    return at;
  }

  #readHeader(bytes: Buffer): void {
    const { features, time } = this.#options;
    const header = Array.from({ length: this.#row.fields }, (_, i) => textOfBytes(this.#row.text(bytes, i)));
    header[0] = header[0].replace(/^\ufeff/, '');
    this.#header = header;
    for (const name of [...(features ?? []), ...(time === undefined ? [] : [time])]) {
      if (!header.includes(name))
        throw new StreamnormError('DATA', `there is no column ${quoted(name)}, only ${header.join(', ')}`);
    }
    this.#timeColumn = header.findIndex((name) =>
      time === undefined ? TIME_NAMES.includes(name.toLowerCase()) : name === time,
    );
    if (this.#timeColumn < 0 && !this.#options.timeless) throw withoutTime();
  }

  #rowOf(bytes: Buffer, at: number): RecordedRow | undefined {
    const row = this.#row;
    const header = this.#header as string[];
    const { features, timeless } = this.#options;
    const time = this.#timeColumn < 0 ? Number.NaN : readTime(row.text(bytes, this.#timeColumn));
    if (Number.isNaN(time) && !timeless) {
      this.#bad.add(this.#line, `${header[this.#timeColumn]} is not ${TIME_RULE}`);
      return undefined;
    }
    this.#columns ??= header.flatMap((name, column) => {
      const chosen =
        features === undefined ? typeof this.#valueOf(bytes, column) === 'number' : features.includes(name);
      return chosen || column === this.#timeColumn ? [column] : [];
    });
    const entries = this.#columns.map((column) => [header[column], this.#valueOf(bytes, column)] as const);
    return { time, value: Object.fromEntries(entries), bytes: row.next - at };
  }

  #valueOf(bytes: Buffer, column: number): number | string | null {
    const row = this.#row;
    const inner = row.isQuoted(bytes, column) ? 1 : 0;
    if (!readNumber(bytes, row.start[column] + inner, row.end[column] - inner, this.#number, 0)) {
      return textOfBytes(row.text(bytes, column));
    }
    return Number.isFinite(this.#number[0]) ? this.#number[0] : null;
  }
}

/** Values as they are, or named fields of records; the time goes along. */
class NdjsonRecording {
  readonly #options: RecordingOptions;
  readonly #bad: BadLines;
  #timeName: string | undefined;
  #line: number;

  constructor(options: RecordingOptions, bad: BadLines) {
    this.#options = options;
    this.#bad = bad;
    this.#timeName = options.time;
    this.#line = 0;
  }

  read(bytes: Buffer, rows: RecordedRow[], last: boolean): number {
    let at = 0;
    while (at < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, at);
      if (newline < 0 && !last) break;
      const end = newline < 0 ? bytes.length : newline;
      const text = bytes.toString('utf8', at, end).trim();
      this.#line += 1;
      at = newline < 0 ? end : end + 1;
      if (text === '') continue;
      const read = this.#rowOf(text);
      if (read !== undefined) rows.push({ ...read, bytes: text.length });
    }
    return at;
  }

  #rowOf(text: string): Omit<RecordedRow, 'bytes'> | undefined {
    const { features, timeless } = this.#options;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.#bad.add(this.#line, `not JSON: ${quoted(text)}`);
      return undefined;
    }
    if (typeof value !== 'number' && (typeof value !== 'object' || value === null)) {
      this.#bad.add(this.#line, `${quoted(text)} is not a record, a list or a number`);
      return undefined;
    }
    const record = typeof value === 'object' && !Array.isArray(value) ? new Map(Object.entries(value)) : undefined;
    this.#timeName ??= Array.from(record?.keys() ?? []).find((name) => TIME_NAMES.includes(name.toLowerCase()));
    if (this.#timeName === undefined && !timeless) throw withoutTime();
    const found = this.#timeName === undefined ? undefined : record?.get(this.#timeName);
    const time = readTime(found);
    if (Number.isNaN(time) && !timeless) {
      this.#bad.add(this.#line, `${this.#timeName} is not ${TIME_RULE}`);
      return undefined;
    }
    if (features === undefined || record === undefined) return { time, value };
    const names = [
      ...(found === undefined || features.includes(this.#timeName as string) ? [] : [this.#timeName as string]),
      ...features,
    ];
    return {
      time,
      value: Object.fromEntries(names.filter((name) => record.has(name)).map((name) => [name, record.get(name)])),
    };
  }
}

function withoutTime(): StreamnormError {
  return new StreamnormError(
    'DATA',
    `no column is called ${TIME_NAMES.join(', ')}; name it with --time, or give --rate`,
  );
}
