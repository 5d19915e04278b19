import { TIME_RULE, readTime as timeOf } from '../core/read-time.ts';
import { StreamnormError } from '../errors.ts';
import { decodeFrame } from '../websocket/frame.ts';
import type { Json, PushForm } from './push-form.ts';
import { connectionKeys, envelopeKeys, type KeyOfRow, recordKey } from './row-keys.ts';

/** Rows of one message of a producer, not yet applied. */
export interface Push {
  readonly data: Float64Array;
  readonly rows: number;
  /** Time of each row in ms. */
  readonly times: Float64Array;
  /** Key of each row; undefined where the channel has none. */
  readonly keys: readonly string[] | undefined;
  /** Who sent it and its number there, which make it idempotent. */
  readonly producer: string | undefined;
  readonly seq: number | undefined;
  /** The form that is answered with `accepted`. */
  readonly answered: boolean;
}

type JsonRecord = { [name: string]: Json };

const MAX_PRODUCER_NAME = 128;

/**
 * Reads a JSON message: a number, a row as an array or record, several rows, or `{ type: 'push', producer, seq, t, x }`
 * with any of these as x. All or nothing: the first fault refuses the whole message.
 *
 * Missing fields and null are NaN; 1e309 is Infinity, as JSON.parse has it: neither enters a statistic.
 *
 * @param nowMs time of rows that bring none
 * @throws StreamnormError BAD_JSON, BAD_DIM, BAD_VALUE
 */
export function readJsonPush(text: string, form: PushForm, nowMs: number): Push {
  let message: Json;
  try {
    message = JSON.parse(text) as Json;
  } catch (cause) {
    throw new StreamnormError('BAD_JSON', `the message is not JSON: ${(cause as Error).message.slice(0, 120)}`, {
      cause,
    });
  }
  if (isRecord(message) && message.type === 'push' && Object.hasOwn(message, 'x'))
    return readEnvelope(message, form, nowMs);
  if (Array.isArray(message) && message.length === 0) {
    throw new StreamnormError('BAD_JSON', 'the message has no rows: []');
  }
  return readRows(message, form, nowMs, undefined, undefined, false, undefined);
}

/**
 * Reads a binary push frame.
 *
 * @throws StreamnormError BAD_FRAME, BAD_DIM
 */
export function readBinaryPush(bytes: Uint8Array, form: PushForm, nowMs: number): Push {
  const frame = decodeFrame(bytes, { maxRows: form.maxRows, maxColumns: 4_096 });
  if (frame.kind !== 'push')
    throw new StreamnormError('BAD_FRAME', 'a producer sends frames of kind 1 (push), got 2 (next)');
  if (frame.columns !== form.features.length) {
    throw new StreamnormError(
      'BAD_DIM',
      `the frame has ${frame.columns} columns, the channel has ${form.features.length} features`,
    );
  }
  const first = frame.time > 0 ? frame.time : nowMs;
  const times = frame.times ?? new Float64Array(frame.rows).fill(first);
  for (let row = 0; row < times.length; row++) {
    if (Number.isNaN(times[row])) times[row] = nowMs;
  }
  const keys = connectionKeys(form, frame.rows);
  return { data: frame.values, rows: frame.rows, times, keys, producer: undefined, seq: undefined, answered: false };
}

function readEnvelope(message: JsonRecord, form: PushForm, nowMs: number): Push {
  const { producer, seq, t } = message;
  if (producer !== undefined && !(typeof producer === 'string' && producer.length <= MAX_PRODUCER_NAME)) {
    throw new StreamnormError('BAD_VALUE', `producer must be a text of at most ${MAX_PRODUCER_NAME} characters`);
  }
  if (seq !== undefined && !(typeof seq === 'number' && Number.isSafeInteger(seq) && seq >= 0)) {
    throw new StreamnormError('BAD_VALUE', 'seq must be a whole number >= 0');
  }
  const isOne = typeof t === 'number';
  if (isOne && !Number.isFinite(t)) throw new StreamnormError('BAD_VALUE', 't must be a finite number of ms');
  const push = readRows(message.x, form, isOne ? t : nowMs, producer, seq, true, envelopeKeys(message, form));
  if (Array.isArray(t)) readTimes(t, push.times);
  else if (!isOne && t !== undefined && t !== null) {
    throw new StreamnormError('BAD_VALUE', `t must be a time in ms or one for each row, got ${kindOf(t)}`);
  }
  return push;
}

function readTimes(given: Json[], times: Float64Array): void {
  if (given.length !== times.length) {
    throw new StreamnormError('BAD_DIM', `t has ${given.length} times for ${times.length} rows`);
  }
  for (let row = 0; row < times.length; row++) {
    const time = given[row];
    if (typeof time !== 'number' || !Number.isFinite(time)) {
      throw new StreamnormError('BAD_VALUE', `t of row ${row} must be a finite number of ms`, { row });
    }
    times[row] = time;
  }
}

/**
 * Reads rows that are JSON no longer: what a message holds, without its envelope.
 *
 * @throws StreamnormError BAD_JSON, BAD_DIM, BAD_VALUE
 */
// Makes the whole `Push`: copying one by `...` would cost more than everything else here.
export function readRows(
  body: Json,
  form: PushForm,
  timeMs: number,
  producer: string | undefined,
  seq: number | undefined,
  answered: boolean,
  keyOfRow: KeyOfRow | undefined,
): Push {
  const width = form.features.length;
  if (typeof body === 'number') body = [body];
  if (Array.isArray(body) && body.length === 0) throw new StreamnormError('BAD_DIM', 'the message has no rows');
  const isMany = Array.isArray(body) && (Array.isArray(body[0]) || isRecord(body[0]));
  const many = (isMany ? body : [body]) as Json[];
  if (many.length > form.maxRows) {
    throw new StreamnormError('BAD_DIM', `the message has ${many.length} rows, the limit is ${form.maxRows}`, {
      row: form.maxRows,
    });
  }
  const data = new Float64Array(many.length * width);
  const times = new Float64Array(many.length).fill(timeMs);
  const keys = form.key === undefined ? undefined : new Array<string>(many.length);
  for (let row = 0; row < many.length; row++) {
    const sample = many[row];
    if (keys !== undefined) {
      keys[row] = keyOfRow === undefined ? recordKey(sample, form, row) : keyOfRow(row, many.length);
    }
    if (Array.isArray(sample)) {
      readArray(sample, form, row, data);
    } else if (isRecord(sample)) {
      readRecord(sample, form, row, data);
      if (form.time !== undefined) times[row] = readTime(sample, form.time, row);
    } else if (isMany) {
      throw new StreamnormError('BAD_DIM', `row ${row} is ${kindOf(sample)}, the rows before are arrays or records`, {
        row,
      });
    } else {
      throw new StreamnormError(
        'BAD_JSON',
        `a row is a number, an array of numbers or a record, got ${kindOf(sample)}`,
      );
    }
  }
  return { data, rows: many.length, times, keys, producer, seq, answered };
}

function readArray(sample: Json[], form: PushForm, row: number, data: Float64Array): void {
  const width = form.features.length;
  if (Array.isArray(sample[0]))
    throw new StreamnormError('BAD_JSON', 'arrays nest at most two deep: rows of numbers', { row });
  if (sample.length !== width) {
    throw new StreamnormError('BAD_DIM', `row ${row} has ${sample.length} values, the channel has ${width} features`, {
      row,
    });
  }
  for (let j = 0; j < width; j++) {
    const value = sample[j];
    data[row * width + j] = typeof value === 'number' ? value : missing(value, form.features[j], row);
  }
}

function readRecord(sample: JsonRecord, form: PushForm, row: number, data: Float64Array): void {
  const { features } = form;
  let found = 0;
  for (let j = 0; j < features.length; j++) {
    const name = features[j];
    // a name such as 'constructor' must not find what every object has
    const own = Object.hasOwn(sample, name);
    const value = own ? sample[name] : null;
    if (own) found++;
    data[row * features.length + j] = typeof value === 'number' ? value : missing(value, name, row);
  }
  if (found === 0) {
    throw new StreamnormError(
      'BAD_DIM',
      `row ${row} has none of the channel's features ${features.join(', ').slice(0, 200)}`,
      { row },
    );
  }
}

function readTime(sample: JsonRecord, field: string, row: number): number {
  const time = timeOf(Object.hasOwn(sample, field) ? sample[field] : undefined);
  if (Number.isNaN(time)) {
    throw new StreamnormError('BAD_VALUE', `${field} of row ${row} must be a time: ${TIME_RULE}`, { row });
  }
  return time;
}

function missing(value: Json, feature: string, row: number): number {
  if (value === null) return Number.NaN;
  throw new StreamnormError('BAD_VALUE', `${feature} of row ${row} must be a number or null, got ${kindOf(value)}`, {
    row,
  });
}

function isRecord(value: Json | undefined): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'a record';
  return typeof value === 'string' ? `'${value.slice(0, 20)}'` : String(value);
}
