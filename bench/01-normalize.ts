/** What does normalising one sample at a time cost, beside a bare `map` that makes a new array of the same size? */
import { map, type OperatorFunction, Subject } from 'rxjs';
import { cumulative, ewma, normalize } from 'streamnorm';
import { effortOf, type Row, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';

const FEATURES = 8;
const POOL = sampleRows(1_024, FEATURES);
const effort = effortOf(process.argv);
const COUNT = effort.smoke ? 2_000 : 300_000;

/** ns a row through a Subject and one operator; the sum keeps the outputs alive. */
function nsPerRow(operator: OperatorFunction<number[], number[]>): number {
  const source = new Subject<number[]>();
  let sum = 0;
  source.pipe(operator).subscribe((row) => {
    sum += row[0] + row[FEATURES - 1];
  });
  const start = performance.now();
  for (let i = 0; i < COUNT; i++) source.next(POOL[i & 1_023]);
  const elapsed = performance.now() - start;
  source.complete();
  if (sum === 0.5) throw new Error('the sum is only there so that nothing is optimised away');
  return (elapsed * 1e6) / COUNT;
}

function bareMap(): OperatorFunction<number[], number[]> {
  return map((row) => {
    // the quickest of push, slice, spread and this
    const copy = new Array<number>(FEATURES);
    for (let j = 0; j < FEATURES; j++) copy[j] = row[j] * 2;
    return copy;
  });
}

const rows: Row[] = [];
for (const [what, statistic] of [
  ['normalize(cumulative())', cumulative],
  ['normalize(ewma())', ewma],
] as const) {
  const measured = await alternate(
    effort.rounds,
    () => nsPerRow(normalize<number[]>(statistic())),
    () => nsPerRow(bareMap()),
  );
  rows.push({
    workload: '1',
    what: `${what}, ${FEATURES} features`,
    unit: 'ns/row',
    referenceName: 'bare map',
    target: 2,
    wanted: 'at most',
    ...measured,
  });
}
report(rows);
