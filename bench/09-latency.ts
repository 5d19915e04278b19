/** 20,000 rows a second, normalised at once: how much later do they arrive than through a bare relay? */
import type { RawData } from 'ws';
import { startChild } from './child-port.ts';
import { batches } from './feed.ts';
import { effortOf, type Row, report } from './report.ts';
import { alternate } from './rounds.ts';
import { closePair, connectPair, type Pair, rowsIn } from './throughput.ts';

/** A message each ms. */
const ROWS = 20;
const effort = effortOf(process.argv);
const MESSAGES = effort.smoke ? 100 : 3_000;
const messages = batches(64, ROWS, 8);

/** Latencies in ms of all messages, sorted: from sending one to the arrival of its last row. */
async function latencies({ producer, subscriber }: Pair): Promise<number[]> {
  const all: number[] = [];
  const sentAt: number[] = [];
  await new Promise<void>((resolve) => {
    let rows = 0;
    const onMessage = (data: RawData, isBinary: boolean) => {
      const now = performance.now();
      rows += rowsIn(data, isBinary);
      while (all.length < Math.floor(rows / ROWS)) all.push(now - sentAt[all.length]);
      if (all.length < MESSAGES) return;
      subscriber.off('message', onMessage);
      resolve();
    };
    subscriber.on('message', onMessage);
    const start = performance.now();
    // by the clock, whatever has come back: a slow server must not slow its feed
    const tick = () => {
      while (sentAt.length < MESSAGES && performance.now() - start >= sentAt.length) {
        sentAt.push(performance.now());
        producer.send(messages[sentAt.length % messages.length]);
      }
      if (sentAt.length < MESSAGES) setImmediate(tick);
    };
    tick();
  });
  return all.sort((a, b) => a - b);
}

const server = await startChild('./bench-server.ts');
const relay = await startChild('./relay.ts', '--json');
const ours = await connectPair(server.port, 'live');
const reference = await connectPair(relay.port, 'live');
// both quantiles of the same rounds
const seen: number[][] = [];
const median = await alternate(
  effort.rounds,
  () => seenMedian(ours),
  () => seenMedian(reference),
);
let turn = 0;
const tail = await alternate(
  effort.rounds,
  () => at(0.99, seen[turn++]),
  () => at(0.99, seen[turn++]),
);
closePair(ours);
closePair(reference);
server.stop();
relay.stop();
report(
  [
    { quantile: 'p50', measured: median },
    { quantile: 'p99', measured: tail },
  ].map(
    ({ quantile, measured }): Row => ({
      workload: '9',
      what: `${quantile} of the latency at 20,000 rows/s, normalised at once, ${ROWS} JSON rows a message`,
      unit: 'ms',
      referenceName: 'bare ws relay with JSON.parse + stringify',
      target: 1.5,
      wanted: 'at most',
      ...measured,
    }),
  ),
);

async function seenMedian(pair: Pair): Promise<number> {
  const sorted = await latencies(pair);
  seen.push(sorted);
  return at(0.5, sorted);
}

function at(quantile: number, sorted: readonly number[]): number {
  return sorted[Math.floor(quantile * (sorted.length - 1))];
}
