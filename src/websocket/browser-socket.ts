import type { SocketListener, SocketPort, SocketRequest, Transport } from './socket-port.ts';

/** Sockets of the platform: browsers, workers, Deno, Node from 22. Headers and HTTP statuses are out of reach there. */
export const browserTransport: Transport = { takesHeaders: false, openSocket };

/** Platform sockets do not say when they have drained, so it is looked up this often, and only while they are full. */
const DRAIN_CHECK_MS = 20;

function openSocket(request: SocketRequest, listener: SocketListener): SocketPort {
  const socket = new WebSocket(request.url, request.protocols);
  socket.binaryType = 'arraybuffer';
  let ended = false;
  let draining: ReturnType<typeof setInterval> | undefined;
  const end = (code: number, reason: string) => {
    if (ended) return;
    ended = true;
    clearInterval(draining);
    listener.closed({ code, reason });
  };
  const checkDrained = () => {
    if (socket.bufferedAmount === 0) {
      clearInterval(draining);
      draining = undefined;
    }
    listener.drained();
  };

  socket.onopen = () => listener.opened(socket.protocol);
  socket.onmessage = (event) => {
    listener.received(typeof event.data === 'string' ? event.data : new Uint8Array(event.data));
  };
  // An error event says nothing, and `close` follows; `ws` used as a platform socket wants the listener all the same.
  socket.onerror = () => {};
  socket.onclose = (event) => end(event.code, event.reason);

  return {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    send: (data) => {
      socket.send(data as string | Uint8Array<ArrayBuffer>);
      if (socket.bufferedAmount > 0) draining ??= setInterval(checkDrained, DRAIN_CHECK_MS);
    },
    close: () => socket.close(1000),
    // A page cannot cut a connection; it stops listening and leaves the closing handshake to the browser.
    terminate: () => {
      socket.close(1000);
      end(1006, 'cut by this side');
    },
    // A page cannot stop reading.
    pause: () => {},
    resume: () => {},
  };
}
