import type { Observable, Subscriber, Subscription } from 'rxjs';
import { StreamnormError } from '../errors.ts';
import type { ConnectionEvent } from './connect.ts';
import { connections } from './connections.ts';
import { isControl } from './control-message.ts';
import type { LiveSocket } from './live-socket.ts';
import { Outbox } from './outbox.ts';
import { readMessage } from './read-message.ts';
import type { Foreseen } from './reconnect.ts';
import type { SocketSettings } from './socket-options.ts';
import type { Transport } from './socket-port.ts';
import type { SocketStatus } from './socket-status.ts';
import { statusReporter } from './status-reporter.ts';
import { rowsIn, type SampleFormat, writeSample } from './write-sample.ts';

/** Checked options of a sink. */
export interface SinkSettings extends SocketSettings {
  readonly format: SampleFormat;
  readonly maxQueue: number;
  readonly highWaterBytes: number;
  readonly flushTimeoutMs: number;
}

/**
 * One subscription of a sink: joins what the source brings with what the socket can take.
 *
 * Idea: samples go through the outbox, always, and `#write` empties it whenever a sample arrives, the socket opens or
 * it drains; so there is one order and one place where a sample is emitted. Not made of built-ins: the outbox answers
 * to two streams, and RxJS buffers have no bound.
 */
export class Delivery<S> {
  readonly #settings: SinkSettings;
  readonly #transport: Transport;
  readonly #source: Observable<S>;
  readonly #subscriber: Subscriber<S>;
  readonly #report: (event: SocketStatus) => void;
  readonly #foreseen: Foreseen;
  readonly #outbox: Outbox<S>;
  #socket: LiveSocket | undefined;
  #flush: Subscription | undefined;
  #completed: boolean;
  #writing: boolean;
  #rowsWritten: number;
  #dropped: number;
  #badSamples: number;
  #badMessages: number;

  constructor(settings: SinkSettings, transport: Transport, source: Observable<S>, subscriber: Subscriber<S>) {
    this.#settings = settings;
    this.#transport = transport;
    this.#source = source;
    this.#subscriber = subscriber;
    this.#report = statusReporter(settings.status);
    this.#foreseen = { byeMs: undefined, finishing: false };
    this.#outbox = new Outbox(settings.maxQueue);
    this.#socket = undefined;
    this.#flush = undefined;
    this.#completed = false;
    this.#writing = false;
    this.#rowsWritten = 0;
    this.#dropped = 0;
    this.#badSamples = 0;
    this.#badMessages = 0;
  }

  start(): void {
    const subscriber = this.#subscriber;
    subscriber.add(() => this.#flush?.unsubscribe());
    subscriber.add(
      connections(this.#transport, this.#settings, this.#report, this.#foreseen).subscribe({
        next: (event) => this.#connectionSays(event),
        error: (error) => this.#fail(error),
        complete: () => subscriber.complete(),
      }),
    );
    subscriber.add(
      this.#source.subscribe({
        next: (sample) => {
          if (this.#outbox.push(sample, this.#settings.scheduler.now())) this.#countDropped(1);
          this.#write();
        },
        error: (error) => this.#fail(error),
        complete: () => {
          this.#completed = true;
          this.#awaitProgress();
          this.#write();
        },
      }),
    );
  }

  #connectionSays(event: ConnectionEvent): void {
    if (event.type === 'message') {
      this.#read(event.data);
      return;
    }
    if (event.type === 'open') this.#socket = event.socket;
    if (this.#completed) this.#awaitProgress();
    this.#write();
  }

  #write(): void {
    // A subscriber that makes the source emit gets its turn after the samples before it.
    if (this.#writing) return;
    this.#writing = true;
    const { format, highWaterBytes } = this.#settings;
    while (this.#socket?.isOpen && this.#socket.bufferedAmount <= highWaterBytes && !this.#subscriber.closed) {
      if (!this.#socket.hasTurn) break;
      const waiting = this.#outbox.shift();
      if (waiting === undefined) break;
      try {
        this.#socket.send(writeSample(format, waiting.sample, this.#rowsWritten, waiting.time));
      } catch (error) {
        this.#badSamples += 1;
        this.#report({ type: 'bad-sample', count: this.#badSamples, message: String(error), error });
        continue;
      }
      this.#rowsWritten += rowsIn(waiting.sample);
      this.#subscriber.next(waiting.sample);
    }
    this.#writing = false;
    if (this.#completed && this.#outbox.size === 0) this.#finish();
  }

  /** Nothing waits any more: closes once the socket has sent everything, or completes when there is no socket. */
  #finish(): void {
    if (!this.#socket?.isOpen) {
      if (!this.#foreseen.finishing) this.#subscriber.complete();
      return;
    }
    // From here on any end that is no refusal completes: there is nothing to connect again for.
    this.#foreseen.finishing = true;
    if (this.#socket.bufferedAmount === 0) this.#socket.close(this.#settings.flushTimeoutMs);
  }

  #awaitProgress(): void {
    const { scheduler, flushTimeoutMs, where } = this.#settings;
    this.#flush?.unsubscribe();
    this.#flush = scheduler.schedule(() => {
      const samples = this.#outbox.size;
      const bytes = this.#socket?.isOpen ? this.#socket.bufferedAmount : 0;
      // Everything was sent and only the answer to the closing handshake is missing: that is the server's affair.
      if (samples === 0 && bytes === 0) {
        this.#subscriber.complete();
        return;
      }
      this.#socket?.terminate();
      const message = `${where} could not deliver ${samples} samples and ${bytes} bytes already written: no progress for flushTimeoutMs ${flushTimeoutMs}`;
      this.#fail(new StreamnormError('UNAVAILABLE', message));
    }, flushTimeoutMs);
  }

  #read(data: string | Uint8Array): void {
    try {
      const { message } = readMessage(data, this.#settings.maxMessageBytes, {});
      const answer = this.#settings.answer?.(message);
      if (answer !== undefined) this.#socket?.answer(answer);
      if (!isControl(message)) return;
      if (message.type === 'bye') this.#foreseen.byeMs = message.retryAfterMs;
      if (message.type === 'error') this.#report(rejection(message));
      else this.#report({ type: 'control', message });
    } catch (error) {
      this.#badMessages += 1;
      this.#report({ type: 'bad-message', count: this.#badMessages, message: (error as Error).message, error });
    }
  }

  #countDropped(count: number): void {
    this.#dropped += count;
    this.#report({ type: 'dropped', count, total: this.#dropped });
  }

  #fail(error: unknown): void {
    const left = this.#outbox.clear();
    if (left > 0) this.#countDropped(left);
    this.#subscriber.error(error);
  }
}

function rejection({ code, message, row }: Readonly<Record<string, unknown>>): SocketStatus {
  return {
    type: 'rejected',
    code: typeof code === 'string' ? code : '',
    message: typeof message === 'string' ? message : '',
    row: typeof row === 'number' ? row : undefined,
  };
}
