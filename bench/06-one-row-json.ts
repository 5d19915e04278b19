/** One JSON row a message through the server: what is left of a bare relay's throughput that parses and prints? */
import { startChild } from './child-port.ts';
import { effortOf, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';
import { connectPair, messagesPerSecond } from './throughput.ts';

const effort = effortOf(process.argv);
const COUNT = effort.smoke ? 200 : 40_000;
const messages = sampleRows(1_024, 8).map((row) => JSON.stringify(row));

const server = await startChild('./bench-server.ts');
const relay = await startChild('./relay.ts', '--json');
const ours = await connectPair(server.port, 'live');
const reference = await connectPair(relay.port, 'live');
const measured = await alternate(
  effort.rounds,
  () => messagesPerSecond(ours, messages, COUNT),
  () => messagesPerSecond(reference, messages, COUNT),
);
for (const { producer, subscriber } of [ours, reference]) {
  producer.close();
  subscriber.close();
}
server.child.stdin?.end();
relay.child.stdin?.end();
report([
  {
    workload: '6',
    what: 'server, one JSON row of 8 a message, normalised at once',
    unit: 'rows/s',
    referenceName: 'bare ws relay with JSON.parse + stringify',
    target: 0.8,
    wanted: 'at least',
    ...measured,
  },
]);
