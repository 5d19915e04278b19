import * as z from 'zod';
import { durationMs } from '../../core/duration.ts';
import { durationValue } from './duration-value.ts';

/** A channel with statistics for each key. */
export interface KeysConfig {
  /** Field of a record that holds its key. */
  readonly field: string;
  /** Keys that have statistics at a time; undefined: `limits.maxKeys`. */
  readonly maxKeys: number | undefined;
  /** A key that was unused for so long loses its statistics; undefined: never. */
  readonly idleMs: number | undefined;
}

const MOST_KEYS = 16_000_000;

/** A number of keys, as the configuration has it. */
export const keyCount = z.number().int().min(1).max(MOST_KEYS);

/** What the configuration of a channel says of its keys. */
export const keyFields = {
  key: z.string().min(1).optional().describe('field of a record with its key: each has statistics of its own'),
  maxKeys: keyCount.optional().describe('keys with statistics; the one unused for longest is evicted (limits.maxKeys)'),
  keyIdle: durationValue('keyIdle').optional().describe('evicts a key that was unused for so long'),
};

type GivenKeys = { [K in keyof typeof keyFields]?: z.output<(typeof keyFields)[K]> | undefined };

export function keysConfig({ key, maxKeys, keyIdle }: GivenKeys): KeysConfig | undefined {
  if (key === undefined) return undefined;
  return {
    field: key,
    maxKeys,
    idleMs: keyIdle === undefined ? undefined : durationMs('the config', 'keyIdle', keyIdle),
  };
}

/** What the schema cannot say against them. */
export function* keyErrors(fields: ReadonlyMap<string, unknown>): Generator<[string[], string]> {
  const key = fields.get('key');
  for (const name of ['maxKeys', 'keyIdle']) {
    if (fields.get(name) !== undefined && key === undefined) yield [[name], 'needs key, the field that holds the key'];
  }
  if (key === undefined) return;
  if (fields.get('producerGuard') !== undefined) yield [['producerGuard'], 'is not possible with key'];
  const features = fields.get('features');
  if (Array.isArray(features) && features.includes(key)) yield [['key'], `'${key}' is a feature`];
  if (fields.get('missing') === 'error') {
    yield [['missing'], "'error' would refuse the rows of all keys in a message: use 'dropRow' with key"];
  }
  if (key === fields.get('time')) yield [['key'], `'${key}' is the time`];
}
