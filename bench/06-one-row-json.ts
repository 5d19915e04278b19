/** One JSON row a message through the server: what is left of a bare relay's throughput that parses and prints? */
import { startChild } from './child-port.ts';
import { effortOf, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';
import { closePair, connectPair, rowsPerSecond } from './throughput.ts';

const effort = effortOf(process.argv);
const COUNT = effort.smoke ? 200 : 40_000;
const messages = sampleRows(1_024, 8).map((row) => JSON.stringify(row));

const server = await startChild('./bench-server.ts');
const relay = await startChild('./relay.ts', '--json');
const ours = await connectPair(server.port, 'live');
const reference = await connectPair(relay.port, 'live');
const measured = await alternate(
  effort.rounds,
  () => rowsPerSecond(ours, messages, 1, COUNT),
  () => rowsPerSecond(reference, messages, 1, COUNT),
);
closePair(ours);
closePair(reference);
server.stop();
relay.stop();
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
