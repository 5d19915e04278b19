import type { WebSocket } from 'ws';
import type { Access } from './access.ts';

/** Also a clock that is set, and a process that was stopped, are noticed after this time. */
const LOOK_EVERY_MS = 500;

/** The connections that are open, by what they may do; ends those whose token no longer holds. */
export class Admitted {
  readonly #end: (socket: WebSocket, reason: string) => void;
  readonly #open: Map<WebSocket, Access>;
  /** Those of them that expire: these are looked at again and again. */
  readonly #expiring: Map<WebSocket, number>;
  #timer: NodeJS.Timeout | undefined;

  constructor(end: (socket: WebSocket, reason: string) => void) {
    this.#end = end;
    this.#open = new Map();
    this.#expiring = new Map();
    this.#timer = undefined;
  }

  add(socket: WebSocket, access: Access): void {
    this.#open.set(socket, access);
    socket.once('close', () => this.#forget(socket));
    if (access.expiresMs === Number.POSITIVE_INFINITY) return;
    this.#expiring.set(socket, access.expiresMs);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Ends those whose token is no longer taken. */
  keepOnly(holds: (access: Access) => boolean): void {
    for (const [socket, access] of this.#open) {
      if (!holds(access)) this.#over(socket, 'the token was taken back');
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = Date.now();
    for (const [socket, atMs] of this.#expiring) {
      if (nowMs >= atMs) this.#over(socket, 'the token has expired');
    }
  }

  #over(socket: WebSocket, reason: string): void {
    this.#forget(socket);
    this.#end(socket, reason);
  }

  #forget(socket: WebSocket): void {
    this.#open.delete(socket);
    this.#expiring.delete(socket);
    if (this.#expiring.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
