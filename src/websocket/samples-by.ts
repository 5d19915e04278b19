import { StreamnormError } from '../errors.ts';
import { decimalNumber } from './decimal-number.ts';
import { type FieldPath, fieldAt } from './field-path.ts';
import { type MessageCondition, matches } from './message-match.ts';

/** Options of `samplesBy`. */
export interface SamplesByOptions {
  /** Where the rows are in a message: an array of them, or one. Default: the message is one row, or an array of rows. */
  readonly rows?: FieldPath;
  /**
   * Where each field of a sample is in a row. A path that begins with `$.` begins at the message, and is the same for all
   * of its rows.
   */
  readonly fields: Readonly<Record<string, FieldPath>>;
  /** Where the time is, which becomes the field `time`, in ms. Default: samples have none. */
  readonly time?: FieldPath;
  /** Where the key of a row is, a text or a number, which becomes the field `key`. Default: samples have none. */
  readonly key?: FieldPath;
  /** What a time that is a number counts; times may also be ISO 8601 dates. Default `'ms'`. */
  readonly timeUnit?: TimeUnit;
  /** `'string'` takes numbers written as text, too, as exchanges send them to keep their digits. Default `'number'`. */
  readonly numbers?: 'number' | 'string';
  /** Messages that hold rows; others are passed over. Default: all. */
  readonly match?: MessageCondition | readonly MessageCondition[];
  /** Messages to pass over: acknowledgements, heartbeats. Default: none. */
  readonly ignore?: MessageCondition | readonly MessageCondition[];
}

export const TIME_UNITS = { s: 1_000, ms: 1, us: 1e-3, ns: 1e-6 } as const;
export type TimeUnit = keyof typeof TIME_UNITS;

const OPTIONS = ['rows', 'fields', 'time', 'key', 'timeUnit', 'numbers', 'match', 'ignore'];

/**
 * Makes the `samples` option of `fromWebSocket` for messages of other people's: finds the rows in each message and the
 * numbers in each row. All or nothing: one bad row makes the whole message bad.
 *
 * A field that is absent or null is NaN. A row that has none of the fields is bad, and so is a message that is to hold
 * rows and has none at `rows`: a path that has become wrong must not look like silence.
 *
 * @throws TypeError for wrong options; what it returns throws `StreamnormError` `BAD_JSON`, `BAD_DIM`, `BAD_VALUE`
 * @example
 * const samples = samplesBy({
 *   rows: 'data',
 *   fields: { bid: 'b', ask: 'a' },
 *   time: 'E',
 *   numbers: 'string',
 *   match: { stream: 'btcusdt@ticker' },
 * });
 * samples({ stream: 'btcusdt@ticker', data: { E: 1732450000000, b: '97120.50', a: '97120.51' } });
 * // [{ bid: 97120.5, ask: 97120.51, time: 1732450000000 }]
 * samples({ result: null, id: 1 }); // []
 */
export function samplesBy(
  options: SamplesByOptions & { key: FieldPath },
): (message: unknown) => Record<string, number | string>[];
export function samplesBy(options: SamplesByOptions): (message: unknown) => Record<string, number>[];
export function samplesBy(options: SamplesByOptions): (message: unknown) => Record<string, number | string>[] {
  const where = 'samplesBy';
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw new TypeError(`${where} has no option '${name}', only ${OPTIONS.join(', ')}`);
  }
  const { rows, fields, time, key, timeUnit = 'ms', numbers = 'number' } = options;
  if (typeof fields !== 'object' || fields === null || Object.keys(fields).length === 0) {
    throw new TypeError(
      `${where} requires fields to say where each field of a sample is, got ${JSON.stringify(fields)}`,
    );
  }
  for (const name of Object.keys(fields)) {
    if (name === '__proto__' || (name === 'time' && time !== undefined) || (name === 'key' && key !== undefined)) {
      throw new TypeError(`${where} requires fields to have other names than ${name}`);
    }
  }
  if (!Object.hasOwn(TIME_UNITS, timeUnit)) {
    throw new TypeError(`${where} requires timeUnit to be one of s, ms, us, ns, got '${timeUnit}'`);
  }
  if (numbers !== 'number' && numbers !== 'string') {
    throw new TypeError(`${where} requires numbers to be 'number' or 'string', got '${numbers}'`);
  }
  const columns = Object.entries(fields).map(([name, path]) => ({ name, read: inRow(where, `fields.${name}`, path) }));
  const readTime = time === undefined ? undefined : inRow(where, 'time', time);
  const readKey = key === undefined ? undefined : inRow(where, 'key', key);
  const rowsAt = rows === undefined ? undefined : fieldAt(where, 'rows', rows);
  const matched = options.match === undefined ? undefined : matches(where, 'match', options.match);
  const ignored = options.ignore === undefined ? undefined : matches(where, 'ignore', options.ignore);
  const takesText = numbers === 'string';

  return (message) => {
    if (matched?.(message) === false || ignored?.(message) === true) return [];
    const body = rowsAt === undefined ? message : rowsAt(message);
    if (typeof body !== 'object' || body === null) {
      throw new StreamnormError('BAD_JSON', `the message has no rows at '${String(rows ?? '')}', but ${kindOf(body)}`);
    }
    const list = Array.isArray(body) && isContainer(body[0]) ? body : [body];
    return list.map((row: unknown, index) => {
      const sample: Record<string, number | string> = {};
      let found = 0;
      for (const { name, read } of columns) {
        const value = read(row, message);
        if (value !== undefined && value !== null) found++;
        sample[name] = numberOf(value, name, takesText, index);
      }
      if (found === 0) {
        const names = columns.map(({ name }) => name).join(', ');
        throw new StreamnormError('BAD_DIM', `row ${index} has none of the fields ${names.slice(0, 200)}`, {
          row: index,
        });
      }
      if (readTime !== undefined) sample.time = timeOf(readTime(row, message), TIME_UNITS[timeUnit], index);
      if (readKey !== undefined) sample.key = keyOf(readKey(row, message), index);
      return sample;
    });
  };
}

/** Reads from a row, or from its message where the path begins with `$.`. */
function inRow(where: string, name: string, path: FieldPath): (row: unknown, message: unknown) => unknown {
  const fromMessage = typeof path === 'string' && path.startsWith('$.');
  const read = fieldAt(where, name, fromMessage ? (path as string).slice(2) : path);
  return fromMessage ? (_, message) => read(message) : read;
}

function numberOf(value: unknown, name: string, takesText: boolean, row: number): number {
  if (typeof value === 'number') return value;
  if (value === undefined || value === null) return Number.NaN;
  const number = takesText && typeof value === 'string' ? decimalNumber(value) : undefined;
  if (number !== undefined) return number;
  const hint = typeof value === 'string' && !takesText && decimalNumber(value) !== undefined;
  throw new StreamnormError(
    'BAD_VALUE',
    `${name} of row ${row} must be a number or null, got ${kindOf(value)}${hint ? ": set numbers to 'string'" : ''}`,
    { row },
  );
}

function timeOf(value: unknown, factor: number, row: number): number {
  const number = typeof value === 'string' ? decimalNumber(value) : value;
  const ms = typeof number === 'number' ? number * factor : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isFinite(ms)) return ms;
  throw new StreamnormError(
    'BAD_VALUE',
    `time of row ${row} must be a number or an ISO 8601 date, got ${kindOf(value)}`,
    {
      row,
    },
  );
}

function keyOf(value: unknown, row: number): string {
  if (typeof value === 'string' && value !== '') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  throw new StreamnormError('BAD_VALUE', `key of row ${row} must be a text or a number, got ${kindOf(value)}`, { row });
}

function isContainer(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** Never the whole value: it may be huge. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? `'${value.slice(0, 40)}'` : String(value);
}
