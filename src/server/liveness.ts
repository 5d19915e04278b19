import type { WebSocket } from 'ws';

/** Finds peers that are gone without a word: each is pinged, and torn down when no pong comes in time. */
export class Liveness {
  readonly #sockets: Map<WebSocket, { answered: boolean }>;
  readonly #pingTimer: NodeJS.Timeout;
  readonly #pongMs: number;
  #pongTimer: NodeJS.Timeout | undefined;

  constructor(pingMs: number, pongMs: number) {
    this.#sockets = new Map();
    this.#pongMs = Math.min(pongMs, pingMs - 1);
    this.#pongTimer = undefined;
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
    clearInterval(this.#pingTimer);
    clearTimeout(this.#pongTimer);
  }

  #ping(): void {
    for (const [socket, peer] of this.#sockets) {
      peer.answered = false;
      if (socket.readyState === socket.OPEN) socket.ping();
    }
    // after a stall of this process the pongs lie unread: they are read before what is set immediate
    this.#pongTimer = setTimeout(() => setImmediate(() => this.#judge()), this.#pongMs);
  }
  #judge(): void {
    for (const [socket, peer] of this.#sockets) {
      // close() would wait for an answer that does not come
      if (!peer.answered) socket.terminate();
    }
  }
}
