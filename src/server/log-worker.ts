import type { NatsConnection } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import type { LogMeta } from '../nats/log-meta.ts';
import { LogNames } from '../nats/log-names.ts';
import { provisionLog } from '../nats/provision.ts';
import { repartitionLog } from '../nats/repartition.ts';
import { runWorker, type WorkerChannel, type WorkerEvent } from '../nats/run-worker.ts';
import { ChannelFold } from './channel-fold.ts';
import type { ChannelConfig } from './config/channel.ts';
import { type NatsConfig, partitionsOf } from './config/nats.ts';
import type { ServerConfig } from './config.ts';
import { splitStates } from './split-states.ts';

export type LogConfig = ServerConfig & { readonly nats: NatsConfig };

/** How often windows that are due are looked for. */
const TICK_MS = 50;
/** A tick that has closed nothing, because clocks differ, is sent again so much later. */
const AGAIN_MS = 1_000;

/**
 * What is kept with the log of a channel, and must be the same for all that work on it.
 *
 * @throws StreamnormError CONFIG for what cannot be computed from a log
 */
export function aboutOf(name: string, config: ChannelConfig): object {
  const { features, method, keys } = config;
  const refuse = (option: string, why: string): never => {
    throw new StreamnormError('CONFIG', `channels.${name}.${option}: ${why}`);
  };
  if (keys?.idleMs !== undefined) refuse('keyIdle', 'is not possible with nats: use maxKeys');
  if (config.source !== undefined) refuse('source', 'every edge would read it: feed the channel by one producer');
  if (config.producerGuard !== undefined) refuse('producerGuard', 'is not possible with nats: use range');
  const { within, gap, lateness } = config.options;
  // the clocks of many windows are not part of the state of a key
  if (keys !== undefined && lateness === undefined && (within ?? gap) !== undefined) {
    refuse(within === undefined ? 'gap' : 'within', 'is not possible with nats and key: use size, or lateness');
  }
  return { features, method, ...(keys && { key: keys.field }) };
}

/** Makes the streams of all channels. */
export async function provisionLogs(connection: NatsConnection, config: LogConfig): Promise<LogMeta[]> {
  const metas: LogMeta[] = [];
  const { prefix, replicas, maxLogBytes, maxOutputs } = config.nats;
  for (const [channel, about] of config.channels) {
    metas.push(
      await provisionLog(connection, {
        ...{ prefix, channel, replicas, maxLogBytes, maxOutputs },
        partitions: partitionsOf(config.nats, channel),
        about: aboutOf(channel, about),
      }),
    );
  }
  return metas;
}

/** Changes the number of partitions of a channel. */
export function repartition(
  connection: NatsConnection,
  config: LogConfig,
  channel: string,
  partitions: number,
  onWait?: (lag: number) => void,
): Promise<LogMeta> {
  const channelConfig = config.channels.get(channel);
  if (channelConfig === undefined) {
    throw new StreamnormError('NO_CHANNEL', `there is no channel '${channel}' in the config`);
  }
  const { prefix, replicas, maxLogBytes } = config.nats;
  return repartitionLog(connection, {
    ...{ prefix, replicas, maxLogBytes, channel, partitions, onWait },
    flush: (state) => {
      const fold = new ChannelFold(channelConfig, config.limits, state);
      return { pieces: fold.flush(), state: fold.snapshot() };
    },
    split: (states, partitions, ends) => splitStates(channelConfig, states, partitions, ends),
  });
}

export interface LogWorkerOptions {
  readonly worker?: string;
  readonly onEvent?: (event: WorkerEvent) => void;
}

/** Works on the logs of all channels of a configuration, until `signal`. */
export async function runLogWorker(
  connection: NatsConnection,
  config: LogConfig,
  { worker, onEvent }: LogWorkerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { prefix, leaseMs, checkpointMs, replicas } = config.nats;
  const ticks = new Ticks(connection, prefix);
  const channels = Array.from(config.channels, ([channel, channelConfig]): WorkerChannel => {
    const about = JSON.stringify(aboutOf(channel, channelConfig));
    const isTimed = (channelConfig.options.within ?? channelConfig.options.gap) !== undefined;
    return {
      channel,
      check: (meta) => requireSame(meta, about),
      open: (state, partition, { generation }) => {
        const fold = new ChannelFold(channelConfig, config.limits, state);
        if (isTimed) ticks.watch(channel, generation, partition, fold);
        return fold;
      },
    };
  });
  try {
    await runWorker(
      connection,
      channels,
      {
        ...{ prefix, leaseMs, checkpointMs, replicas },
        ...(worker !== undefined && { worker }),
        onEvent: (event) => {
          if (event.type === 'given-back' || event.type === 'lost') ticks.forget(event.channel, event.partition);
          onEvent?.(event);
        },
      },
      signal,
    );
  } finally {
    ticks.close();
  }
}

export function requireSame({ channel, about }: LogMeta, expected: string): void {
  if (JSON.stringify(about) === expected) return;
  throw new StreamnormError(
    'LOG_MISMATCH',
    `channel ${channel} was provisioned for ${JSON.stringify(about)}, the config has ${expected}`,
  );
}

/**
 * Lets time pass in logs where nothing comes: a window that is due closes with the next message, so one is sent that holds
 * nothing. It goes through the log like any other, so every replay closes the window at the same place.
 */
class Ticks {
  readonly #connection: NatsConnection;
  readonly #prefix: string;
  readonly #folds: Map<string, { subject: string; fold: ChannelFold; againMs: number }>;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: NatsConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#folds = new Map();
    this.#timer = undefined;
  }

  watch(channel: string, generation: number, partition: number, fold: ChannelFold): void {
    const subject = new LogNames(this.#prefix, channel).inSubject(generation, partition);
    this.#folds.set(`${channel} ${partition}`, { subject, fold, againMs: 0 });
    this.#timer ??= setInterval(() => this.#look(), TICK_MS);
  }

  forget(channel: string, partition: number): void {
    this.#folds.delete(`${channel} ${partition}`);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = Date.now();
    for (const each of this.#folds.values()) {
      const { dueMs } = each.fold;
      if (dueMs > nowMs || each.againMs > nowMs) continue;
      each.againMs = nowMs + AGAIN_MS;
      // one that is lost is sent again
      if (!this.#connection.isClosed()) this.#connection.publish(each.subject);
    }
  }
}
