import { once } from 'node:events';
import { type RawData, WebSocket } from 'ws';

/** How many messages may be on their way: enough to keep the server busy, few enough never to be conflated. */
const IN_FLIGHT = 64;

/** A producer and a subscriber of one server, connected. */
export interface Pair {
  producer: WebSocket;
  subscriber: WebSocket;
}

export async function connectPair(port: number, channel: string, query = ''): Promise<Pair> {
  const subscriber = await connectSubscriber(port, channel, query);
  const producer = new WebSocket(`ws://127.0.0.1:${port}/in/${channel}`, { perMessageDeflate: false });
  await once(producer, 'open');
  return { producer, subscriber };
}

/** Resolves with the first message, the snapshot: from then on no row is missed. */
export async function connectSubscriber(port: number, channel: string, query = ''): Promise<WebSocket> {
  const subscriber = new WebSocket(`ws://127.0.0.1:${port}/out/${channel}${query}`, { perMessageDeflate: false });
  await once(subscriber, 'message');
  return subscriber;
}

export function closePair({ producer, subscriber }: Pair): void {
  producer.close();
  subscriber.close();
}

/** Rows in a message, of whichever side and form: it may hold those of several pushes. */
export function rowsIn(data: RawData, isBinary: boolean): number {
  if (isBinary) return (data as Buffer).readUInt32LE(12);
  const message = JSON.parse(String(data));
  if (!Array.isArray(message)) return message.z?.length ?? 0;
  return Array.isArray(message[0]) ? message.length : 1;
}

/** Rows per second from the producer through the server to the subscriber, until the last has arrived. */
export async function rowsPerSecond(
  { producer, subscriber }: Pair,
  messages: readonly (string | Uint8Array)[],
  rowsPerMessage: number,
  count: number,
): Promise<number> {
  const start = performance.now();
  await new Promise<void>((resolve) => {
    let sent = 0;
    let received = 0;
    const fill = () => {
      while (sent < count && sent - received < IN_FLIGHT) producer.send(messages[sent++ % messages.length]);
    };
    const onMessage = (data: RawData, isBinary: boolean) => {
      received += rowsIn(data, isBinary) / rowsPerMessage;
      if (received === count) {
        subscriber.off('message', onMessage);
        resolve();
      } else if (sent - received < IN_FLIGHT / 2) {
        fill();
      }
    };
    subscriber.on('message', onMessage);
    fill();
  });
  return ((count * rowsPerMessage) / (performance.now() - start)) * 1_000;
}
