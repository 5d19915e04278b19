import type { Environment } from '../auth/read-secret.ts';
import type { Channel } from '../channel.ts';
import type { ChannelConfig } from '../config/channel.ts';
import type { Limits } from '../config/limits.ts';
import type { SourceConfig } from '../config/source.ts';
import type { Log } from '../log.ts';
import type { ChannelSource } from './channel-source.ts';
import type { SourceFigures } from './source-figures.ts';
import { missingVariables } from './source-secrets.ts';

/** The upstream feeds of all channels that have one. */
export class Sources {
  readonly #limits: Limits;
  readonly #env: Environment;
  readonly #log: Log;
  readonly #sources: Map<string, ChannelSource>;
  #Source: typeof ChannelSource | undefined;

  constructor(limits: Limits, env: Environment, log: Log) {
    this.#limits = limits;
    this.#env = env;
    this.#log = log;
    this.#sources = new Map();
    this.#Source = undefined;
  }

  /** Loads the client side where a channel needs it, which servers without sources start quicker for. Before `start`. */
  async prepare(channels: Iterable<ChannelConfig>): Promise<void> {
    for (const { source } of channels) {
      if (source !== undefined) this.#Source ??= (await import('./channel-source.ts')).ChannelSource;
    }
  }

  /** Connects a channel to its source, if it has one, in the place of the one that it had. */
  start(channel: Channel, source: SourceConfig | undefined): void {
    this.stop(channel.name);
    if (source === undefined || this.#Source === undefined) return;
    const running = new this.#Source(channel, source, this.#limits.maxRowsPerMessage, this.#env, this.#log);
    this.#sources.set(channel.name, running);
    running.start();
  }

  stop(name: string): void {
    this.#sources.get(name)?.stop();
    this.#sources.delete(name);
  }

  stopAll(): void {
    for (const name of Array.from(this.#sources.keys())) this.stop(name);
  }

  /** Why a source has failed for good; undefined when none has. */
  get failure(): string | undefined {
    for (const { failure } of this.#sources.values()) if (failure !== undefined) return failure;
    return undefined;
  }

  figures(name: string): SourceFigures | undefined {
    return this.#sources.get(name)?.figures;
  }
}

/** Environment variables that sources name and that are not set, one line each. */
export function unsetVariables(channels: ReadonlyMap<string, ChannelConfig>, env: Environment): string[] {
  return Array.from(channels).flatMap(([name, { source }]) =>
    source === undefined
      ? []
      : missingVariables(source, env).map(
          (name_) => `channels.${name}.source: the environment variable ${name_} is not set`,
        ),
  );
}
