import * as z from 'zod';
import {
  createNormalizer,
  JOINT_OPTIONS,
  METHOD_NAMES,
  METHOD_OPTIONS,
  METHODS,
  type Method,
  type MethodOptions,
  type OptionName,
} from '../../core/methods.ts';
import { DURATION_RULE } from './duration-value.ts';
import { type KeysConfig, keyErrors, keyFields, keysConfig } from './keys.ts';
import { type ProducerGuardConfig, producerGuardConfig, producerGuardSchema } from './producer-guard.ts';
import { type SourceConfig, sourceConfig, sourceErrors, sourceSchema } from './source.ts';

export interface ChannelConfig {
  readonly features: readonly string[];
  readonly method: Method;
  /** Options of the method, as the configuration has them. */
  readonly options: MethodOptions;
  /** Field of a record that holds its time: ms since 1970, or an ISO 8601 date. */
  readonly time: string | undefined;
  /** Undefined: one set of statistics for all rows. */
  readonly keys: KeysConfig | undefined;
  /** Rows kept for `since`. */
  readonly history: number;
  /** Against producers that go mad; undefined: everybody is believed. */
  readonly producerGuard: ProducerGuardConfig | undefined;
  /** Upstream feed. */
  readonly source: SourceConfig | undefined;
}

const bounds = z.tuple([z.number().nullable(), z.number().nullable()]);

const TYPES = {
  number: z.number(),
  duration: z.union([z.number(), z.string()], DURATION_RULE),
  boolean: z.boolean(),
  word: z.string(),
  words: z.array(z.string()),
  numbers: z.array(z.number()),
  renorm: z.strictObject({ rMax: z.number().optional(), dMax: z.number().optional() }),
  prior: z.strictObject({
    mean: z.array(z.number()),
    std: z.array(z.number()).optional(),
    variance: z.array(z.number()).optional(),
  }),
  range: z.union([bounds, z.record(z.string(), bounds)], 'must be [min, max], or that for each feature by name'),
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
  .refine((names) => new Set(names).size === names.length, 'must differ from each other')
  .meta({ uniqueItems: true });

/** One channel as the configuration has it. */
export const channelSchema = z.strictObject({
  features: featureNames.describe('names of the features, in the order of the values in a row'),
  method: z.enum(METHOD_NAMES).default('batch').describe('how rows are normalised'),
  ...methodOptions,
  time: z.string().min(1).optional().describe('field of a record with its time: ms since 1970 or an ISO 8601 date'),
  ...keyFields,
  history: z.number().int().min(0).max(1_000_000).default(10_000).describe('rows kept for since'),
  producerGuard: producerGuardSchema.optional().describe('keeps out the rows of a producer that has gone mad'),
  source: sourceSchema.optional().describe('upstream WebSocket feed'),
  // both readings would be silently wrong for half of the people who write it
  momentum: z.unknown().optional(),
});

type GivenChannel = z.output<typeof channelSchema>;

/** A channel of the configuration, read. */
export function channelConfig(given: GivenChannel): ChannelConfig {
  const { features, method, time, key, maxKeys, keyIdle, history, producerGuard, source, ...rest } = given;
  const options = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const keys = keysConfig({ key, maxKeys, keyIdle });
  return {
    ...{ features, method, options, time, keys, history },
    producerGuard: producerGuard && producerGuardConfig(producerGuard),
    source: source && sourceConfig(source),
  };
}

/**
 * What the core says of a channel's options. It reads the channel as it was given, so that these faults show beside those
 * of the schema; what the schema refuses is left out.
 */
function methodErrors(given: unknown): [string[], string][] {
  if (typeof given !== 'object' || given === null) return [];
  const fields = new Map(Object.entries(given));
  const keyFaults = [...keyErrors(fields)];
  const features = featureNames.safeParse(fields.get('features')).data;
  const method = channelSchema.shape.method.safeParse(fields.get('method')).data;
  if (method === undefined || (method === 'frozen' && features === undefined)) return keyFaults;
  const options: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries({ ...methodOptions, momentum: z.unknown() })) {
    const value = fields.get(name);
    // without features the length of a list cannot be judged
    const judged = value !== undefined && !(Array.isArray(value) && features === undefined);
    if (judged && schema.safeParse(value).success) options[name] = value;
  }
  const errors = optionErrors(method, features ?? ['x'], options);
  errors.push(...sourceErrors(features, fields.get('source'), fields.get('key')));
  if (options.single === 'error') {
    errors.push([['single'], "a live feed cannot refuse a batch of one, whose row was accepted: use 'flag'"]);
  }
  return [...errors, ...keyFaults];
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
  const left = new Map(entries.filter(([name]) => !(name in core)));
  for (const names of JOINT_OPTIONS) {
    const joint = names.filter((name) => left.has(name) && METHODS[method].options.some((known) => known === name));
    const message = fault({ ...core, ...Object.fromEntries(joint.map((name) => [name, left.get(name)])) });
    if (message !== undefined) errors.push([pathOf(message, joint), message]);
    for (const name of joint) left.delete(name);
  }
  for (const [name, value] of left) {
    const message = fault({ ...core, [name]: value });
    if (message !== undefined) errors.push([[name], message]);
  }
  if (errors.length > 0) return errors;
  const message = fault(options);
  return message === undefined ? [] : [[[], message]];
}

/** The option that a message about several of them names first. */
function pathOf(message: string, names: readonly OptionName[]): string[] {
  if (names.length === 1) return [...names];
  const named = /(?:requires|takes|has no option) '?(\w+)/.exec(message)?.[1];
  return names.filter((name) => name === named);
}

/** Names of channels; of files in the state directory, too. */
export const CHANNEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What the core says against the channels of a configuration, beside their schema; one line an error. */
export function* channelErrors(input: unknown): Generator<string> {
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
