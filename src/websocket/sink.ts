import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import { Delivery, type SinkSettings } from './delivery.ts';
import { type SocketOptions, type SocketSettings, socketSettings, spanMs, wholePositive } from './socket-options.ts';
import type { Transport } from './socket-port.ts';
import { SAMPLE_FORMATS, type SampleFormat } from './write-sample.ts';

/** Options of `toWebSocket`. */
export interface ToWebSocketOptions extends SocketOptions {
  /** `json`, or one binary push frame a sample: half the bytes (`f64`) or a quarter (`f32`). Default `json`. */
  readonly format?: SampleFormat;
  /** Most samples kept while they cannot be written; then the oldest is dropped. Default 1,000. */
  readonly maxQueue?: number;
  /** Samples are kept, not written, while the socket has more than this many bytes to send. Default 256 KiB. */
  readonly highWaterBytes?: number;
  /** After the source has completed: the longest time in ms without progress in delivering the rest. Default 10,000. */
  readonly flushTimeoutMs?: number;
}

/** `toWebSocket`, over whatever makes the sockets. */
export interface ToWebSocket {
  /**
   * Writes every sample to a WebSocket and emits it once it has been written to an open socket, in order. Connects at
   * subscription and reconnects for ever, as `fromWebSocket` does.
   *
   * ```
   * socket   ───────open────✕    ──open──
   * source   ─a──b──────c─────d──────────|
   * emits    ───────ab──c──────────d─────|
   * ```
   *
   * Written is not received: what the network held when a connection broke is lost (at most once). Samples that
   * cannot be written, because no socket is open or it has more than `highWaterBytes` to send, are kept, `maxQueue` at
   * most; then the oldest is dropped, counted and reported by `status` (`dropped`). A sample without a form in `format`
   * is left out and reported (`bad-sample`). What the server refuses is reported (`rejected`) and ends nothing.
   *
   * JSON: non-finite numbers become null, typed arrays arrays. Binary takes numbers, arrays and arrays of arrays; its
   * `seq` counts the rows written by this subscription, its `time` is when the sample came.
   *
   * Source completion: the rest is written, the socket closed with 1000, and once the server has agreed the output
   * completes. Source error: passed on at once, the rest dropped and reported. Unsubscribing closes the socket and
   * forgets the rest.
   *
   * Memory: `maxQueue` samples and `highWaterBytes` plus one message.
   *
   * Errors with `StreamnormError` `UNAVAILABLE` when the server refuses for good (as `fromWebSocket`), or when, after
   * completion, nothing could be delivered for `flushTimeoutMs`; the message says how many samples were not.
   *
   * @param url ws: or wss:, or a function called for every connection (it may return a promise)
   * @throws TypeError, RangeError at call time when an option is unknown or wrong
   * @example
   * from([[1.5, 2], [1.7, 3]]).pipe(toWebSocket('ws://127.0.0.1:8080/in/btc')).subscribe({
   *   complete: () => console.log('delivered'),
   * });
   */
  // biome-ignore lint/style/useShorthandFunctionType: editors show the comment of a signature, not of a type.
  <S>(url: SocketSettings['url'], options?: ToWebSocketOptions): MonoTypeOperatorFunction<S>;
}

/** Binds `toWebSocket` to a way to make sockets. */
export function sinkOver(transport: Transport): ToWebSocket {
  return <S>(url: SocketSettings['url'], options: ToWebSocketOptions = {}): MonoTypeOperatorFunction<S> => {
    const where = 'toWebSocket';
    const further = ['format', 'maxQueue', 'highWaterBytes', 'flushTimeoutMs'];
    const shared = socketSettings(where, url, options, further, transport.takesHeaders);
    const { format = 'json', maxQueue = 1_000, highWaterBytes = 256 * 1024, flushTimeoutMs = 10_000 } = options;
    if (!SAMPLE_FORMATS.includes(format)) {
      throw new TypeError(`${where} requires format 'json', 'f32' or 'f64', got '${format}'`);
    }
    const settings: SinkSettings = {
      ...shared,
      format,
      maxQueue: wholePositive(where, 'maxQueue', maxQueue),
      highWaterBytes: wholePositive(where, 'highWaterBytes', highWaterBytes),
      flushTimeoutMs: spanMs(where, 'flushTimeoutMs', flushTimeoutMs),
    };
    return (source) => new Observable<S>((subscriber) => new Delivery(settings, transport, source, subscriber).start());
  };
}
