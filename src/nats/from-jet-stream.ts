import type { NatsConnection } from '@nats-io/nats-core';
import { concatMap, defer, finalize, from, type Observable, type ObservableInput, of, repeat, switchMap } from 'rxjs';
import { brokerOf } from './broker.ts';
import { SteadyReader } from './steady-reader.ts';

/** A message of a stream. */
export interface LogMessage {
  /** Its number in the stream. */
  readonly seq: number;
  readonly subject: string;
  /** When the broker took it, in ms since 1970. */
  readonly time: number;
  readonly data: Uint8Array;
  /** A header's first value; undefined when there is none. */
  header(name: string): string | undefined;
}

/** Options of `fromJetStream`. */
export interface FromJetStreamOptions {
  readonly stream: string;
  /** Subject, wildcards included. Default: all of the stream. */
  readonly subject?: string;
  /** Number of the last message that is not wanted; with the `seq` of the last message had it goes on there. Default 0. */
  readonly after?: number;
  /** Messages asked for at a time; at most twice as many are held. Default 64. */
  readonly maxMessages?: number;
  /** Told of every failure to read; it begins again behind the last message. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Emits the messages of a JetStream stream in order, from a number on, for ever; or what `work` makes of each.
 *
 * ```
 * stream   1-2-3-4-5-6-
 * work      ──1'─|──2'─|──3'─|
 * emits     ──1'────2'────3'──   4 to 6 are asked for when 1 to 3 are done (maxMessages: 3)
 * ```
 *
 * Back pressure: more messages are asked for only when `work` has completed for all before. So put what takes time into
 * `work`, not behind it: an operator behind, such as `mergeMap`, has a buffer without a bound.
 *
 * Cold: each subscription reads on its own. Nothing is acknowledged and nothing is missed: whoever keeps the `seq` of
 * what is done goes on `after` it. What the broker has discarded by then is not there. Never completes; a broken
 * connection is waited for. Errors with what `work` throws, and with UNAVAILABLE when the broker has no JetStream.
 *
 * Memory: `maxMessages` in work and as many read ahead. Sibling: `toJetStream`.
 *
 * @param work what is done with each message; the next one waits until it has completed. Default: emits the message
 * @example
 * fromJetStream(connection, { stream: 'TICKS', after: 1200 }, (message) => save(message.data))
 *   .subscribe();
 */
export function fromJetStream<R = LogMessage>(
  connection: NatsConnection,
  options: FromJetStreamOptions,
  work: (message: LogMessage) => ObservableInput<R> = (message) => of(message as R),
): Observable<R> {
  const { stream, subject = '>', after = 0, maxMessages = 64, onFailure } = options;
  if (!(Number.isSafeInteger(after) && after >= 0)) {
    throw new RangeError(`fromJetStream requires after to be a whole number >= 0, got ${after}`);
  }
  if (!(Number.isSafeInteger(maxMessages) && maxMessages >= 1)) {
    throw new RangeError(`fromJetStream requires maxMessages to be a whole number >= 1, got ${maxMessages}`);
  }
  return defer(() => brokerOf(connection)).pipe(
    switchMap((broker) => {
      const reader = new SteadyReader(broker, { stream, subject, from: after + 1 }, { maxMessages }, onFailure);
      return defer(() => reader.next()).pipe(
        concatMap((messages) => from(messages)),
        concatMap((message) =>
          work({
            seq: message.seq,
            subject: message.subject,
            time: Math.floor(message.info.timestampNanos / 1e6),
            data: message.data,
            header: (name) => (message.headers?.has(name) ? message.headers.get(name) : undefined),
          }),
        ),
        repeat(),
        finalize(() => void reader.close()),
      );
    }),
  );
}
