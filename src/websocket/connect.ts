import { Observable } from 'rxjs';
import { ConnectionClosed } from './connection-closed.ts';
import { LiveSocket, written } from './live-socket.ts';
import type { OpeningMessage, SocketSettings } from './socket-options.ts';
import type { SocketPort, SocketRequest, Transport } from './socket-port.ts';

/** What one connection brings. */
export type ConnectionEvent =
  /** Up, and the opening messages are written. */
  | { readonly type: 'open'; readonly socket: LiveSocket; readonly protocol: string }
  | { readonly type: 'message'; readonly data: string | Uint8Array }
  /** The socket has room again. */
  | { readonly type: 'drained' };

/** How long the peer may take to answer a closing handshake nobody waits for. */
const GOODBYE_MS = 1_000;

const DRAINED: ConnectionEvent = { type: 'drained' };

/**
 * One connection: `open` once the opening messages are written, or wait for their turn; then every message. It never
 * completes, it errors with `ConnectionClosed`. Unsubscribing closes the socket, at whatever stage it is. Silence for
 * `deadlineMs`, or after a heartbeat for its `answerMs`, cuts it.
 *
 * Not made of built-ins, because the deadline has to cut the socket before the error, and unsubscribing to close it.
 */
export function connect(
  transport: Transport,
  settings: SocketSettings,
  request: SocketRequest,
): Observable<ConnectionEvent> {
  const { open } = settings;
  return new Observable((subscriber) => {
    let port: SocketPort | undefined;
    let socket: LiveSocket | undefined;
    let isCut = false;

    const cut = (reason: string, cause?: unknown) => {
      if (isCut) return;
      // The socket reports the same end in its own words, which say less.
      isCut = true;
      port?.terminate();
      subscriber.error(new ConnectionClosed({ reason, cause }));
    };
    const greet = (protocol: string, messages: unknown) => {
      if (subscriber.closed || socket === undefined) return;
      for (const message of listed(messages)) socket.send(written(message));
      subscriber.next({ type: 'open', socket, protocol });
    };
    const opened = async (protocol: string) => {
      if (subscriber.closed || port === undefined) return;
      socket = new LiveSocket(port, settings, { drained: () => subscriber.next(DRAINED), dead: cut });
      try {
        const messages = typeof open === 'function' ? open() : open;
        // Waiting also for what is no promise would let messages overtake the `open` event.
        greet(protocol, isPromise(messages) ? await messages : messages);
      } catch (cause) {
        cut('the opening messages could not be made', cause);
      }
    };

    try {
      port = transport.openSocket(request, {
        opened,
        received: (data) => {
          socket?.heard();
          subscriber.next({ type: 'message', data });
        },
        drained: () => subscriber.next(DRAINED),
        closed: (end) => {
          if (!isCut) subscriber.error(new ConnectionClosed(end));
        },
      });
    } catch (cause) {
      cut('no socket could be made', cause);
    }
    return () => {
      socket?.stop();
      port?.close(GOODBYE_MS);
    };
  });
}

function listed(messages: unknown): readonly OpeningMessage[] {
  if (messages === undefined || messages === null) return [];
  return Array.isArray(messages) ? messages : [messages];
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function';
}
