import * as z from 'zod';
import { durationMs } from '../../core/duration.ts';
import { fieldAt } from '../../websocket/field-path.ts';
import { matches } from '../../websocket/message-match.ts';
import { samplesBy, TIME_UNITS, type TimeUnit } from '../../websocket/samples-by.ts';
import { checkedUrl } from '../../websocket/socket-options.ts';
import { durationValue } from './duration-value.ts';

const envName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable');
const secret = z.union(
  [
    z.strictObject({ env: envName.describe('environment variable that holds it') }),
    z.strictObject({ file: z.string().min(1).describe('file that holds it, read anew for each connection') }),
  ],
  // what is written in its place may be the secret itself: no message repeats it
  'must be { "env": … } or { "file": … }',
);
const textOrSecret = z.union([z.string(), secret], 'must be a text, { "env": … } or { "file": … }');

const path = z.union(
  [z.string(), z.array(z.union([z.string().min(1), z.number().int().min(0)])).min(1)],
  "must be a path such as 'data.bids.0.price', or a list of names",
);
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const condition = z.record(
  z.string(),
  z.union(
    [scalar, z.array(scalar).min(1), z.strictObject({ exists: z.boolean() })],
    'must be a value, a list of values or { "exists": true }',
  ),
);
const conditions = z.union([condition, z.array(condition).min(1)], 'must be values by path, or a list of such');
const json: z.ZodType<unknown> = z.unknown().refine((value) => value !== undefined && value !== null, 'is required');

/** An upstream feed of a channel, as the configuration has it. */
export const sourceSchema = z.strictObject({
  url: z.string().describe('ws:// or wss:// URL of the feed; no secrets: they go in query, headers or token'),
  query: z.record(z.string(), textOrSecret).optional().describe('parameters of the URL, made anew for each connection'),
  headers: z.record(z.string(), textOrSecret).optional().describe('headers of the handshake'),
  token: secret.optional().describe('sent as Authorization: Bearer'),
  protocols: z.array(z.string().min(1)).optional().describe('subprotocols to offer'),
  open: z
    .array(json)
    .optional()
    .describe('messages sent on each connection; { "$env": … } and { "$file": … } in them stand for what these hold'),
  rows: path.optional().describe('where the rows are in a message: a list of them, or one (default: the message)'),
  fields: z
    .record(z.string(), path)
    .optional()
    .describe('where each feature is in a row (default: under its name); $. begins at the message'),
  time: path.optional().describe('where the time is in a row (default: rows have the time at which they come)'),
  timeUnit: z
    .enum(Object.keys(TIME_UNITS) as [TimeUnit, ...TimeUnit[]])
    .default('ms')
    .describe('what a time counts'),
  numbers: z.enum(['number', 'string']).default('number').describe("'string' takes numbers written as text, too"),
  match: conditions.optional().describe('messages that hold rows: values by path (default: all)'),
  ignore: conditions.optional().describe('messages to pass over: acknowledgements, heartbeats'),
  heartbeat: z
    .strictObject({
      every: durationValue('every').describe('time between two'),
      message: json.describe('what is sent'),
      expect: durationValue('expect').optional().describe('longest time until some message comes'),
    })
    .optional()
    .describe('heartbeats to send'),
  answer: z
    .array(
      z.strictObject({
        match: conditions.describe('messages to answer: values by path'),
        send: json.describe('what is sent; { "$copy": path } in it stands for what the message has there'),
      }),
    )
    .optional()
    .describe('answers to heartbeats of the feed'),
  deadline: durationValue('deadline')
    .default(30_000)
    .describe('without any message for so long the connection is made anew'),
  sequence: z
    .strictObject({
      path: path.describe('where a message has its number, which grows by 1'),
      reorder: z.number().int().min(0).max(100_000).default(0).describe('messages that may wait for those before them'),
      within: durationValue('within').default(1_000).describe('longest wait for a missing one'),
      perConnection: z.boolean().default(false).describe('each connection counts anew'),
      onGap: z
        .enum(['cut', 'count'])
        .default('cut')
        .describe("missing numbers are a hole for the statistics ('cut'), or only counted"),
    })
    .optional()
    .describe('numbers of the messages'),
  maxSendPerSecond: z.number().int().min(1).max(10_000).optional().describe('most messages sent in a second'),
  handshake: durationValue('handshake').default(10_000).describe('longest time to make a connection'),
  maxHeldBytes: z
    .number()
    .int()
    .min(65_536)
    .default(16_777_216)
    .describe('messages kept while the server has too much to do, in bytes'),
});

type Given = z.output<typeof sourceSchema>;

/** An upstream feed, read: durations in ms. */
export interface SourceConfig extends Omit<Given, 'heartbeat' | 'deadline' | 'sequence' | 'handshake'> {
  readonly heartbeat: { readonly everyMs: number; readonly message: unknown; readonly answerMs?: number } | undefined;
  readonly deadlineMs: number;
  readonly handshakeMs: number;
  readonly sequence: (Omit<NonNullable<Given['sequence']>, 'within'> & { readonly withinMs: number }) | undefined;
}

export function sourceConfig({ heartbeat, deadline, sequence, handshake, ...rest }: Given): SourceConfig {
  const ms = (name: string, value: string | number) => durationMs('the config', name, value);
  return {
    ...rest,
    heartbeat: heartbeat && {
      everyMs: ms('every', heartbeat.every),
      message: heartbeat.message,
      ...(heartbeat.expect !== undefined && { answerMs: ms('expect', heartbeat.expect) }),
    },
    deadlineMs: ms('deadline', deadline),
    handshakeMs: ms('handshake', handshake),
    sequence: sequence && {
      ...{ path: sequence.path, reorder: sequence.reorder, perConnection: sequence.perConnection },
      ...{ onGap: sequence.onGap, withinMs: ms('within', sequence.within) },
    },
  };
}

/** How the samples of a channel are found in the messages of its source. */
/** @param key field of the key, whose place is in `fields` as that of a feature */
export function sourceSamples(features: readonly string[], source: SourceConfig | Given, key: string | undefined) {
  const { rows, fields = {}, time, timeUnit, numbers, match, ignore } = source;
  const given = Object.entries({ rows, time, timeUnit, numbers, match, ignore });
  return samplesBy({
    ...(key !== undefined && { key: fields[key] ?? [key] }),
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    fields: Object.fromEntries(features.map((feature) => [feature, fields[feature] ?? [feature]])),
  });
}

/** What a schema cannot say of a source, with where it is; it reads the channel as it was given. */
export function* sourceErrors(
  features: readonly string[] | undefined,
  given: unknown,
  key: unknown,
): Generator<[string[], string]> {
  const { data: source } = sourceSchema.safeParse(given);
  if (source === undefined) return;
  const fault = (read: () => unknown): string | undefined => {
    try {
      read();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const checks: [string[], string | undefined][] = [
    [['url'], urlFault(source.url)],
    [['sequence', 'path'], fault(() => fieldAt('source', 'path', source.sequence?.path ?? ''))],
    ...(source.answer ?? []).flatMap(({ match, send }, i): [string[], string | undefined][] => [
      [['answer', String(i), 'match'], fault(() => matches('source', 'match', match))],
      [['answer', String(i), 'send'], fault(() => requireCopies(send))],
    ]),
  ];
  if (features !== undefined) {
    const unknown = Object.keys(source.fields ?? {}).filter((name) => !features.includes(name) && name !== key);
    if (unknown.length > 0) checks.push([['fields'], `the channel has no feature ${unknown.join(', ').slice(0, 200)}`]);
    checks.push([
      [],
      fault(() => sourceSamples(features, source, typeof key === 'string' ? key : undefined))?.replace(
        /^samplesBy/,
        'source',
      ),
    ]);
  }
  for (const [where, message] of checks) if (message !== undefined) yield [['source', ...where], message];
}

function urlFault(url: string): string | undefined {
  try {
    checkedUrl('source', url);
  } catch (error) {
    return (error as Error).message;
  }
  const { protocol, username, password } = new URL(url);
  if (protocol !== 'ws:' && protocol !== 'wss:') return `must begin with ws:// or wss://, got ${protocol}//`;
  return username || password ? 'must hold no password: use token or headers' : undefined;
}

function requireCopies(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Object.hasOwn(value, '$copy')) fieldAt('source', '$copy', (value as { $copy: string }).$copy);
  for (const part of Object.values(value)) requireCopies(part);
}
