import type { WebSocket } from 'ws';
import { inSlices } from './in-slices.ts';

/** Finds peers that are gone without a word: each is pinged, and torn down when no pong comes in time. */
export class Liveness {
  readonly #sockets: Map<WebSocket, { answered: boolean }>;
  readonly #pingTimer: NodeJS.Timeout;
  readonly #pongMs: number;
  #pongTimer: NodeJS.Timeout | undefined;
  /** Pings are out that are not judged yet. */
  #asking: boolean;
  #closed: boolean;

  constructor(pingMs: number, pongMs: number) {
    this.#sockets = new Map();
    this.#pongMs = Math.min(pongMs, pingMs - 1);
    this.#pongTimer = undefined;
    this.#asking = false;
    this.#closed = false;
    this.#pingTimer = setInterval(() => this.#ping(), pingMs);
  }

  add(socket: WebSocket): void {
    const peer = { answered: true };
    this.#sockets.set(socket, peer);
    socket.on('pong', () => {
      peer.answered = true;
    });
    socket.once('close', () => this.#sockets.delete(socket));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#pingTimer);
    clearTimeout(this.#pongTimer);
  }

  #ping(): void {
    if (this.#asking) return;
    this.#asking = true;
    inSlices(
      this.#sockets,
      ([socket, peer]) => {
        peer.answered = false;
        if (socket.readyState === socket.OPEN) socket.ping();
      },
      () => {
        if (this.#closed) return;
        // after a stall of this process the pongs lie unread: they are read before what is set immediate
        this.#pongTimer = setTimeout(() => setImmediate(() => this.#judge()), this.#pongMs);
      },
    );
  }

  #judge(): void {
    this.#asking = false;
    for (const [socket, peer] of this.#sockets) {
      // one that is not listened to cannot be heard: its rows wait for the log, which gives up in time. One that does not
      // read its answers has bytes waiting.
      const isHeard = !socket.isPaused || socket.bufferedAmount > 0;
      // close() would wait for an answer that does not come
      if (!peer.answered && isHeard) socket.terminate();
    }
  }
}
