import {
  defer,
  EMPTY,
  finalize,
  type MonoTypeOperatorFunction,
  retry,
  type Subscription,
  tap,
  throwError,
  timer,
} from 'rxjs';
import { StreamnormError } from '../errors.ts';
import { isFinal, leastWaitMs } from './close-rules.ts';
import type { ConnectionEvent } from './connect.ts';
import type { ConnectionClosed } from './connection-closed.ts';
import { fullJitter } from './full-jitter.ts';
import type { SocketSettings } from './socket-options.ts';
import type { SocketStatus } from './socket-status.ts';

/** What is known about the end of a connection before it ends. */
export interface Foreseen {
  /** `retryAfterMs` of the server's `bye`. */
  byeMs: unknown;
  /** This side is closing for good: the next end completes. */
  finishing: boolean;
}

/**
 * Subscribes again and again to a connection that errors with `ConnectionClosed`: after a wait with full jitter, for
 * ever, also after a clean close. Errors with `UNAVAILABLE` when the server refused for good, completes at the end
 * that was foreseen as `finishing`. The back-off starts anew only after a connection was up `stableMs`: a server that
 * accepts and drops at once is not hammered.
 *
 * @param random uniform in [0, 1); given only to make a test repeatable
 */
export function reconnect(
  settings: Pick<SocketSettings, 'where' | 'minDelayMs' | 'maxDelayMs' | 'stableMs' | 'scheduler'>,
  report: (event: SocketStatus) => void,
  foreseen: Foreseen,
  random: () => number = Math.random,
): MonoTypeOperatorFunction<ConnectionEvent> {
  const { where, stableMs, maxDelayMs, scheduler } = settings;
  return (connection) =>
    defer(() => {
      let failures = 0;
      let stable: Subscription | undefined;

      const tried = defer(() => {
        report({ type: 'connecting', attempt: failures + 1 });
        return connection;
      }).pipe(
        tap((event) => {
          if (event.type !== 'open') return;
          report({ type: 'open', attempt: failures + 1, protocol: event.protocol });
          stable = timer(stableMs, scheduler).subscribe(() => {
            failures = 0;
          });
        }),
        finalize(() => stable?.unsubscribe()),
      );

      const delay = (closed: ConnectionClosed) => {
        stable?.unsubscribe();
        const { code, status, reason, cause } = closed;
        report({ type: 'closed', attempt: failures + 1, code, status, reason, cause });
        if (isFinal(closed)) {
          const message = `${where}: the server refused for good: ${closed.message}`;
          const error = new StreamnormError('UNAVAILABLE', message, { cause: closed });
          report({ type: 'failed', code, status, reason, message, error });
          return throwError(() => error);
        }
        if (foreseen.finishing) return EMPTY;
        const delayMs =
          leastWaitMs(closed, foreseen.byeMs, maxDelayMs, scheduler.now()) + fullJitter(failures, random(), settings);
        foreseen.byeMs = undefined;
        failures += 1;
        report({ type: 'waiting', attempt: failures + 1, delayMs });
        return timer(delayMs, scheduler);
      };

      return tried.pipe(retry({ delay }));
    });
}
