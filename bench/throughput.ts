import { once } from 'node:events';
import { WebSocket } from 'ws';

/** How many messages may be on their way: enough to keep the server busy, few enough never to be conflated. */
const IN_FLIGHT = 64;

/** A producer and a subscriber of one server, connected. */
export interface Pair {
  producer: WebSocket;
  subscriber: WebSocket;
}

export async function connectPair(port: number, channel: string, query = ''): Promise<Pair> {
  const options = { perMessageDeflate: false };
  const subscriber = new WebSocket(`ws://127.0.0.1:${port}/out/${channel}${query}`, options);
  await once(subscriber, 'message');
  const producer = new WebSocket(`ws://127.0.0.1:${port}/in/${channel}`, options);
  await once(producer, 'open');
  return { producer, subscriber };
}

/** Messages per second from the producer through the server to the subscriber, until the last has arrived. */
export async function messagesPerSecond(
  { producer, subscriber }: Pair,
  messages: readonly (string | Uint8Array)[],
  count: number,
): Promise<number> {
  const start = performance.now();
  await new Promise<void>((resolve) => {
    let sent = 0;
    let received = 0;
    const fill = () => {
      while (sent < count && sent - received < IN_FLIGHT) producer.send(messages[sent++ % messages.length]);
    };
    const onMessage = () => {
      received++;
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
  return (count / (performance.now() - start)) * 1_000;
}
