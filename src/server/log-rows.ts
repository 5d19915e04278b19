import type { NormalizedRows } from '../core/row-normalizer.ts';
import { StreamnormError } from '../errors.ts';
import { decodeFrame, encodeFrame } from '../websocket/frame.ts';

/*
 * What comes out of a channel's log is pieces, one after the other:
 *
 *   u32 length of the piece   u32 length of the head   the head as JSON: {"first": number of row 0, "keys"?: […]}
 *   a `next` frame with row times and the normalised values as f64   rows × features raw values as f64   rows × u16 flags
 *
 * `first` counts the rows of the partition from 1.
 */

/** Rows of a piece. */
export interface PieceOfRows {
  /** Number of row 0 within the partition, from 1 on. */
  readonly first: number;
  readonly content: NormalizedRows;
}

const PIECE_BYTES = 131_072;
const HEAD_AT = 8;
const FRAME_HEAD_BYTES = 40;

/** Rows that go together in one piece. */
export function rowsPerPiece(features: number): number {
  return Math.max(1, Math.floor(PIECE_BYTES / (16 * features + 10)));
}

/** Encodes rows from `from` up to `to`. */
export function encodePiece(content: NormalizedRows, from: number, to: number, first: number): Uint8Array {
  const { features, raw, z, times, flags, keys } = content;
  const rows = to - from;
  const head = new TextEncoder().encode(JSON.stringify({ first, ...(keys && { keys: keys.slice(from, to) }) }));
  const frame = encodeFrame({
    kind: 'next',
    dtype: 'f64',
    rows,
    columns: features,
    values: z.subarray(from * features, to * features),
    times: times.subarray(from, to),
    seq: first,
    time: times[from],
  });
  const length = HEAD_AT + head.length + frame.length + 8 * rows * features + 2 * rows;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint32(4, head.length, true);
  bytes.set(head, HEAD_AT);
  const frameAt = HEAD_AT + head.length;
  bytes.set(frame, frameAt);
  // typed arrays are little-endian on every machine that runs Node
  const rawAt = frameAt + frame.length;
  bytes.set(bytesOf(raw.subarray(from * features, to * features)), rawAt);
  bytes.set(bytesOf(flags.subarray(from, to)), rawAt + 8 * rows * features);
  return bytes;
}

/** @throws StreamnormError BAD_FRAME when something else has written there */
export function* decodePieces(bytes: Uint8Array): Generator<PieceOfRows> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const length = at + HEAD_AT <= bytes.length ? view.getUint32(at, true) : 0;
    if (length < HEAD_AT + FRAME_HEAD_BYTES || at + length > bytes.length) {
      throw new StreamnormError('BAD_FRAME', `an output has a piece of ${length} bytes with ${bytes.length - at} left`);
    }
    yield decodePiece(bytes.subarray(at, at + length));
    at += length;
  }
}

function decodePiece(bytes: Uint8Array): PieceOfRows {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frameAt = HEAD_AT + view.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(HEAD_AT, frameAt)));
  const rows = view.getUint32(frameAt + 12, true);
  const features = view.getUint32(frameAt + 16, true);
  const flagsAt = bytes.length - 2 * rows;
  const rawAt = flagsAt - 8 * rows * features;
  const frame = decodeFrame(bytes.subarray(frameAt, rawAt), { maxRows: rows, maxColumns: features });
  // copies, aligned: the values lie at any offset
  const raw = new Float64Array(rows * features);
  bytesOf(raw).set(bytes.subarray(rawAt, flagsAt));
  const flags = new Uint16Array(rows);
  bytesOf(flags).set(bytes.subarray(flagsAt));
  const { values: z, times } = frame;
  const content = {
    rows,
    features,
    raw,
    z,
    times: times as Float64Array,
    flags,
    ...(head.keys && { keys: head.keys }),
  };
  return { first: head.first, content };
}

function bytesOf(numbers: Float64Array | Uint16Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
