import { WebSocket } from 'ws';
import type { SocketEnd, SocketListener, SocketPort, SocketRequest, Transport } from './socket-port.ts';

/** Sockets of the package `ws`, with its unsafe defaults (100 MiB messages, compression) overridden. */
export const wsTransport: Transport = { takesHeaders: true, openSocket };

function openSocket(request: SocketRequest, listener: SocketListener): SocketPort {
  const socket = new WebSocket(request.url, request.protocols, {
    headers: request.headers,
    ...(request.ca !== undefined && { ca: request.ca as string | Buffer }),
    maxPayload: request.maxMessageBytes,
    perMessageDeflate: false,
  });
  let failure: Partial<SocketEnd> = {};
  let cut: ReturnType<typeof setTimeout> | undefined;
  const written = () => listener.drained();

  socket.on('open', () => listener.opened(socket.protocol));
  socket.on('message', (data, isBinary) => {
    // `nodebuffer` is the binary type, so the data is one Buffer.
    listener.received(isBinary ? (data as Buffer) : (data as Buffer).toString());
  });
  // Without this listener an error ends the process; `close` always follows.
  socket.on('error', (cause) => {
    failure = { reason: cause.message, cause, ...failure };
  });
  socket.on('unexpected-response', (_request, response) => {
    failure = {
      reason: `the server answered HTTP ${response.statusCode}`,
      status: response.statusCode,
      retryAfter: response.headers['retry-after'],
    };
    socket.terminate();
  });
  socket.on('close', (code, reason) => {
    clearTimeout(cut);
    listener.closed({ code, ...failure, reason: reason.toString() || failure.reason || '' });
  });

  return {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    send: (data) => socket.send(data, written),
    close: (waitMs) => {
      if (socket.readyState === WebSocket.CLOSED) return;
      socket.close(1000);
      clearTimeout(cut);
      cut = setTimeout(() => socket.terminate(), waitMs);
    },
    terminate: () => socket.terminate(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}
