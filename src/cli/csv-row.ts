/** What `CsvRow.scan` found. */
export const SCAN = {
  /** A whole row. */
  row: 0,
  /** The row does not end within the bytes. */
  incomplete: 1,
  /** The quotes are wrong, so where the row ends is not known. */
  badQuotes: 2,
} as const;

const COMMA = 44;
const NEWLINE = 10;
const RETURN = 13;
const QUOTE = 34;

/**
 * Where the fields of one CSV row lie (RFC 4180): fields between commas, rows between line breaks (LF or CRLF); a field in
 * quotes may hold commas, line breaks and doubled quotes. Nothing is copied, so that what is not replaced stays as it
 * was, byte for byte, in whatever encoding. A quote inside a field that does not begin with one is an ordinary character.
 */
export class CsvRow {
  /** Fields of the row. */
  fields: number;
  /** First byte of each field, its opening quote included. */
  start: Int32Array;
  /** Byte after each field, its closing quote included. */
  end: Int32Array;
  /** First byte of the next row. */
  next: number;
  /** Line breaks up to `next`. */
  lines: number;

  constructor() {
    this.fields = 0;
    this.start = new Int32Array(64);
    this.end = new Int32Array(64);
    this.next = 0;
    this.lines = 0;
  }

  /** @param last there is nothing after `to`: the row ends there, with or without a line break */
  scan(bytes: Buffer, from: number, to: number, last: boolean): number {
    let { start, end } = this;
    let fields = 0;
    let lines = 0;
    let i = from;
    for (;;) {
      if (fields === start.length) {
        this.#grow();
        ({ start, end } = this);
      }
      start[fields] = i;
      if (i < to && bytes[i] === QUOTE) {
        for (i++; ; i++) {
          if (i >= to) return last ? SCAN.badQuotes : SCAN.incomplete;
          const byte = bytes[i];
          if (byte === NEWLINE) lines++;
          else if (byte === QUOTE) {
            i++;
            if (i >= to && !last) return SCAN.incomplete;
            if (i >= to || bytes[i] !== QUOTE) break;
          }
        }
        const ends = i >= to || bytes[i] === COMMA || bytes[i] === NEWLINE;
        if (!ends && bytes[i] !== RETURN) return SCAN.badQuotes;
      }
      let byte = 0;
      for (; i < to; i++) {
        byte = bytes[i];
        if (byte === COMMA || byte === NEWLINE) break;
      }
      if (i === to && !last) return SCAN.incomplete;
      end[fields++] = i;
      if (i < to && byte === COMMA) {
        i++;
        continue;
      }
      // the break is CRLF or LF, and what was cut off after its first half is one too
      if (i > start[fields - 1] && bytes[i - 1] === RETURN) end[fields - 1] = i - 1;
      this.fields = fields;
      this.next = i < to ? i + 1 : to;
      this.lines = i < to ? lines + 1 : lines;
      return SCAN.row;
    }
  }

  /** The characters of a field, each byte one character, without quotes. */
  text(bytes: Buffer, field: number): string {
    const from = this.start[field];
    const to = this.end[field];
    if (to - from < 2 || bytes[from] !== QUOTE) return bytes.toString('latin1', from, to);
    return bytes.toString('latin1', from + 1, to - 1).replaceAll('""', '"');
  }

  isQuoted(bytes: Buffer, field: number): boolean {
    return this.end[field] - this.start[field] >= 2 && bytes[this.start[field]] === QUOTE;
  }

  #grow(): void {
    const { start, end } = this;
    this.start = new Int32Array(start.length * 2);
    this.start.set(start);
    this.end = new Int32Array(end.length * 2);
    this.end.set(end);
  }
}
