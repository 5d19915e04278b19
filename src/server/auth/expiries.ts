import type { WebSocket } from 'ws';

/** Also a clock that is set, and a process that was stopped, are noticed after this time. */
const LOOK_EVERY_MS = 500;

/** Ends connections whose token has expired while they were open. */
export class Expiries {
  readonly #end: (socket: WebSocket) => void;
  readonly #open: Map<WebSocket, number>;
  #timer: NodeJS.Timeout | undefined;

  constructor(end: (socket: WebSocket) => void) {
    this.#end = end;
    this.#open = new Map();
    this.#timer = undefined;
  }

  /** @param atMs ms since 1970; Infinity for never */
  add(socket: WebSocket, atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#open.set(socket, atMs);
    socket.once('close', () => this.#forget(socket));
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = Date.now();
    for (const [socket, atMs] of this.#open) {
      if (nowMs < atMs) continue;
      this.#forget(socket);
      this.#end(socket);
    }
  }

  #forget(socket: WebSocket): void {
    this.#open.delete(socket);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
