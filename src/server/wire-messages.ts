import * as z from 'zod';
import { FLAG, type FlagName } from '../core/flags.ts';
import { ERROR_CODES, type ErrorCode } from '../errors.ts';

/*
 * Every JSON message of the wire. They are read and written by hand where rows go by; these schemas are what clients are
 * promised, and tests hold the traffic against them. Fields that are not named here may come: they are to be ignored.
 */

const seq = z.int().min(0).describe('number of a row in its channel, +1 each');
const time = z.number().describe('ms since 1970');
const cell = z.number().nullable().describe('null: there is no value');
const row = z.array(cell).describe('one value for each feature, in their order');
const rows = z.array(row);
const errorCode = z.enum(Object.keys(ERROR_CODES) as ErrorCode[]).meta({
  description: Object.entries(ERROR_CODES)
    .map(([code, meaning]) => `${code}: ${meaning}`)
    .join('; '),
});

const keyText = z.union([z.string().min(1).max(256), z.number()]);
const record = z.record(z.string(), z.unknown()).describe('values by feature; other fields are ignored');
const sample = z.union([z.number(), row, record]).describe('one row; a number where there is one feature');

/** What a producer may send. */
export const producerMessages = {
  samples: z
    .union([sample, z.array(row).min(1), z.array(record).min(1)])
    .meta({ title: 'One row or many, without an answer unless something is wrong' }),
  push: z
    .looseObject({
      type: z.literal('push'),
      x: z.union([sample, z.array(row).min(1), z.array(record).min(1)]),
      producer: z.string().max(128).optional().describe('with seq: what was applied before is not applied again'),
      seq: z.int().min(0).optional().describe('rises with each push of this producer'),
      t: z
        .union([time, z.array(time)])
        .nullish()
        .describe('time of all rows, or of each'),
      key: keyText
        .optional()
        .describe('key of all rows, where the channel has keys and rows are no records with theirs'),
      keys: z.array(keyText).optional().describe('key of each row; this or key'),
    })
    .meta({ title: 'Rows, applied whole or not at all, and answered' }),
};

const statistics = z.looseObject({
  version: z.int().describe('how often they have moved'),
  rows: z.number().describe('rows that they have learned'),
  mean: row,
  std: row,
  batch: z
    .looseObject({ count: z.int(), mean: row, std: row, min: row, max: row })
    .nullable()
    .describe('the last closed window'),
  time: time.nullable().describe('of the newest row'),
});

/** What both sides may be told. */
const error = z
  .looseObject({
    type: z.literal('error'),
    code: errorCode,
    message: z.string().describe('for people'),
    row: z.int().min(0).optional().describe('index of the row at fault within its message'),
    retry: z.boolean().describe('the same message may do later'),
    retryAfterMs: z.number().min(0).optional().describe('when it may do, of RATE'),
  })
  .meta({ title: 'A message was refused whole; nothing has changed' });

/** What a producer is told. */
export const producerAnswers = {
  accepted: z
    .looseObject({ type: z.literal('accepted'), producer: z.string().optional(), seq: z.int().min(0).optional() })
    .meta({ title: 'A push was applied, now or before' }),
  error,
};

const drift = z
  .looseObject({
    type: z.literal('drift'),
    seq: seq.describe('of the row that showed it'),
    t: time.describe('of that row'),
    key: z.string().optional().describe('of the row, in a channel with keys'),
    feature: z.string(),
    kind: z.enum(['increase', 'decrease']),
    meanBefore: z.number(),
    meanAfter: z.number(),
    before: z.int().describe('values behind meanBefore'),
    after: z.int().describe('values behind meanAfter: how long ago the change may have begun'),
    detector: z.string(),
    action: z.enum(['tell', 'reset', 'faster']).describe('what was done'),
  })
  .meta({ title: 'The mean of a feature has changed; after the rows that showed it, also when they were left out' });

/** What a subscriber is told. */
export const subscriberMessages = {
  snapshot: z
    .looseObject({
      type: z.literal('snapshot'),
      channel: z.string(),
      epoch: z.string().describe('names the numbering; a new one begins only when state was lost'),
      seq: seq.describe('of the last row before the first next'),
      features: z.array(z.string()),
      config: z.looseObject({ method: z.string() }),
      key: z.string().optional().describe('whose state, stats and last these are; with key='),
      state: z
        .looseObject({ format: z.string() })
        .nullable()
        .describe(
          'what the statistics restore from; of a channel with keys how many there are; null: the key has none yet',
        ),
      stats: statistics.nullable().describe('null: the key has none yet'),
      last: z
        .looseObject({ t: time, z: row, k: z.string().optional() })
        .nullable()
        .describe('row seq, where it is known'),
      drifts: z.array(drift).optional().describe('those of the newest rows up to seq; absent where there are none'),
      recovered: z.boolean().describe('it goes on where since said'),
    })
    .meta({ title: 'First, and after each gap that history cannot fill' }),
  next: z
    .looseObject({
      type: z.literal('next'),
      seq: seq.describe('of the first row'),
      seqs: z.array(seq).optional().describe('of each row; with key=, which leaves others out'),
      k: z.array(z.string()).optional().describe('key of each row, where the channel has keys'),
      t: z.array(time).describe('of each row'),
      z: rows.optional().describe('normalised'),
      raw: rows.optional().describe('as they came in; with include=raw'),
      flags: z
        .array(z.array(z.enum(Object.keys(FLAG) as FlagName[])))
        .optional()
        .describe('of each row; with include=flags'),
      stats: statistics.optional().describe('after the last row; with include=stats'),
      skipped: z
        .int()
        .min(1)
        .optional()
        .describe('rows (with key= of this key) left out before these, because the reader was slow'),
    })
    .meta({ title: 'Rows' }),
  gap: z
    .looseObject({
      type: z.literal('gap'),
      from: seq,
      to: seq,
      reason: z
        .enum(['slow', 'history', 'upstream', 'restart'])
        .describe('upstream: rows that never had numbers are missing before from; to is the row before it'),
      missed: z.int().min(1).nullable().optional().describe('with upstream: messages of the source; null: unknown'),
      t: z
        .array(z.number().nullable())
        .length(2)
        .optional()
        .describe('with upstream: when the last message before it came, and the first after it; ms since 1970'),
    })
    .meta({ title: 'Rows that this subscriber will not get' }),
  drift,
  heartbeat: z
    .looseObject({ type: z.literal('heartbeat'), seq: seq.describe('of the last row sent') })
    .meta({ title: 'Nothing else was sent for heartbeatMs' }),
  bye: z
    .looseObject({
      type: z.literal('bye'),
      code: z.int().describe('the close code that follows'),
      retryAfterMs: z.number().min(0).optional().describe('when to come back, spread over all'),
    })
    .meta({ title: 'The last message' }),
  error,
};
