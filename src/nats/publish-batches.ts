import type { NatsConnection } from '@nats-io/nats-core';
import { bufferTime, defer, filter, groupBy, mergeMap, type OperatorFunction, switchMap } from 'rxjs';
import { brokerOf } from './broker.ts';
import { readMeta } from './log-meta.ts';
import { LogNames } from './log-names.ts';
import { LogWriter } from './log-writer.ts';
import { partitionOf } from './partition-of.ts';

/** Options of `publishBatches`. */
export interface PublishBatchesOptions<T> {
  /** First part of all names. Default `streamnorm`. */
  readonly prefix?: string;
  readonly channel: string;
  /** What a sample belongs to: samples of one key stay in order, in one partition. Default: one for all. */
  readonly keyOf?: (sample: T) => string;
  /** Samples in a window at most. Default 512. */
  readonly size?: number;
  /** A window is closed so long after its first sample at the latest, in ms. Default 20. */
  readonly withinMs?: number;
  /** The message of a window. Default: its JSON, an array of samples, which is what `/in/<channel>` takes. */
  readonly encode?: (samples: readonly T[]) => Uint8Array;
  /** Samples of a partition that wait for the broker at most; with more it errors with OVERLOADED. Default 65,536. */
  readonly maxWaiting?: number;
}

/** A window that the broker has. */
export interface PublishedBatch<T> {
  readonly partition: number;
  /** Number of its message in the log. */
  readonly seq: number;
  readonly samples: readonly T[];
}

/**
 * Cuts samples into windows, by the partition of their key, and publishes each window to the log of a channel as one
 * message; emits it when the broker has it.
 *
 * Windows are cut here, before the log: so every replay of the log sees the same ones. How many partitions there are is
 * read from the broker. Windows of one partition are published one after the other, each once. Completes when the source has
 * and all is acknowledged.
 *
 * Memory: one window and `maxWaiting` samples a partition.
 *
 * @throws RangeError at call time for wrong options; errors with LOG_MISMATCH when the channel has no log
 * @example
 * ticks$.pipe(publishBatches(connection, { channel: 'ticks', keyOf: (tick) => tick.symbol })).subscribe();
 */
export function publishBatches<T>(
  connection: NatsConnection,
  options: PublishBatchesOptions<T>,
): OperatorFunction<T, PublishedBatch<T>> {
  const { prefix = 'streamnorm', channel, keyOf = () => '', size = 512, withinMs = 20, maxWaiting = 65_536 } = options;
  for (const [name, value] of Object.entries({ size, withinMs, maxWaiting })) {
    if (!(Number.isSafeInteger(value) && value >= 1)) {
      throw new RangeError(`publishBatches requires ${name} to be a whole number >= 1, got ${value}`);
    }
  }
  const names = new LogNames(prefix, channel);
  const encoder = new TextEncoder();
  const encode = options.encode ?? ((samples: readonly T[]) => encoder.encode(JSON.stringify(samples)));
  const open = async () => {
    const broker = await brokerOf(connection);
    return { broker, ...(await readMeta(broker, names)) };
  };
  return (source) =>
    defer(open).pipe(
      switchMap(({ broker, partitions, generation }) =>
        source.pipe(
          groupBy((sample) => partitionOf(keyOf(sample), partitions)),
          mergeMap((samples) => {
            const partition = samples.key;
            const writer = new LogWriter<readonly T[]>(broker, {
              stream: names.inStream(generation),
              subject: names.inSubject(generation, partition),
              encode: ([window]) => encode(window),
              // one window, one message
              maxRows: 1,
              maxWaitingRows: maxWaiting,
            });
            return samples.pipe(
              bufferTime(withinMs, null, size),
              filter((window) => window.length > 0),
              mergeMap(async (window) => ({
                partition,
                seq: await writer.push(window, window.length),
                samples: window,
              })),
            );
          }),
        ),
      ),
    );
}
