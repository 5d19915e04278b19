import * as z from 'zod';
import { durationMs } from '../core/duration.ts';
import {
  createNormalizer,
  METHOD_NAMES,
  METHOD_OPTIONS,
  type Method,
  type MethodOptions,
  type OptionName,
} from '../core/methods.ts';
import { StreamnormError } from '../errors.ts';

/** What the server keeps within bounds. Every one is an option of `limits`. */
export const DEFAULT_LIMITS = {
  /** Largest message of a producer. */
  maxMessageBytes: 1_048_576,
  /** Largest message of a subscriber, who has nothing to say. */
  maxSubscriberMessageBytes: 16_384,
  maxRowsPerMessage: 10_000,
  /** Bad messages of one connection; with one more it is closed (1008). */
  maxErrorsPerMinute: 1_000,
  /** Pings of one connection; with one more it is torn down. */
  maxPingsPerMinute: 600,
  maxConnections: 10_000,
  maxConnectionsPerAddress: 100,
  /** Producers of a channel whose last `seq` is remembered; the longest silent is forgotten first. */
  maxProducers: 10_000,
  /** Above this many bytes in its socket a subscriber gets the newest rows only. */
  conflateAboveBytes: 262_144,
  /** As well when it has not answered a ping for so long. */
  conflateAfterMs: 1_000,
  /** One that stays above this many is cut off. */
  cutAboveBytes: 1_048_576,
  /** As well one that has not answered a ping for so long. */
  cutAfterMs: 10_000,
  /** Bytes of rows kept for `since`, a channel. */
  maxHistoryBytes: 16_777_216,
  pingMs: 15_000,
  pongMs: 10_000,
  heartbeatMs: 5_000,
  /** How long closing may take before sockets are torn down. */
  drainMs: 5_000,
};

export type Limits = typeof DEFAULT_LIMITS;

export interface ChannelConfig {
  readonly features: readonly string[];
  readonly method: Method;
  /** Options of the method, as the configuration has them. */
  readonly options: MethodOptions;
  readonly withinMs: number | undefined;
  /** Field of a record that holds its time: ms since 1970, or an ISO 8601 date. */
  readonly time: string | undefined;
  /** Rows kept for `since`. */
  readonly history: number;
}

export interface ServerConfig {
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly insecure: boolean;
    readonly origins: readonly string[];
  };
  readonly state: { readonly dir: string; readonly everyMs: number } | undefined;
  readonly limits: Limits;
  readonly channels: ReadonlyMap<string, ChannelConfig>;
}

/** The configuration as it is written: JSON, everything but the channels and their features optional. */
export type ServerConfigInput = z.input<typeof schema>;

/** The longest time that a timer of Node can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const DURATION_RULE = "must be a number of ms or a text such as '250ms', '30s', '5m', '2h'";

const duration = (name: string) =>
  z.union([z.number(), z.string()], DURATION_RULE).superRefine((value, context) => {
    try {
      if (durationMs('the config', name, value) > MAX_TIMER_MS) context.addIssue('must be at most 24 days');
    } catch (error) {
      context.addIssue((error as Error).message);
    }
  });

const TYPES = {
  number: z.number(),
  boolean: z.boolean(),
  word: z.string(),
  numbers: z.array(z.number()),
  renorm: z.strictObject({ rMax: z.number().optional(), dMax: z.number().optional() }),
  'duration-or-number': z.union([z.number(), z.string()], "must be a count, or a time such as '30s'"),
} as const;

const methodOptions = Object.fromEntries(
  Object.entries(METHOD_OPTIONS).map(([name, { type, help }]) => [name, TYPES[type].optional().describe(help)]),
) as { [K in keyof typeof METHOD_OPTIONS]: z.ZodOptional<(typeof TYPES)[(typeof METHOD_OPTIONS)[K]['type']]> };

const featureName = z
  .string()
  .min(1)
  .max(128)
  .refine((name) => name !== '__proto__', 'cannot be __proto__');

const featureNames = z
  .array(featureName)
  .min(1)
  .max(4_096)
  .refine((names) => new Set(names).size === names.length, 'must differ from each other');

const channel = z.strictObject({
  features: featureNames.describe('names of the features, in the order of the values in a row'),
  method: z.enum(METHOD_NAMES).default('batch').describe('how rows are normalised'),
  ...methodOptions,
  within: duration('within').optional().describe('closes a batch this long after its first row'),
  time: z.string().min(1).optional().describe('field of a record with its time: ms since 1970 or an ISO 8601 date'),
  history: z.number().int().min(0).max(1_000_000).default(10_000).describe('rows kept for since'),
  // both readings would be silently wrong for half of the people who write it
  momentum: z.unknown().optional(),
});

type GivenChannel = z.output<typeof channel>;

function channelConfig({ features, method, within, time, history, ...rest }: GivenChannel): ChannelConfig {
  const options = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const withinMs = within === undefined ? undefined : durationMs('the config', 'within', within);
  return { features, method, options, withinMs, time, history };
}

/**
 * What the core says of a channel's options. It reads the channel as it was given, so that these faults show beside those
 * of the schema; what the schema refuses is left out.
 */
function methodErrors(given: unknown): [string[], string][] {
  if (typeof given !== 'object' || given === null) return [];
  const fields = new Map(Object.entries(given));
  const features = featureNames.safeParse(fields.get('features')).data;
  const method = channel.shape.method.safeParse(fields.get('method')).data;
  if (method === undefined || (method === 'frozen' && features === undefined)) return [];
  const options: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries({ ...methodOptions, momentum: z.unknown() })) {
    const value = fields.get(name);
    // without features the length of a list cannot be judged
    const judged = value !== undefined && !(Array.isArray(value) && features === undefined);
    if (judged && schema.safeParse(value).success) options[name] = value;
  }
  const errors = optionErrors(method, features ?? ['x'], options);
  if (fields.get('within') !== undefined && method !== 'batch') {
    errors.push([['within'], `method ${method} has no windows to close`]);
  }
  if (options.single === 'error') {
    errors.push([['single'], "a live feed cannot refuse a batch of one, whose row was accepted: use 'flag'"]);
  }
  return errors;
}

/** Without these a method says nothing of its other options. */
const CORE_OPTIONS: Partial<Record<Method, readonly OptionName[]>> = {
  rolling: ['last'],
  frozen: ['mean', 'variance', 'std'],
};

/** Faults of each option alone, so that all show, then of all together. */
function optionErrors(method: Method, features: readonly string[], options: MethodOptions): [string[], string][] {
  const fault = (some: MethodOptions): string | undefined => {
    try {
      createNormalizer(method, features, some);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const entries = Object.entries(options) as [OptionName, unknown][];
  const core = Object.fromEntries(entries.filter(([name]) => CORE_OPTIONS[method]?.includes(name)));
  const coreFault = fault(core);
  if (coreFault !== undefined) return [[Object.keys(core).length === 1 ? Object.keys(core) : [], coreFault]];
  const errors: [string[], string][] = [];
  for (const [name, value] of entries) {
    const message = fault({ ...core, [name]: value });
    if (message !== undefined) errors.push([[name], message]);
  }
  if (errors.length > 0) return errors;
  const message = fault(options);
  return message === undefined ? [] : [[[], message]];
}

const bytes = z.number().int().min(1_024);
const count = z.number().int().min(1);
const ms = count.max(MAX_TIMER_MS);
const limits = z.strictObject({
  maxMessageBytes: bytes,
  maxSubscriberMessageBytes: bytes,
  maxRowsPerMessage: count,
  maxErrorsPerMinute: count,
  maxPingsPerMinute: count,
  maxConnections: count,
  maxConnectionsPerAddress: count,
  maxProducers: count,
  conflateAboveBytes: bytes,
  conflateAfterMs: ms,
  cutAboveBytes: bytes,
  cutAfterMs: ms,
  maxHistoryBytes: bytes,
  pingMs: ms,
  pongMs: ms,
  heartbeatMs: ms,
  drainMs: ms,
} satisfies Record<keyof Limits, z.ZodType>);

const CHANNEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const LOOPBACK = new Set(['127.0.0.1', '::1', '[::1]', 'localhost']);

/** True for the names under which a machine reaches itself, and only itself. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}

const schema = z.strictObject({
  listen: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: z.number().int().min(0).max(65_535).default(8_080),
      insecure: z.boolean().default(false).describe('allows a host that others can reach: there is no authentication'),
      origins: z.array(z.string()).default([]).describe('pages that may connect, beside those of this server'),
    })
    .prefault({})
    .refine(
      ({ host, insecure }) => insecure || isLoopback(host),
      'others can reach this host and there is no authentication: use 127.0.0.1, or set insecure (--insecure)',
    ),
  state: z
    .strictObject({
      dir: z.string().min(1).describe('folder of the checkpoints'),
      every: duration('every').default(5_000).describe('time between checkpoints'),
    })
    .optional(),
  limits: limits.partial().default({}),
  channels: z.record(z.string(), channel),
});

/**
 * Reads a configuration.
 *
 * @throws StreamnormError CONFIG whose message lists every error with its path, one a line
 */
export function parseConfig(input: unknown): ServerConfig {
  const parsed = schema.safeParse(input);
  // beside the schema, which passes over the content of a channel whose name it refuses
  const errors = [...channelErrors(input)];
  for (const issue of parsed.error?.issues ?? []) {
    errors.push(`${issue.path.join('.') || 'config'}: ${issue.message}`);
  }
  if (!parsed.success || errors.length > 0) {
    const count = `${errors.length} error${errors.length === 1 ? '' : 's'}`;
    throw new StreamnormError('CONFIG', `the config has ${count}:\n${errors.map((line) => `  ${line}`).join('\n')}`);
  }
  const { listen, state, channels } = parsed.data;
  return {
    listen,
    state: state && { dir: state.dir, everyMs: durationMs('the config', 'every', state.every) },
    limits: { ...DEFAULT_LIMITS, ...parsed.data.limits },
    channels: new Map(Object.entries(channels).map(([name, given]) => [name, channelConfig(given)])),
  };
}

function* channelErrors(input: unknown): Generator<string> {
  const channels = (input as { channels?: unknown } | null | undefined)?.channels;
  if (typeof channels !== 'object' || channels === null || Array.isArray(channels)) return;
  const entries = Object.entries(channels);
  if (entries.length === 0) yield 'channels: at least one channel is required';
  for (const [name, given] of entries) {
    if (!CHANNEL_NAME.test(name)) {
      yield `channels.${name}: a name has 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit`;
    }
    for (const [path, message] of methodErrors(given)) yield `${['channels', name, ...path].join('.')}: ${message}`;
  }
}
