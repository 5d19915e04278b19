/** The reference of the server workloads: what passes on messages and does nothing else. */
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { serveMeasurements } from './child-port.ts';

const parses = process.argv.includes('--json');
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
const subscribers = new Set<WebSocket>();
server.on('connection', (socket, request) => {
  socket.on('error', () => {});
  if (request.url?.startsWith('/out')) {
    subscribers.add(socket);
    socket.on('close', () => subscribers.delete(socket));
    socket.send('ready');
    return;
  }
  socket.on('message', (data, binary) => {
    const message = parses ? JSON.stringify(JSON.parse(String(data))) : data;
    for (const subscriber of subscribers) {
      if (subscriber.readyState === WebSocket.OPEN) subscriber.send(message, { binary });
    }
  });
});
server.on('listening', () => serveMeasurements((server.address() as AddressInfo).port));
