import { Observable, type Subscriber, type Subscription } from 'rxjs';
import { StreamnormError } from '../errors.ts';
import type { ConnectionEvent } from './connect.ts';
import { connections } from './connections.ts';
import { isControl } from './control-message.ts';
import type { Frame } from './frame.ts';
import { holdBack } from './hold-back.ts';
import type { Hole, HoleReason } from './hole.ts';
import type { LiveSocket } from './live-socket.ts';
import { readMessage } from './read-message.ts';
import type { Foreseen } from './reconnect.ts';
import { ReorderBuffer, type Sequenced } from './reorder-buffer.ts';
import type { SequenceSettings } from './sequence-options.ts';
import type { SocketSettings } from './socket-options.ts';
import type { Transport } from './socket-port.ts';
import type { SequenceEvent, SocketStatus } from './socket-status.ts';
import { statusReporter } from './status-reporter.ts';

/** Checked options of a source. */
export interface FeedSettings<S> extends SocketSettings {
  readonly samples: (message: unknown, binary?: Frame) => Iterable<S>;
  readonly maxRows: number;
  readonly sequence: SequenceSettings | undefined;
  readonly hold: Observable<boolean> | undefined;
  readonly maxHeldBytes: number;
}

/** What a feed brings, in order. */
export type FeedEvent<S> =
  /** The samples of one message; none for one that holds none. */
  | { readonly type: 'samples'; readonly samples: readonly S[] }
  /** Comes before the first samples after it. */
  | { readonly type: 'hole'; readonly hole: Hole };

/**
 * One subscription to a feed that reconnects for ever: connections, messages, samples, and what is missing between them.
 * `fromWebSocket` without its Observable of samples.
 */
export function feed<S>(transport: Transport, settings: FeedSettings<S>): Observable<FeedEvent<S>> {
  return new Observable((subscriber) => {
    const report = statusReporter(settings.status);
    const foreseen: Foreseen = { byeMs: undefined, finishing: false };
    const reader = new FeedReader<S>(settings, report, foreseen);
    const { hold, maxHeldBytes } = settings;
    const events = connections(transport, settings, report, foreseen);
    const held = hold === undefined ? events : events.pipe(holdBack(hold, maxHeldBytes, (n) => reader.overflowed(n)));
    reader.read(held, subscriber);
  });
}

/** A message that waits for its turn. */
interface Numbered<S> {
  readonly samples: readonly S[];
  readonly arrivedMs: number;
}

class FeedReader<S> {
  readonly #settings: FeedSettings<S>;
  readonly #report: (event: SocketStatus) => void;
  readonly #foreseen: Foreseen;
  readonly #order: ReorderBuffer<Numbered<S>> | undefined;
  #subscriber: Subscriber<FeedEvent<S>> | undefined;
  #socket: LiveSocket | undefined;
  #patience: Subscription | undefined;
  /** A hole that is told before the next samples. */
  #hole: { reason: HoleReason; missed: number | undefined } | undefined;
  /** When the last message before a hole came; NaN before the first. */
  #lastMs: number;
  #badMessages: number;
  #dropped: number;
  readonly #counts: Record<SequenceEvent, number>;

  constructor(settings: FeedSettings<S>, report: (event: SocketStatus) => void, foreseen: Foreseen) {
    this.#settings = settings;
    this.#report = report;
    this.#foreseen = foreseen;
    const { sequence } = settings;
    this.#order = sequence === undefined ? undefined : new ReorderBuffer(sequence.reorder, sequence.memory);
    this.#subscriber = undefined;
    this.#socket = undefined;
    this.#patience = undefined;
    this.#hole = undefined;
    this.#lastMs = Number.NaN;
    this.#badMessages = 0;
    this.#dropped = 0;
    this.#counts = { gap: 0, duplicate: 0, late: 0, sorted: 0, reset: 0 };
  }

  read(events: Observable<ConnectionEvent>, subscriber: Subscriber<FeedEvent<S>>): void {
    this.#subscriber = subscriber;
    subscriber.add(() => this.#patience?.unsubscribe());
    subscriber.add(
      events.subscribe({
        next: (event) => {
          if (event.type === 'open') this.#opened(event.socket);
          else if (event.type === 'message') this.#message(event.data);
        },
        error: (error) => {
          this.#out(this.#order?.expire() ?? []);
          subscriber.error(error);
        },
        complete: () => subscriber.complete(),
      }),
    );
  }

  /** Messages were dropped while the stream was held. */
  overflowed(count: number): void {
    this.#dropped += count;
    this.#report({ type: 'dropped', count, total: this.#dropped });
    // numbers show by themselves what is missing
    if (this.#order === undefined) this.#hole ??= { reason: 'overflow', missed: count };
  }

  #opened(socket: LiveSocket): void {
    const isFirst = this.#socket === undefined;
    this.#socket = socket;
    if (isFirst) return;
    if (this.#order === undefined) {
      this.#hole = { reason: 'disconnected', missed: undefined };
    } else if (this.#settings.sequence?.perConnection) {
      this.#out(this.#order.restart());
      this.#hole = { reason: 'disconnected', missed: undefined };
    }
  }

  #message(data: string | Uint8Array): void {
    const { maxMessageBytes, maxRows, samples, sequence, answer, scheduler } = this.#settings;
    const arrivedMs = scheduler.now();
    let list: readonly S[] = [];
    let seq: number | undefined;
    try {
      const { message, frame } = readMessage(data, maxMessageBytes, { maxRows });
      const reply = answer?.(message);
      if (reply !== undefined) this.#socket?.answer(reply);
      if (isControl(message)) {
        if (message.type === 'bye') this.#foreseen.byeMs = message.retryAfterMs;
        this.#report({ type: 'control', message });
      }
      seq = sequence?.of(message);
      list = listed(samples(message, frame), maxRows);
    } catch (error) {
      this.#badMessages += 1;
      const message = error instanceof Error ? error.message : String(error);
      this.#report({ type: 'bad-message', count: this.#badMessages, message, error });
      if (seq === undefined) return;
    }
    const item = { samples: list, arrivedMs };
    if (this.#order === undefined || seq === undefined) this.#emit(item);
    else this.#sequenced(this.#order, seq, item);
  }

  #sequenced(order: ReorderBuffer<Numbered<S>>, seq: number, item: Numbered<S>): void {
    const out = order.push(seq, item);
    this.#out(out);
    // the wait begins anew with every step forward: it is another number that is missing
    if (order.held === 0 || out.some(({ type }) => type === 'item')) {
      this.#patience?.unsubscribe();
      this.#patience = undefined;
    }
    if (order.held > 0 && this.#patience === undefined) {
      const { scheduler, sequence } = this.#settings;
      this.#patience = scheduler.schedule(
        () => {
          this.#patience = undefined;
          this.#out(order.expire());
        },
        (sequence as SequenceSettings).withinMs,
      );
    }
  }

  #out(sequenced: readonly Sequenced<Numbered<S>>[]): void {
    for (const one of sequenced) {
      if (one.type === 'item') {
        if (one.sorted) this.#count('sorted', one.seq, 1);
        this.#emit(one.item);
      } else if (one.type === 'gap') {
        const missed = one.to - one.from + 1;
        this.#count('gap', one.from, missed);
        this.#hole = { reason: 'sequence', missed: missed + (this.#hole?.missed ?? 0) };
      } else {
        this.#count(one.type, one.seq, 1);
        if (one.type === 'reset') this.#hole = { reason: 'reset', missed: undefined };
      }
    }
  }

  #count(what: SequenceEvent, seq: number, count: number): void {
    this.#counts[what] += count;
    this.#report({ type: 'sequence', what, seq, count, total: this.#counts[what] });
  }

  #emit({ samples, arrivedMs }: Numbered<S>): void {
    // a hole before anything has come, or before messages without samples, is told with the first that has some
    if (samples.length > 0 && this.#hole !== undefined) {
      const { reason, missed } = this.#hole;
      this.#hole = undefined;
      if (!Number.isNaN(this.#lastMs)) {
        this.#subscriber?.next({ type: 'hole', hole: { reason, fromMs: this.#lastMs, toMs: arrivedMs, missed } });
      }
    }
    if (samples.length > 0) this.#lastMs = arrivedMs;
    this.#subscriber?.next({ type: 'samples', samples });
  }
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
