import type { SchedulerLike, Subscription } from 'rxjs';
import { elapsedClock } from './elapsed-clock.ts';
import { Liveness } from './liveness.ts';
import { SendPacer } from './send-pacer.ts';
import type { OpeningMessage, SocketSettings } from './socket-options.ts';
import type { SocketPort } from './socket-port.ts';

/** What a live socket tells. */
interface LiveListener {
  /** It may have room again: something was sent that had waited for its turn. */
  drained(): void;
  /** The peer counts as dead, or a heartbeat could not be made. */
  dead(reason: string, cause?: unknown): void;
}

/**
 * A socket that is kept alive and within a rate: heartbeats, deadlines, and messages that wait for their turn to be sent.
 *
 * Only what is sent on opening waits in a queue, whose length the caller chooses; of heartbeats and answers the newest
 * waits, since an older one has become pointless. All timers end with `stop`.
 */
export class LiveSocket implements SocketPort {
  readonly #port: SocketPort;
  readonly #scheduler: SchedulerLike;
  readonly #now: () => number;
  readonly #heartbeat: SocketSettings['heartbeat'];
  readonly #listener: LiveListener;
  readonly #pacer: SendPacer | undefined;
  readonly #life: Liveness;
  readonly #waiting: (string | Uint8Array)[];
  #waitingBytes: number;
  readonly #newest: Map<'heartbeat' | 'answer', string | Uint8Array>;
  #turn: Subscription | undefined;
  #check: Subscription | undefined;
  #stopped: boolean;

  constructor(port: SocketPort, settings: SocketSettings, listener: LiveListener) {
    const { scheduler, heartbeat, deadlineMs, maxSendPerSecond } = settings;
    this.#port = port;
    this.#scheduler = scheduler;
    this.#now = elapsedClock(scheduler);
    this.#heartbeat = heartbeat;
    this.#listener = listener;
    this.#pacer = maxSendPerSecond === undefined ? undefined : new SendPacer(maxSendPerSecond);
    const spans = { deadlineMs, everyMs: heartbeat?.everyMs, answerMs: heartbeat?.answerMs };
    this.#life = new Liveness(spans, this.#now());
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#newest = new Map();
    this.#turn = undefined;
    this.#check = undefined;
    this.#stopped = false;
    this.#look();
  }

  get isOpen(): boolean {
    return this.#port.isOpen;
  }

  get bufferedAmount(): number {
    return this.#port.bufferedAmount + this.#waitingBytes;
  }

  /** False while the rate is used up; `drained` is called when it is not. */
  get hasTurn(): boolean {
    if (this.#waiting.length > 0 || this.#newest.size > 0) return false;
    if (this.#pacer === undefined || this.#pacer.waitMs(this.#now()) === 0) return true;
    this.#awaitTurn();
    return false;
  }

  send(data: string | Uint8Array): void {
    if (this.hasTurn) {
      this.#write(data);
      return;
    }
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    this.#awaitTurn();
  }

  /** Sends an answer to a message of the peer; takes the place of one that still waits. */
  answer(message: OpeningMessage): void {
    this.#sendNewest('answer', written(message));
  }

  /** A message has come. */
  heard(): void {
    this.#life.heard(this.#now());
  }

  pause(): void {
    this.#life.hold();
    this.#port.pause();
  }

  resume(): void {
    this.#life.release(this.#now());
    this.#port.resume();
  }

  close(waitMs: number): void {
    this.#port.close(waitMs);
  }

  terminate(): void {
    this.#port.terminate();
  }

  stop(): void {
    this.#stopped = true;
    this.#turn?.unsubscribe();
    this.#check?.unsubscribe();
  }

  #look(): void {
    const { sends, dead, againMs } = this.#life.due(this.#now());
    if (dead !== undefined) {
      // The second look, one turn later, hears what arrived while the program itself was too busy to listen.
      this.#check = this.#scheduler.schedule(() => {
        const verdict = this.#life.due(this.#now()).dead;
        if (verdict === undefined) this.#look();
        else this.#listener.dead(verdict);
      }, 0);
      return;
    }
    if (sends && !this.#beat()) return;
    if (againMs !== undefined && !this.#stopped) {
      this.#check = this.#scheduler.schedule(() => this.#look(), Math.ceil(againMs));
    }
  }

  #beat(): boolean {
    try {
      const { message } = this.#heartbeat as NonNullable<SocketSettings['heartbeat']>;
      this.#sendNewest('heartbeat', written(typeof message === 'function' ? message() : message));
      return true;
    } catch (cause) {
      this.#listener.dead('the heartbeat could not be made', cause);
      return false;
    }
  }

  #sendNewest(kind: 'heartbeat' | 'answer', data: string | Uint8Array): void {
    if (!this.#port.isOpen) return;
    if (this.hasTurn) {
      this.#write(data);
      return;
    }
    this.#newest.set(kind, data);
    this.#awaitTurn();
  }

  #write(data: string | Uint8Array): void {
    this.#pacer?.sent(this.#now());
    this.#port.send(data);
  }

  #awaitTurn(): void {
    if (this.#stopped || this.#pacer === undefined) return;
    const waitMs = this.#pacer.waitMs(this.#now());
    this.#turn ??= this.#scheduler.schedule(() => this.#takeTurns(), Math.ceil(waitMs));
  }

  #takeTurns(): void {
    this.#turn = undefined;
    while (this.#port.isOpen && this.#pacer?.waitMs(this.#now()) === 0) {
      const data = this.#nextWaiting();
      if (data === undefined) {
        this.#listener.drained();
        return;
      }
      this.#write(data);
    }
    if (this.#port.isOpen) this.#awaitTurn();
  }

  #nextWaiting(): string | Uint8Array | undefined {
    for (const [kind, data] of this.#newest) {
      this.#newest.delete(kind);
      return data;
    }
    const data = this.#waiting.shift();
    this.#waitingBytes -= data?.length ?? 0;
    return data;
  }
}

/** A message as it goes over the wire. */
export function written(message: OpeningMessage): string | Uint8Array {
  return typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message);
}
