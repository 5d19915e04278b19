/** What does learning a row cost, without any stream, beside the accumulators of @stdlib, one a feature? */
import incrmeanvar from '@stdlib/stats-incr-meanvar';
import incrmmeanvar from '@stdlib/stats-incr-mmeanvar';
import { Cumulative, Rolling } from 'streamnorm';
import { effortOf, type Row, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';

const FEATURES = 8;
const WINDOW = 1_000;
const POOL = sampleRows(1_024, FEATURES);
const effort = effortOf(process.argv);
const COUNT = effort.smoke ? 2_000 : 300_000;

function nsPerRow(learn: (row: number[]) => void): number {
  const start = performance.now();
  for (let i = 0; i < COUNT; i++) learn(POOL[i & 1_023]);
  return ((performance.now() - start) * 1e6) / COUNT;
}

/** Each writes mean and variance to an array that it was given: its quickest form. */
function stdlib(create: (out: number[]) => (x: number) => unknown): (row: number[]) => void {
  const learners = Array.from({ length: FEATURES }, () => create([0, 0]));
  return (row) => {
    for (let j = 0; j < FEATURES; j++) learners[j](row[j]);
  };
}

const rows: Row[] = [];
for (const [what, referenceName, ours, reference] of [
  [
    'Cumulative.update',
    '@stdlib/stats-incr-meanvar',
    () => new Cumulative({ features: FEATURES }),
    (out: number[]) => incrmeanvar(out),
  ],
  [
    `Rolling.update, the last ${WINDOW.toLocaleString('en')} rows`,
    '@stdlib/stats-incr-mmeanvar',
    () => new Rolling({ features: FEATURES, last: WINDOW }),
    (out: number[]) => incrmmeanvar(out, WINDOW),
  ],
] as const) {
  const measured = await alternate(
    effort.rounds,
    () => {
      const statistic = ours();
      return nsPerRow((row) => statistic.update(row));
    },
    () => nsPerRow(stdlib(reference)),
  );
  rows.push({
    workload: '15',
    what: `${what}, ${FEATURES} features`,
    unit: 'ns/row',
    referenceName,
    target: 1,
    wanted: 'at most',
    ...measured,
  });
}
report(rows);
