import type { ConnectionState } from './connection.ts';
import { formatAge } from './format.ts';

/** An open connection without rows for this long, or five usual intervals, is called stale. */
export const STALE_MS = 10_000;

export interface Health {
  kind: 'connecting' | 'live' | 'stale' | 'waiting' | 'closed';
  text: string;
}

/** The state of the connection in words, at the time `now`; `lastRowAt` is undefined before the first row. */
export function healthOf(
  state: ConnectionState,
  now: number,
  lastRowAt: number | undefined,
  staleMs = STALE_MS,
): Health {
  switch (state.kind) {
    case 'connecting':
      return { kind: 'connecting', text: state.again ? 'reconnecting' : 'connecting' };
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((state.until - now) / 1000));
      return { kind: 'waiting', text: `${state.reason}, reconnecting in ${seconds} s` };
    }
    case 'closed':
      return { kind: 'closed', text: `closed: ${state.reason}` };
    case 'open': {
      const silence = now - Math.max(state.since, lastRowAt ?? 0);
      if (silence > staleMs) return { kind: 'stale', text: `stale, no rows for ${formatAge(silence)}` };
      return { kind: 'live', text: lastRowAt === undefined ? 'connected, no rows yet' : 'live' };
    }
  }
}

const ANNOUNCED: Record<Health['kind'], string> = {
  connecting: '',
  live: 'Connection live',
  stale: 'Connected, but no rows arrive',
  waiting: 'Connection lost, reconnecting',
  closed: 'Connection closed',
};

/** Writes the state where it is seen, and says only its changes aloud: a countdown would not stop talking. */
export class ConnectionLine {
  readonly #line: HTMLElement;
  readonly #text: HTMLElement;
  readonly #announcer: HTMLElement;

  constructor(elements: { line: HTMLElement; text: HTMLElement; announcer: HTMLElement }) {
    this.#line = elements.line;
    this.#text = elements.text;
    this.#announcer = elements.announcer;
  }

  show({ kind, text }: Health): void {
    if (this.#text.textContent !== text) this.#text.textContent = text;
    if (this.#line.dataset.state === kind) return;
    this.#line.dataset.state = kind;
    if (ANNOUNCED[kind] !== '') this.#announcer.textContent = ANNOUNCED[kind];
  }
}
