import { StreamnormError } from '../errors.ts';
import { decodeFrame, encodeFrame, looksLikeFrame } from '../websocket/frame.ts';
import { type Push, readBinaryPush, readJsonPush } from './push.ts';
import type { PushForm } from './push-form.ts';

/*
 * A message of a channel's log is one of
 *
 * - what a producer may send to /in/<channel>: JSON, or a binary push frame. So whoever can talk to a server can write to
 *   the log as well;
 * - pushes that an edge has joined: u32 magic 'SNB1', u32 length of the head, the head as JSON, and one push frame;
 * - nothing at all: a tick, by which time passes for windows that close after a while.
 */

/** Rows of one push in a batch. */
export interface Segment {
  readonly producer: string | undefined;
  readonly seq: number | undefined;
  readonly rows: number;
}

/** A message of the log, read. */
export interface LogBatch {
  readonly segments: readonly Segment[];
  readonly data: Float64Array;
  readonly rows: number;
  readonly times: Float64Array;
  /** Key of each row; undefined where the channel has none. */
  readonly keys: readonly string[] | undefined;
}

interface Head {
  readonly segments: readonly (readonly [producer: string | null, seq: number | null, rows: number])[];
  readonly keys?: readonly string[];
}

const MAGIC = 0x31424e53;
const HEAD_AT = 8;

/** Joins pushes, which keep their order. */
export function encodeBatch(pushes: readonly Push[], features: number): Uint8Array {
  const rows = pushes.reduce((sum, push) => sum + push.rows, 0);
  const values = new Float64Array(rows * features);
  const times = new Float64Array(rows);
  const segments: [string | null, number | null, number][] = [];
  const keys: string[] = [];
  let at = 0;
  for (const push of pushes) {
    values.set(push.data.subarray(0, push.rows * features), at * features);
    times.set(push.times.subarray(0, push.rows), at);
    segments.push([push.producer ?? null, push.seq ?? null, push.rows]);
    if (push.keys !== undefined) keys.push(...push.keys);
    at += push.rows;
  }
  const head: Head = { segments, ...(keys.length > 0 && { keys }) };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const frame = encodeFrame({
    kind: 'push',
    dtype: 'f64',
    rows,
    columns: features,
    values,
    times,
    seq: 0,
    time: times[0],
  });
  const bytes = new Uint8Array(HEAD_AT + text.length + frame.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, text.length, true);
  bytes.set(text, HEAD_AT);
  bytes.set(frame, HEAD_AT + text.length);
  return bytes;
}

/**
 * Reads a message of the log.
 *
 * @param timeMs when the log took it: the time of rows that bring none
 * @returns undefined for a tick
 * @throws StreamnormError BAD_JSON, BAD_DIM, BAD_VALUE, BAD_FRAME
 */
export function decodeBatch(bytes: Uint8Array, form: PushForm, timeMs: number): LogBatch | undefined {
  if (bytes.length === 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEAD_AT || view.getUint32(0, true) !== MAGIC) {
    const push = looksLikeFrame(bytes)
      ? readBinaryPush(bytes, form, timeMs)
      : readJsonPush(new TextDecoder().decode(bytes), form, timeMs);
    const { producer, seq, rows, data, times, keys } = push;
    return { segments: [{ producer, seq, rows }], rows, data, times, keys };
  }
  const end = HEAD_AT + view.getUint32(4, true);
  const head = readHead(bytes.subarray(HEAD_AT, end));
  const { rows, columns, values, times } = decodeFrame(bytes.subarray(end), { maxRows: form.maxRows });
  const segments = head.segments.map(([producer, seq, rows]) => ({
    producer: producer ?? undefined,
    seq: seq ?? undefined,
    rows,
  }));
  const told = segments.reduce((sum, segment) => sum + segment.rows, 0);
  if (told !== rows) throw new StreamnormError('BAD_FRAME', `the batch tells of ${told} rows and has ${rows}`);
  if (columns !== form.features.length) {
    throw new StreamnormError(
      'BAD_DIM',
      `the batch has ${columns} columns, the channel has ${form.features.length} features`,
    );
  }
  const { keys } = head;
  if (form.key !== undefined && keys?.length !== rows) {
    throw new StreamnormError('BAD_DIM', `the batch has ${keys?.length ?? 0} keys for ${rows} rows`);
  }
  return {
    segments,
    rows,
    data: values,
    times: times ?? new Float64Array(rows).fill(timeMs),
    keys: form.key === undefined ? undefined : keys,
  };
}

function readHead(text: Uint8Array): Head {
  try {
    const head = JSON.parse(new TextDecoder().decode(text)) as Head;
    const whole =
      Array.isArray(head.segments) &&
      head.segments.every(([producer, seq, rows]) => {
        return (
          (producer === null || typeof producer === 'string') &&
          (seq === null || Number.isSafeInteger(seq)) &&
          Number.isSafeInteger(rows) &&
          rows > 0
        );
      });
    if (whole && (head.keys === undefined || head.keys.every((key) => typeof key === 'string'))) return head;
  } catch {
    // said below
  }
  throw new StreamnormError('BAD_FRAME', 'the head of the batch cannot be read');
}
