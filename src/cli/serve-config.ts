import { readFile } from 'node:fs/promises';
import { StreamnormError } from '../errors.ts';
import type { ServerConfigInput } from '../server/config.ts';
import { DEMO_CHANNELS } from './demo-channels.ts';

export interface ServeFlags {
  readonly config?: string;
  readonly port?: number;
  readonly host?: string;
  readonly demo?: true;
  readonly state?: string;
  readonly insecure?: true;
  readonly nats?: string;
  readonly printSchema?: true;
}

/** @throws StreamnormError NO_INPUT, CONFIG when it is no JSON */
export async function readConfig(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new StreamnormError('NO_INPUT', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StreamnormError('CONFIG', `${file} is no JSON: ${(cause as Error).message}`, { cause });
  }
}

/**
 * The configuration of a file with what the flags say in its place. What is wrong in the file stays wrong, so that the
 * server finds it.
 */
export function serverConfig(given: unknown, flags: ServeFlags): ServerConfigInput {
  if (!isRecord(given)) return given as ServerConfigInput;
  const { port, host, insecure, state, demo, nats } = flags;
  const listen = {
    ...(port !== undefined && { port }),
    ...(host !== undefined && { host }),
    ...(insecure && { insecure }),
  };
  return {
    ...given,
    ...(Object.keys(listen).length > 0 && { listen: merged(given.listen, listen) }),
    ...(state !== undefined && { state: merged(given.state, { dir: state }) }),
    ...(nats !== undefined && { nats: merged(given.nats, { servers: nats.split(',') }) }),
    ...(demo && { channels: merged(DEMO_CHANNELS, given.channels ?? {}) }),
  } as ServerConfigInput;
}

/** How the log is written, where the configuration says it; what is wrong there the server finds. */
export function wantsPretty(config: unknown): boolean | undefined {
  const log = isRecord(config) ? config.log : undefined;
  return isRecord(log) && typeof log.pretty === 'boolean' ? log.pretty : undefined;
}

/** The configuration with a token of the demo's own beside those of others, where there is `auth`. */
export function withDemoToken(config: ServerConfigInput, token: string): ServerConfigInput {
  const auth: unknown = config?.auth;
  if (!isRecord(auth)) return config;
  const demo = { name: 'streamnorm-demo', token: { plain: token }, in: Object.keys(DEMO_CHANNELS) };
  const tokens: unknown = auth.tokens ?? [];
  return Array.isArray(tokens) ? { ...config, auth: { ...auth, tokens: [...tokens, demo] } } : config;
}

/** `over` in place of what `under` has; where one of the two is no record, that one, for the server to find. */
function merged(under: unknown, over: unknown): unknown {
  if (under === undefined) return over;
  if (!isRecord(under)) return under;
  return isRecord(over) ? { ...under, ...over } : over;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
