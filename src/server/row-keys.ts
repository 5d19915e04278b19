import { StreamnormError } from '../errors.ts';
import type { Json, PushForm } from './push-form.ts';

/** Key of a row of a message of `rows` rows. */
export type KeyOfRow = (row: number, rows: number) => string;

const MAX_KEY = 256;

/**
 * What a producer gives as a key: a text, or a number, whose shortest text it is.
 *
 * @throws StreamnormError BAD_VALUE
 */
export function readKey(value: unknown, name: string, row?: number): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= MAX_KEY) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  const where = row === undefined ? name : `${name} of row ${row}`;
  const found = typeof value === 'string' ? `a text of ${value.length}` : JSON.stringify(value)?.slice(0, 20);
  const rule = `must be the key: a text of 1 to ${MAX_KEY} characters or a number`;
  throw new StreamnormError('BAD_VALUE', `${where} ${rule}, got ${found ?? 'none'}`, row === undefined ? {} : { row });
}

/** Key of a row that is a record, or of one that its connection has a key for. */
export function recordKey(sample: Json, form: PushForm, row: number): string {
  const field = form.key as string;
  if (typeof sample === 'object' && sample !== null && !Array.isArray(sample) && Object.hasOwn(sample, field)) {
    return readKey(sample[field], field, row);
  }
  return form.connectionKey ?? missingKey(field, row);
}

/** Keys of a push: `key` for all of its rows, or `keys`, one for each. Undefined where it has neither. */
export function envelopeKeys(message: { [name: string]: Json }, { key: field }: PushForm): KeyOfRow | undefined {
  if (field === undefined) return undefined;
  const { key, keys } = message;
  if (key !== undefined && keys !== undefined) {
    throw new StreamnormError('BAD_VALUE', 'a push has key, for all of its rows, or keys, one for each: not both');
  }
  if (key !== undefined) {
    const read = readKey(key, 'key');
    return () => read;
  }
  if (keys === undefined) return undefined;
  if (!Array.isArray(keys)) throw new StreamnormError('BAD_VALUE', 'keys must be a list, with one key for each row');
  return (row, rows) => {
    if (keys.length !== rows) throw new StreamnormError('BAD_DIM', `keys has ${keys.length} keys for ${rows} rows`);
    return readKey(keys[row], 'keys', row);
  };
}

/** Keys of rows that cannot bring any. */
export function connectionKeys({ key, connectionKey }: PushForm, rows: number): string[] | undefined {
  if (key === undefined) return undefined;
  return Array<string>(rows).fill(connectionKey ?? missingKey(key, 0));
}

function missingKey(field: string, row: number): never {
  throw new StreamnormError(
    'BAD_VALUE',
    `row ${row} has no key, and this channel has statistics for each '${field}': send records with that field, a push with key or keys, or connect to /in/<channel>?key=…`,
    { row },
  );
}
