import * as z from 'zod';
import { durationMs } from '../core/duration.ts';
import { type AuthConfig, authConfig, authErrors, authSchema } from './config/auth.ts';
import { type ChannelConfig, channelConfig, channelErrors, channelSchema } from './config/channel.ts';
import { durationValue } from './config/duration-value.ts';
import { DEFAULT_LIMITS, type Limits, limitsSchema } from './config/limits.ts';
import { type ListenConfig, listenConfig, listenErrors, listenSchema } from './config/listen.ts';
import { logSchema } from './config/log.ts';
import { type NatsConfig, natsConfig, natsSchema } from './config/nats.ts';
import { ConfigFault } from './config-fault.ts';
import type { LogLevel } from './log.ts';

export interface ServerConfig {
  readonly listen: ListenConfig;
  /** Undefined where everybody may connect. */
  readonly auth: AuthConfig | undefined;
  readonly state: { readonly dir: string; readonly everyMs: number } | undefined;
  /** Undefined where one server does everything. */
  readonly nats: NatsConfig | undefined;
  readonly limits: Limits;
  readonly log: { readonly level: LogLevel; readonly pretty?: boolean };
  readonly channels: ReadonlyMap<string, ChannelConfig>;
}

/** The configuration as it is written: JSON, everything but the channels and their features optional. */
export type ServerConfigInput = z.input<typeof configSchema>;

export const configSchema = z.strictObject({
  $schema: z.string().optional().describe('where an editor finds this schema'),
  listen: listenSchema,
  auth: authSchema.optional(),
  state: z
    .strictObject({
      dir: z.string().min(1).describe('folder of the checkpoints'),
      every: durationValue('every').default(5_000).describe('time between checkpoints'),
    })
    .optional(),
  nats: natsSchema.optional().describe('workers and edges share the work over this broker'),
  limits: limitsSchema.partial().default({}),
  log: logSchema,
  channels: z.record(z.string(), channelSchema),
});

/**
 * Reads a configuration.
 *
 * @throws StreamnormError CONFIG whose message lists every error with its path, one a line
 */
export function parseConfig(input: unknown): ServerConfig {
  const parsed = configSchema.safeParse(input);
  // beside the schema, which passes over the content of a channel whose name it refuses
  const errors = [...channelErrors(input), ...listenErrors(input), ...authErrors(input)];
  for (const issue of parsed.error?.issues ?? []) {
    errors.push(`${issue.path.join('.') || 'config'}: ${issue.message}`);
  }
  if (!parsed.success || errors.length > 0) {
    throw new ConfigFault(errors);
  }
  const { listen, auth, state, nats, log, channels } = parsed.data;
  return {
    listen: listenConfig(listen),
    auth: auth && authConfig(auth),
    state: state && { dir: state.dir, everyMs: durationMs('the config', 'every', state.every) },
    nats: nats && natsConfig(nats),
    limits: { ...DEFAULT_LIMITS, ...parsed.data.limits },
    log,
    channels: new Map(Object.entries(channels).map(([name, given]) => [name, channelConfig(given)])),
  };
}
