import { StreamnormError } from '../errors.ts';
import type { LogConfig } from '../server/log-worker.ts';
import { readConfig, serverConfig } from './serve-config.ts';

export interface NatsFlags {
  readonly config: string;
  readonly nats?: string;
}

/** The configuration of a file, with the broker of the flag in its place. */
export async function logConfig({ config, nats }: NatsFlags): Promise<LogConfig> {
  const given = serverConfig(await readConfig(config), { nats });
  const { parseConfig } = await import('../server/config.ts');
  const parsed = parseConfig(given);
  if (parsed.nats === undefined) {
    throw new StreamnormError('CONFIG', 'the config has no nats: say where the broker is with --nats URL');
  }
  return { ...parsed, nats: parsed.nats };
}
