import type { NatsConnection } from '@nats-io/nats-core';
import { concatMap, defer, mergeMap, type OperatorFunction, switchMap } from 'rxjs';
import { StreamnormError } from '../errors.ts';
import { brokerOf } from './broker.ts';

/** Options of `toJetStream`. */
export interface ToJetStreamOptions<T> {
  /** Where a value goes. */
  readonly subject: string | ((value: T) => string);
  /** The message of a value. Default: its JSON. */
  readonly encode?: (value: T) => Uint8Array | string;
  /** A name by which the broker finds what it has already, within the stream's window. Default: a new one for each value. */
  readonly id?: (value: T) => string;
  /** Messages under way at a time; with 1 the order is kept whatever fails. Default 64. */
  readonly maxInFlight?: number;
  /** Values that wait at most; with more it errors. Default 65,536. */
  readonly maxWaiting?: number;
  /** After so long without an answer it errors. Default 30,000 ms. */
  readonly giveUpMs?: number;
}

/** A value that the broker has. */
export interface Published<T> {
  readonly value: T;
  /** Number of its message in the stream. */
  readonly seq: number;
  /** The broker had it already. */
  readonly duplicate: boolean;
}

/**
 * Publishes each value to JetStream, and emits it when the broker has it.
 *
 * ```
 * source   ─a─b─c──────|
 * broker   ──┄┄a┄b┄c┄
 * emits    ─────a─b─c──|
 * ```
 *
 * A message without an answer is sent again under the same name, so that the broker keeps it once. Completes when the source
 * has and all is acknowledged. Errors with UNAVAILABLE when there is no answer for `giveUpMs`, with QUEUE_OVERFLOW when
 * `maxWaiting` values wait: a source that can be slowed down belongs, with this operator, into the `work` of
 * `fromJetStream`, where nothing piles up.
 *
 * Memory: `maxInFlight` messages and `maxWaiting` values.
 *
 * @example
 * ticks$.pipe(toJetStream(connection, { subject: (tick) => `ticks.${tick.symbol}` })).subscribe();
 */
export function toJetStream<T>(
  connection: NatsConnection,
  options: ToJetStreamOptions<T>,
): OperatorFunction<T, Published<T>> {
  const { subject, encode = JSON.stringify, id, maxInFlight = 64, maxWaiting = 65_536, giveUpMs = 30_000 } = options;
  for (const [name, value] of Object.entries({ maxInFlight, maxWaiting, giveUpMs })) {
    if (!(Number.isSafeInteger(value) && value >= 1)) {
      throw new RangeError(`toJetStream requires ${name} to be a whole number >= 1, got ${value}`);
    }
  }
  const subjectOf = typeof subject === 'function' ? subject : () => subject;
  return (source) =>
    defer(() => brokerOf(connection)).pipe(
      switchMap(({ client }) => {
        const own = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 12)}`;
        let [taken, done] = [0, 0];
        const publish = async (value: T, index: number): Promise<Published<T>> => {
          const msgID = id?.(value) ?? `${own}.${index}`;
          const [to, data] = [subjectOf(value), encode(value)];
          const untilMs = performance.now() + giveUpMs;
          for (let failures = 0; ; failures++) {
            try {
              const { seq, duplicate } = await client.publish(to, data, { msgID });
              done++;
              return { value, seq, duplicate };
            } catch (cause) {
              if (performance.now() > untilMs || connection.isClosed()) {
                const why = (cause as Error).message;
                throw new StreamnormError('UNAVAILABLE', `the broker does not take messages of ${to}: ${why}`, {
                  cause,
                });
              }
              await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(1_000, 20 * 2 ** failures)));
            }
          }
        };
        return source.pipe(
          // before the queue of mergeMap, which has no bound
          concatMap((value) => {
            if (++taken - done > maxWaiting + maxInFlight) {
              throw new StreamnormError('QUEUE_OVERFLOW', `${maxWaiting} values wait for the broker`);
            }
            return [value];
          }),
          mergeMap(publish, maxInFlight),
        );
      }),
    );
}
