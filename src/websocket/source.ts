import { defer, mergeMap, type Observable } from 'rxjs';
import { StreamnormError } from '../errors.ts';
import { connections } from './connections.ts';
import { isControl } from './control-message.ts';
import type { Frame } from './frame.ts';
import { readMessage } from './read-message.ts';
import type { Foreseen } from './reconnect.ts';
import { samplesOf } from './samples-of.ts';
import { type SocketOptions, type SocketSettings, socketSettings, wholePositive } from './socket-options.ts';
import type { Transport } from './socket-port.ts';
import type { SocketStatus } from './socket-status.ts';
import { statusReporter } from './status-reporter.ts';

/** Options of `fromWebSocket`. */
export interface FromWebSocketOptions<S> extends SocketOptions {
  /**
   * The samples of a message, any number of them: parsed JSON, or bytes and the frame they hold. A throw counts the
   * message as bad. Default `samplesOf`.
   */
  readonly samples?: (message: unknown, binary?: Frame) => Iterable<S>;
  /** Most samples in one message; one with more is bad as a whole. Default 10,000. */
  readonly maxRows?: number;
}

/** `fromWebSocket`, over whatever makes the sockets. */
export interface FromWebSocket {
  /**
   * Emits the samples of every message of a WebSocket, at once as it arrives, and reconnects for ever.
   *
   * ```
   * socket   ──open──[[1],[2]]──✕ 1006        ──open──[3]──
   * emits    ────────[1][2]───────────────────────────[3]──
   *                              ╰ back-off ╯ open messages again
   * ```
   *
   * Cold: every subscription has its own connection, opened at subscription and closed by unsubscribing, at whatever
   * stage it is. Never completes: a clean close (1000, 1001, 1012, 1013) is followed by the next connection like any
   * other, after a wait with full jitter. A wait the server asks for (`Retry-After` of HTTP 429 and 503, `bye`, 5 s for
   * 1013) comes on top. After 4410 the parameter `since` is left out of the URL. What is missed between connections is
   * missed, unless the URL, made anew by a function, asks for it.
   *
   * A message that cannot be read never ends the stream: it is left out, counted and reported by `status`.
   * `null` in a row is NaN; other non-finite values are passed on.
   *
   * Memory: one message, at most `maxMessageBytes`; nothing is queued.
   *
   * Errors with `StreamnormError` `UNAVAILABLE` (`cause.code`, `cause.status`) when the server refuses for good: close
   * code 1008, 4400, 4401, 4403, 4404 or, in Node, HTTP 401, 403, 404. Sibling: `toWebSocket`.
   *
   * @param url ws: or wss:, or a function called for every connection (it may return a promise)
   * @throws TypeError, RangeError at call time when an option is unknown or wrong
   * @example
   * fromWebSocket<number[]>('wss://example.com/out/btc', { open: { subscribe: 'btc' }, deadlineMs: 30_000 })
   *   .subscribe((row) => console.log(row)); // [ 0.42, -1.3 ] …
   */
  // biome-ignore lint/style/useShorthandFunctionType: editors show the comment of a signature, not of a type.
  <S = number[]>(url: SocketSettings['url'], options?: FromWebSocketOptions<S>): Observable<S>;
}

/** Binds `fromWebSocket` to a way to make sockets. */
export function sourceOver(transport: Transport): FromWebSocket {
  return <S>(url: SocketSettings['url'], options: FromWebSocketOptions<S> = {}): Observable<S> => {
    const where = 'fromWebSocket';
    const settings = socketSettings(where, url, options, ['samples', 'maxRows'], transport.takesHeaders);
    const { samples = samplesOf as unknown as (message: unknown, binary?: Frame) => Iterable<S> } = options;
    if (typeof samples !== 'function')
      throw new TypeError(`${where} requires samples to be a function, got ${samples}`);
    const maxRows = wholePositive(where, 'maxRows', options.maxRows ?? 10_000);

    return defer(() => {
      const report = statusReporter(settings.status);
      const foreseen: Foreseen = { byeMs: undefined, finishing: false };
      let badMessages = 0;

      const samplesIn = (data: string | Uint8Array): readonly S[] => {
        try {
          const { message, frame } = readMessage(data, settings.maxMessageBytes, { maxRows });
          if (isControl(message)) {
            if (message.type === 'bye') foreseen.byeMs = message.retryAfterMs;
            report({ type: 'control', message });
          }
          return listed(samples(message, frame), maxRows);
        } catch (error) {
          badMessages += 1;
          const message = error instanceof Error ? error.message : String(error);
          report({ type: 'bad-message', count: badMessages, message, error } satisfies SocketStatus);
          return [];
        }
      };

      return connections(transport, settings, report, foreseen).pipe(
        mergeMap((event) => (event.type === 'message' ? samplesIn(event.data) : [])),
      );
    });
  };
}

/** All or nothing: an iterable that throws half-way, or never ends, must not have emitted half a message. */
function listed<S>(samples: Iterable<S>, maxRows: number): readonly S[] {
  if (typeof samples !== 'object' || samples === null || typeof samples[Symbol.iterator] !== 'function') {
    throw new TypeError(`samples must return an iterable, got ${typeof samples}`);
  }
  const list: readonly S[] = Array.isArray(samples) ? samples : firstOf(samples, maxRows + 1);
  if (list.length > maxRows)
    throw new StreamnormError('BAD_DIM', `the message has more than maxRows ${maxRows} samples`);
  return list;
}

function firstOf<S>(samples: Iterable<S>, count: number): S[] {
  const list: S[] = [];
  for (const sample of samples) {
    if (list.push(sample) === count) break;
  }
  return list;
}
