import type { Subscription } from 'rxjs';
import { type FromWebSocket, fromWebSocket, type SocketStatus } from '../src/websocket/browser.ts';
import { asMessage, type Message } from './messages.ts';

/** Longest silence, heartbeats included, before a connection counts as dead. */
const SILENCE_MS = 30_000;

export type ConnectionState =
  /** `again` after the first connection was lost or did not come up. */
  | { kind: 'connecting'; again: boolean }
  | { kind: 'open'; since: number }
  | { kind: 'waiting'; until: number; reason: string }
  /** For good: trying again would get the same answer. */
  | { kind: 'closed'; reason: string; code: number | undefined };

export interface ConnectionOptions {
  /** Evaluated for every attempt, so that it can say since when. */
  url: () => string;
  /** Subprotocols, likewise. */
  protocols?: () => string[];
  onMessage: (message: Message) => void;
  onState: (state: ConnectionState) => void;
  /** Another way to make sockets, for tests. */
  via?: FromWebSocket;
}

/**
 * One subscription to a channel, over the library's own source: that one reconnects with back-off and jitter, waits as
 * the server asks, and leaves `since` out when the server no longer knows it. Here its status becomes four states.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  #subscription: Subscription | undefined;
  #reason = '';

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.retryNow();
  }

  /** Begins again at once, without waiting any longer. */
  retryNow(): void {
    const { url, protocols = () => [], onMessage, via = fromWebSocket } = this.#options;
    this.#subscription?.unsubscribe();
    this.#subscription = via<Message>(url, {
      protocols,
      samples: (message) => listed(asMessage(message)),
      status: (event) => this.#follow(event),
      deadlineMs: SILENCE_MS,
    }).subscribe({
      next: onMessage,
      error: () => {}, // `failed` has told
    });
  }

  close(): void {
    this.#subscription?.unsubscribe();
  }

  #follow(event: SocketStatus): void {
    const { onState } = this.#options;
    switch (event.type) {
      case 'connecting':
        onState({ kind: 'connecting', again: event.attempt > 1 || this.#reason !== '' });
        break;
      case 'open':
        onState({ kind: 'open', since: Date.now() });
        break;
      case 'closed':
        this.#reason = reasonOf(event.code, event.reason);
        break;
      case 'waiting':
        onState({ kind: 'waiting', until: Date.now() + event.delayMs, reason: this.#reason });
        break;
      case 'failed':
        onState({ kind: 'closed', reason: this.#reason, code: event.code });
        break;
    }
  }
}

/** The server says which of several things it was. */
const BETTER_SAID_BY_SERVER = new Set([1008, 4400, 4401, 4403]);

const REASONS: Record<number, string> = {
  1000: 'closed by the server',
  1001: 'the server is going away',
  1006: 'connection lost',
  1008: 'refused by policy',
  1011: 'the server failed',
  1012: 'the server restarts',
  1013: 'the server is overloaded',
  4400: 'the server did not understand this page',
  4401: 'the token is missing, wrong or expired',
  4403: 'the token may not read this channel',
  4404: 'no such channel',
  4410: 'history is gone',
  4429: 'too many requests',
};

/** Why a connection ended, in words: ours where the code is known, else the server's. */
export function reasonOf(code: number | undefined, reason: string): string {
  if (reason !== '' && BETTER_SAID_BY_SERVER.has(code as number)) return reason;
  return REASONS[code ?? 1006] ?? (reason || `closed with code ${code}`);
}

const listed = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);
