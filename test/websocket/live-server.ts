import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { Arrivals } from './arrivals.ts';

/** The server's side of one connection. */
export interface Peer {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  /** Text parsed as JSON, bytes as they came. */
  readonly messages: Arrivals<unknown>;
  /** Close code, once it is closed. */
  readonly closed: Promise<number>;
  send(message: unknown): void;
  /** Cuts the connection with a TCP reset. */
  reset(): void;
}

export interface LiveServer {
  readonly url: string;
  readonly peers: Arrivals<Peer>;
  readonly server: Server;
  /** Connections open now. */
  readonly open: () => number;
}

/** A real WebSocket server on a free port of 127.0.0.1, gone when the test is. */
export async function liveServer(
  options: { refuse?: (request: IncomingMessage) => string | undefined; onPeer?: (peer: Peer) => void } = {},
): Promise<LiveServer> {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  const peers = new Arrivals<Peer>();
  server.on('upgrade', (request, stream: Duplex, head) => {
    const refusal = options.refuse?.(request);
    if (refusal !== undefined) {
      stream.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => {
      const messages = new Arrivals<unknown>();
      socket.on('error', () => {});
      socket.on('message', (data: Buffer, isBinary) => messages.add(isBinary ? data : JSON.parse(data.toString())));
      const peer: Peer = {
        socket,
        request,
        messages,
        closed: once(socket, 'close').then(([code]) => code),
        send: (message) => socket.send(message instanceof Uint8Array ? message : JSON.stringify(message)),
        reset: () => (request.socket as Socket).resetAndDestroy(),
      };
      peers.add(peer);
      options.onPeer?.(peer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `ws://127.0.0.1:${port}/`, peers, server, open: () => sockets.clients.size };
}

/** A server that accepts TCP connections and never says a word. */
export async function muteServer(): Promise<{ url: string; connections: Arrivals<Socket>; server: TcpServer }> {
  const connections = new Arrivals<Socket>();
  const all = new Set<Socket>();
  const server = createTcpServer((socket) => {
    all.add(socket);
    socket.on('error', () => {});
    socket.resume();
    connections.add(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of all) socket.destroy();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, connections, server };
}
