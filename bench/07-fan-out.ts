/** One producer, 1,000 subscribers: what does a delivery cost the server, beside a bare loop of `send(buffer)`? */
import type { RawData, WebSocket } from 'ws';
import { type MeasuredChild, startChild } from './child-port.ts';
import { frames } from './feed.ts';
import { effortOf, report } from './report.ts';
import { alternate } from './rounds.ts';
import { connectPair, connectSubscriber, rowsIn } from './throughput.ts';

const ROWS = 64;
const effort = effortOf(process.argv);
const SUBSCRIBERS = effort.smoke ? 20 : 1_000;
const MESSAGES = effort.smoke ? 5 : 50;
const messages = frames(MESSAGES, ROWS, 8);

/** A producer and its subscribers, of which one paces the producer. */
async function audience(port: number, query: string): Promise<{ producer: WebSocket; subscribers: WebSocket[] }> {
  const { producer, subscriber } = await connectPair(port, 'batch', query);
  const subscribers = [subscriber];
  while (subscribers.length < SUBSCRIBERS) {
    const some = Math.min(50, SUBSCRIBERS - subscribers.length);
    subscribers.push(
      ...(await Promise.all(Array.from({ length: some }, () => connectSubscriber(port, 'batch', query)))),
    );
  }
  return { producer, subscribers };
}

/** µs of processor time a delivery. The next message goes out when all have the last one, so nothing is left out. */
async function cpuPerDelivery(
  server: MeasuredChild,
  { producer, subscribers }: Awaited<ReturnType<typeof audience>>,
): Promise<number> {
  const before = await server.cpuMs();
  await new Promise<void>((resolve) => {
    let sent = 0;
    let rows = 0;
    const onMessage = (data: RawData, isBinary: boolean) => {
      rows += rowsIn(data, isBinary);
      if (rows !== sent * ROWS * SUBSCRIBERS) return;
      if (sent < MESSAGES) producer.send(messages[sent++]);
      else resolve();
    };
    for (const subscriber of subscribers) subscriber.removeAllListeners('message').on('message', onMessage);
    producer.send(messages[sent++]);
  });
  return (((await server.cpuMs()) - before) * 1_000) / (MESSAGES * SUBSCRIBERS);
}

const server = await startChild('./bench-server.ts');
const relay = await startChild('./relay.ts');
const ours = await audience(server.port, '?format=f32');
const reference = await audience(relay.port, '');
const measured = await alternate(
  effort.rounds,
  () => cpuPerDelivery(server, ours),
  () => cpuPerDelivery(relay, reference),
);
for (const { producer, subscribers } of [ours, reference])
  for (const socket of [producer, ...subscribers]) socket.terminate();
server.stop();
relay.stop();
report([
  {
    workload: '7',
    what: `one producer, ${SUBSCRIBERS.toLocaleString('en')} subscribers, frames of ${ROWS} rows: CPU a delivery`,
    unit: 'µs',
    referenceName: 'bare loop of send(buffer)',
    target: 1.1,
    wanted: 'at most',
    ...measured,
  },
]);
