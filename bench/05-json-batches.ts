/** JSON messages of 64 rows through the server, each batch normalised: faster than a relay that parses and prints? */
import { startChild } from './child-port.ts';
import { batches } from './feed.ts';
import { effortOf, report } from './report.ts';
import { alternate } from './rounds.ts';
import { closePair, connectPair, rowsPerSecond } from './throughput.ts';

const ROWS = 64;
const effort = effortOf(process.argv);
const COUNT = effort.smoke ? 50 : 2_000;
const messages = batches(64, ROWS, 8);

const server = await startChild('./bench-server.ts');
const relay = await startChild('./relay.ts', '--json');
const ours = await connectPair(server.port, 'batch');
const reference = await connectPair(relay.port, 'batch');
const measured = await alternate(
  effort.rounds,
  () => rowsPerSecond(ours, messages, ROWS, COUNT),
  () => rowsPerSecond(reference, messages, ROWS, COUNT),
);
closePair(ours);
closePair(reference);
server.stop();
relay.stop();
report([
  {
    workload: '5',
    what: `server, JSON messages of ${ROWS} rows of 8, each a batch`,
    unit: 'rows/s',
    referenceName: 'bare ws relay with JSON.parse + stringify',
    target: 1,
    wanted: 'at least',
    ...measured,
  },
]);
