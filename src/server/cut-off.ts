import type { WebSocket } from 'ws';

/** For the other side to hear why. */
const LAST_WORD_MS = 1_000;

/** Closes a socket and reads nothing more from it: what a flood has on its way would cost as much as before. */
export function cutOff(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  socket.pause();
  setTimeout(() => socket.terminate(), LAST_WORD_MS).unref();
}
