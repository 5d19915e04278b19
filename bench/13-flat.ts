/** Does a row cost the same however long the stream has run, however long the window, however many only listen? */
import { Cumulative, Ewma, Rolling } from 'streamnorm';
import { type MeasuredChild, startChild } from './child-port.ts';
import { effortOf, type Row, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';
import { closePair, connectPair, connectSubscriber, type Pair, rowsPerSecond } from './throughput.ts';

const effort = effortOf(process.argv);
const POOL = sampleRows(1_024, 1).map((row) => Float64Array.from(row));
const LONG = effort.smoke ? 10_000 : 100_000_000;
const SOME = effort.smoke ? 1_000 : 2_000_000;
const rows: Row[] = [];

interface Learns {
  update(row: Float64Array): void;
}

function nsPerRow(statistic: Learns, count: number): number {
  const start = performance.now();
  for (let i = 0; i < count; i++) statistic.update(POOL[i & 1_023]);
  return ((performance.now() - start) * 1e6) / count;
}

async function compare(what: string, referenceName: string, ours: Learns, reference: Learns): Promise<void> {
  const measured = await alternate(
    effort.rounds,
    () => nsPerRow(ours, SOME),
    () => nsPerRow(reference, SOME),
  );
  rows.push({ workload: '13', what, unit: 'ns/row', referenceName, target: 1.1, wanted: 'at most', ...measured });
}

for (const [name, create] of [
  ['ewma', () => new Ewma({ features: 1, alpha: 0.01 })],
  ['cumulative', () => new Cumulative({ features: 1 })],
] as const) {
  const old = create();
  nsPerRow(old, LONG);
  await compare(`${name} after ${LONG.toLocaleString('en')} rows`, 'a new one', old, create());
}

const [wide, narrow] = [effort.smoke ? 10_000 : 1_000_000, 100].map((last) => {
  const statistic = new Rolling({ features: 1, last });
  nsPerRow(statistic, 2 * last);
  return statistic;
});
await compare('rolling over the last 1,000,000', 'over the last 100', wide, narrow);

const IDLE = effort.smoke ? 20 : 5_000;
const messages = sampleRows(1_024, 8).map((row) => JSON.stringify(row));
const crowded = await startChild('./bench-server.ts');
const empty = await startChild('./bench-server.ts');
const idle = [];
// on a channel without rows: they cost what being there costs
while (idle.length < IDLE) idle.push(await connectSubscriber(crowded.port, 'batch'));
const ours = await connectPair(crowded.port, 'live');
const reference = await connectPair(empty.port, 'live');
const measured = await alternate(
  effort.rounds,
  () => cpuPerRow(crowded, ours),
  () => cpuPerRow(empty, reference),
);
rows.push({
  workload: '13',
  what: `server, one JSON row a message beside ${IDLE.toLocaleString('en')} idle subscribers: CPU a row`,
  unit: 'µs',
  referenceName: 'with none',
  target: 1.1,
  wanted: 'at most',
  ...measured,
});
for (const socket of idle) socket.terminate();
closePair(ours);
closePair(reference);
crowded.stop();
empty.stop();
report(rows);

async function cpuPerRow(server: MeasuredChild, pair: Pair): Promise<number> {
  const count = effort.smoke ? 200 : 20_000;
  const before = await server.cpuMs();
  await rowsPerSecond(pair, messages, 1, count);
  return (((await server.cpuMs()) - before) * 1_000) / count;
}
