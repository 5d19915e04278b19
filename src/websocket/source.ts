import { mergeMap, type Observable } from 'rxjs';
import { type FeedSettings, feed } from './feed.ts';
import type { Frame } from './frame.ts';
import type { Hole } from './hole.ts';
import { samplesOf } from './samples-of.ts';
import { type SequenceOptions, sequenceSettings } from './sequence-options.ts';
import { type SocketOptions, type SocketSettings, socketSettings, wholePositive } from './socket-options.ts';
import type { Transport } from './socket-port.ts';

/** Options of `fromWebSocket`. */
export interface FromWebSocketOptions<S> extends SocketOptions {
  /**
   * The samples of a message, any number of them: parsed JSON, or bytes and the frame they hold. A throw counts the
   * message as bad. Default `samplesOf`; `samplesBy` makes one for messages of other people's.
   */
  readonly samples?: (message: unknown, binary?: Frame) => Iterable<S>;
  /** Most samples in one message; one with more is bad as a whole. Default 10,000. */
  readonly maxRows?: number;
  /** Numbers of the messages: duplicates are left out, disorder is sorted, and what is missing is told. Default: none. */
  readonly sequence?: SequenceOptions;
  /** While its last value is true nothing is emitted, and (in Node) the sender's TCP stops. Default: never. */
  readonly hold?: Observable<boolean>;
  /** Most bytes of messages kept while held: what was read before the socket paused, and in browsers all. Default 16 MiB. */
  readonly maxHeldBytes?: number;
  /**
   * Told of every hole in the feed, before the first sample after it: a lost connection, missing numbers. A throw is an
   * error notification. Default: nobody.
   */
  readonly onHole?: (hole: Hole) => void;
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
   * missed, unless the URL, made anew by a function, asks for it; `onHole` is told. With `sequence` it is told exactly
   * what is missing, and only that. To keep batches from holding samples of both sides, tell a `Subject` and cut there:
   * `window(holes), concatMap((part) => part.pipe(batchNorm({ size: 64, model })))`; the moving statistics go on in `model`.
   * `normalize` by time (`ewma({ halfLife: '30s' })`) ages by itself; with `minSamples` the first sample after a long hole
   * is not scored by what was before it.
   *
   * A message that cannot be read never ends the stream: it is left out, counted and reported by `status`.
   * `null` in a row is NaN; other non-finite values are passed on.
   *
   * Memory: one message, at most `maxMessageBytes`; `sequence.reorder` messages that wait for their turn; while held
   * `maxHeldBytes`.
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

const OPTIONS = ['samples', 'maxRows', 'sequence', 'hold', 'maxHeldBytes', 'onHole'];

/** Binds `fromWebSocket` to a way to make sockets. */
export function sourceOver(transport: Transport): FromWebSocket {
  return <S>(url: SocketSettings['url'], options: FromWebSocketOptions<S> = {}): Observable<S> => {
    const settings = feedSettings('fromWebSocket', url, options, transport.takesHeaders);
    const { onHole } = options;
    return feed(transport, settings).pipe(
      mergeMap((event) => {
        if (event.type === 'samples') return event.samples;
        onHole?.(event.hole);
        return [];
      }),
    );
  };
}

/**
 * Checks the options of a source.
 *
 * @throws TypeError, RangeError naming function, rule and value
 */
export function feedSettings<S>(
  where: string,
  url: SocketSettings['url'],
  options: FromWebSocketOptions<S>,
  takesHeaders: boolean,
): FeedSettings<S> {
  const shared = socketSettings(where, url, options, OPTIONS, takesHeaders);
  const { samples = samplesOf as unknown as FeedSettings<S>['samples'], sequence, hold, onHole } = options;
  for (const [name, value] of Object.entries({ samples, onHole })) {
    if (value !== undefined && typeof value !== 'function')
      throw new TypeError(`${where} requires ${name} to be a function, got ${value}`);
  }
  if (hold !== undefined && typeof hold?.subscribe !== 'function') {
    throw new TypeError(`${where} requires hold to be an Observable of true and false, got ${hold}`);
  }
  return {
    ...shared,
    samples,
    maxRows: wholePositive(where, 'maxRows', options.maxRows ?? 10_000),
    sequence: sequence === undefined ? undefined : sequenceSettings(where, sequence),
    hold,
    maxHeldBytes: wholePositive(where, 'maxHeldBytes', options.maxHeldBytes ?? 16 * 1024 * 1024),
  };
}
