/** Binary frames of 64 rows through the server, each batch normalised: what is left of a bare relay's throughput? */
import { startChild } from './child-port.ts';
import { frames } from './feed.ts';
import { effortOf, report } from './report.ts';
import { alternate } from './rounds.ts';
import { closePair, connectPair, rowsPerSecond } from './throughput.ts';

const ROWS = 64;
const effort = effortOf(process.argv);
const COUNT = effort.smoke ? 100 : 10_000;
const messages = frames(64, ROWS, 8);

const server = await startChild('./bench-server.ts');
const relay = await startChild('./relay.ts');
const ours = await connectPair(server.port, 'batch', '?format=f32');
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
    workload: '4',
    what: `server, binary frames of ${ROWS} rows of 8, float32, each a batch`,
    unit: 'rows/s',
    referenceName: 'bare ws relay of the same frames',
    target: 0.85,
    wanted: 'at least',
    ...measured,
  },
]);
