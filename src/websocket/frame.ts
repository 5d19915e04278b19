import { StreamnormError } from '../errors.ts';

/*
 * The binary frame: a header of 40 bytes, then row times if any, then the values row by row, all little-endian.
 *
 *   0 u32 magic 'SNM1'   4 u8 kind   5 u8 dtype   6 u8 flags   7 u8 header length / 8   8 u32 0
 *   12 u32 rows   16 u32 columns   20 u32 skipped   24 f64 seq of row 0   32 f64 time of row 0 (ms)
 *
 * Idea: the header is a multiple of 8, so on little-endian hosts the values move by one typed-array copy; a byte
 * offset that is not aligned costs a second copy and nothing else. Not done: reading in place. A decoded frame owns
 * its values, so a pooled network buffer is never kept alive or seen to change.
 */

/** A decoded frame. Missing values are NaN; infinite values are not looked for here. */
export interface Frame {
  /** `push` goes to the server, `next` comes from it. */
  readonly kind: 'push' | 'next';
  /** How the values travelled; they are float64 once decoded. */
  readonly dtype: 'f32' | 'f64';
  readonly rows: number;
  readonly columns: number;
  /** rows × columns values, row-major. */
  readonly values: Float64Array;
  /** Number of row 0. */
  readonly seq: number;
  /** Time of row 0 in ms; NaN when it is not known. */
  readonly time: number;
  /** Time of every row in ms, when the frame carries them. */
  readonly times: Float64Array | undefined;
  readonly flags: FrameFlags;
  /** Rows left out before this frame. */
  readonly skipped: number;
}

/** What a frame says about itself. */
export interface FrameFlags {
  /** Rows were left out because the reader was slow. */
  readonly conflated?: boolean;
  /** The rows come from the history. */
  readonly replay?: boolean;
}

/** What `encodeFrame` takes. */
export interface FrameInput {
  readonly kind: 'push' | 'next';
  /** `f32` halves the bytes and rounds to 24 bits. */
  readonly dtype: 'f32' | 'f64';
  readonly rows: number;
  readonly columns: number;
  /** rows × columns values, row-major. */
  readonly values: Float64Array | Float32Array;
  /** Number of row 0: an integer >= 0. */
  readonly seq: number;
  /** Time of row 0 in ms; NaN when it is not known. */
  readonly time: number;
  /** Time of every row in ms. */
  readonly times?: Float64Array | undefined;
  /** Default: none. */
  readonly flags?: FrameFlags | undefined;
  /** Rows left out before this frame; default 0. */
  readonly skipped?: number | undefined;
}

/** Largest frame `decodeFrame` accepts. */
export interface FrameLimits {
  /** Default 10,000. */
  readonly maxRows?: number | undefined;
  /** Default 4,096. */
  readonly maxColumns?: number | undefined;
}

const MAGIC = 0x314d4e53;
const HEADER_BYTES = 40;
const MAX_ROWS = 10_000;
const MAX_COLUMNS = 4_096;
const CONFLATED = 1;
const ROW_TIMES = 2;
const REPLAY = 4;
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * The bytes of a frame.
 *
 * Cost: one allocation of 40 + 8·rows (with `times`) + rows·columns·(4 or 8) bytes and one copy.
 *
 * @throws TypeError, RangeError when a field does not fit the layout or the lengths disagree
 * @example
 * const bytes = encodeFrame({ kind: 'push', dtype: 'f32', rows: 1, columns: 2, values: Float64Array.of(1.5, 2), seq: 0, time: 0 });
 * bytes.length; // 48
 * decodeFrame(bytes).values; // Float64Array [1.5, 2]
 */
export function encodeFrame(frame: FrameInput): Uint8Array<ArrayBuffer> {
  const { kind, dtype, rows, columns, values, seq, time, times, flags, skipped = 0 } = frame;
  if (kind !== 'push' && kind !== 'next') throw wrong("kind 'push' or 'next'", kind);
  if (dtype !== 'f32' && dtype !== 'f64') throw wrong("dtype 'f32' or 'f64'", dtype);
  if (!isCount(rows) || rows === 0) throw wrong('rows to be an integer in [1, 2^32)', rows);
  if (!isCount(columns) || columns === 0) throw wrong('columns to be an integer in [1, 2^32)', columns);
  if (!isCount(skipped)) throw wrong('skipped to be an integer in [0, 2^32)', skipped);
  if (!isSeq(seq)) throw wrong('seq to be an integer >= 0', seq);
  if (!isTime(time)) throw wrong('time to be finite or NaN', time);
  if (!(values instanceof Float64Array || values instanceof Float32Array)) {
    throw wrong('values to be a Float64Array or a Float32Array', values);
  }
  if (values.length !== rows * columns)
    throw wrong(`values.length = rows × columns = ${rows * columns}`, values.length);
  if (times !== undefined && times.length !== rows) throw wrong(`times.length = rows = ${rows}`, times.length);

  const start = HEADER_BYTES + (times === undefined ? 0 : 8 * rows);
  const buffer = new ArrayBuffer(start + values.length * (dtype === 'f32' ? 4 : 8));
  const view = new DataView(buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, kind === 'push' ? 1 : 2);
  view.setUint8(5, dtype === 'f32' ? 1 : 2);
  view.setUint8(6, bitsOf(flags) | (times === undefined ? 0 : ROW_TIMES));
  view.setUint8(7, HEADER_BYTES / 8);
  view.setUint32(12, rows, true);
  view.setUint32(16, columns, true);
  view.setUint32(20, skipped, true);
  view.setFloat64(24, seq, true);
  view.setFloat64(32, time, true);
  if (times !== undefined) writeNumbers(view, HEADER_BYTES, times, 'f64');
  writeNumbers(view, start, values, dtype);
  return new Uint8Array(buffer);
}

/**
 * Reads a frame. The values are copied and widened to float64; row times are copied.
 *
 * Memory: as many float64 as the frame holds values, never more than the bytes given allow.
 *
 * @throws StreamnormError `BAD_FRAME` naming the field, the rule and the value, when the layout is not followed;
 *   `BAD_DIM` when the frame has no rows or columns, or more than the limits allow
 * @example
 * decodeFrame(new Uint8Array(3)); // StreamnormError: frame requires length >= 40 bytes, got 3
 */
export function decodeFrame(bytes: Uint8Array, limits: FrameLimits = {}): Frame {
  const { maxRows = MAX_ROWS, maxColumns = MAX_COLUMNS } = limits;
  if (bytes.byteLength < HEADER_BYTES) throw bad(`length >= ${HEADER_BYTES} bytes`, bytes.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

  const magic = view.getUint32(0, true);
  if (magic !== MAGIC) throw bad("magic to be 'SNM1' (0x314d4e53)", `0x${magic.toString(16).padStart(8, '0')}`);
  const kind = view.getUint8(4);
  if (kind !== 1 && kind !== 2) throw bad('kind to be 1 (push) or 2 (next)', kind);
  const dtype = view.getUint8(5);
  if (dtype !== 1 && dtype !== 2) throw bad('dtype to be 1 (f32) or 2 (f64)', dtype);
  const flags = view.getUint8(6);
  // An unknown flag may say that something more follows the header, so it cannot be passed over.
  if (flags > 7) throw bad('flags to be a sum of 1 (conflated), 2 (row times) and 4 (replay)', flags);
  const headerBytes = view.getUint8(7) * 8;
  if (headerBytes < HEADER_BYTES) throw bad('header length / 8 >= 5', headerBytes / 8);
  const reserved = view.getUint32(8, true);
  if (reserved !== 0) throw bad('the reserved bytes 8 to 11 to be 0', reserved);
  const rows = view.getUint32(12, true);
  const columns = view.getUint32(16, true);
  const seq = view.getFloat64(24, true);
  if (!isSeq(seq)) throw bad('seq to be an integer >= 0', seq);
  const time = view.getFloat64(32, true);
  if (!isTime(time)) throw bad('time to be finite or NaN', time);
  if (rows < 1 || rows > maxRows) throw outside(`rows in [1, ${maxRows}]`, rows);
  if (columns < 1 || columns > maxColumns) throw outside(`columns in [1, ${maxColumns}]`, columns);

  const hasTimes = (flags & ROW_TIMES) !== 0;
  const start = headerBytes + (hasTimes ? 8 * rows : 0);
  const length = start + rows * columns * (dtype === 1 ? 4 : 8);
  if (bytes.byteLength !== length) {
    throw bad(`length = ${length} bytes for ${rows} rows × ${columns} columns`, bytes.byteLength);
  }
  const times = hasTimes ? readFloat64(bytes, view, headerBytes, rows) : undefined;
  if (times !== undefined) {
    for (let row = 0; row < rows; row++) {
      if (!isTime(times[row])) throw bad('row times to be finite or NaN', times[row], row);
    }
  }
  return {
    kind: kind === 1 ? 'push' : 'next',
    dtype: dtype === 1 ? 'f32' : 'f64',
    rows,
    columns,
    values:
      dtype === 1 ? readFloat32(bytes, view, start, rows * columns) : readFloat64(bytes, view, start, rows * columns),
    seq,
    time,
    times,
    flags: { conflated: (flags & CONFLATED) !== 0, replay: (flags & REPLAY) !== 0 },
    skipped: view.getUint32(20, true),
  };
}

/** True when the bytes begin like a frame; they may still be malformed. */
export function looksLikeFrame(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x53 && bytes[1] === 0x4e && bytes[2] === 0x4d && bytes[3] === 0x31;
}

function bitsOf(flags: FrameFlags | undefined): number {
  if (flags === undefined) return 0;
  if (typeof flags !== 'object') throw wrong('flags to be an object', flags);
  return (flags.conflated === true ? CONFLATED : 0) | (flags.replay === true ? REPLAY : 0);
}

function writeNumbers(
  view: DataView<ArrayBuffer>,
  start: number,
  values: Float64Array | Float32Array,
  dtype: 'f32' | 'f64',
): void {
  if (LITTLE_ENDIAN) {
    const Numbers = dtype === 'f32' ? Float32Array : Float64Array;
    new Numbers(view.buffer, start, values.length).set(values);
  } else if (dtype === 'f32') {
    for (let i = 0; i < values.length; i++) view.setFloat32(start + 4 * i, values[i], true);
  } else {
    for (let i = 0; i < values.length; i++) view.setFloat64(start + 8 * i, values[i], true);
  }
}

function readFloat64(bytes: Uint8Array, view: DataView, start: number, count: number): Float64Array {
  const values = new Float64Array(count);
  if (LITTLE_ENDIAN) {
    // Byte by byte copy: right for every offset. `slice` would not do: on a Node Buffer it copies nothing.
    new Uint8Array(values.buffer).set(bytes.subarray(start, start + 8 * count));
  } else {
    for (let i = 0; i < count; i++) values[i] = view.getFloat64(start + 8 * i, true);
  }
  return values;
}

function readFloat32(bytes: Uint8Array, view: DataView, start: number, count: number): Float64Array {
  const values = new Float64Array(count);
  if (!LITTLE_ENDIAN) {
    for (let i = 0; i < count; i++) values[i] = view.getFloat32(start + 4 * i, true);
  } else if ((bytes.byteOffset + start) % 4 === 0) {
    values.set(new Float32Array(bytes.buffer, bytes.byteOffset + start, count));
  } else {
    const narrow = new Float32Array(count);
    new Uint8Array(narrow.buffer).set(bytes.subarray(start, start + 4 * count));
    values.set(narrow);
  }
  return values;
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

function isSeq(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isTime(value: number): boolean {
  return Number.isFinite(value) || Number.isNaN(value);
}

function wrong(rule: string, value: unknown): TypeError | RangeError {
  const message = `encodeFrame requires ${rule}, got ${typeof value === 'object' ? 'another object' : String(value)}`;
  return typeof value === 'number' ? new RangeError(message) : new TypeError(message);
}

function bad(rule: string, value: unknown, row?: number): StreamnormError {
  return new StreamnormError('BAD_FRAME', `frame requires ${rule}, got ${value}`, row === undefined ? {} : { row });
}

function outside(rule: string, value: unknown): StreamnormError {
  return new StreamnormError('BAD_DIM', `frame requires ${rule}, got ${value}`);
}
