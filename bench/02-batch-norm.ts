/** What does `batchNorm` gain over what one would write with `bufferCount` and `mergeMap`? */
import { bufferCount, from, mergeMap, type OperatorFunction, Subject } from 'rxjs';
import { batchNorm } from 'streamnorm';
import { effortOf, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';

const FEATURES = 8;
const SIZE = 64;
const POOL = sampleRows(1_024, FEATURES);
const effort = effortOf(process.argv);
const COUNT = effort.smoke ? 2_048 : 256_000;

function rowsPerSecond(operator: OperatorFunction<number[], number[]>): number {
  const source = new Subject<number[]>();
  let sum = 0;
  let rows = 0;
  source.pipe(operator).subscribe((row) => {
    sum += row[0] + row[FEATURES - 1];
    rows++;
  });
  const start = performance.now();
  for (let i = 0; i < COUNT; i++) source.next(POOL[i & 1_023]);
  const elapsed = performance.now() - start;
  source.complete();
  if (rows !== COUNT || Number.isNaN(sum)) throw new Error(`${rows} rows came out of ${COUNT}`);
  return (COUNT / elapsed) * 1_000;
}

/** The same numbers, written in the obvious way and without waste: plain loops, mean and variance in two passes. */
function byHand(): OperatorFunction<number[], number[]> {
  return (source) =>
    source.pipe(
      bufferCount(SIZE),
      mergeMap((rows) => {
        const mean = new Array<number>(FEATURES).fill(0);
        const variance = new Array<number>(FEATURES).fill(0);
        for (const row of rows) for (let j = 0; j < FEATURES; j++) mean[j] += row[j] / rows.length;
        for (const row of rows) for (let j = 0; j < FEATURES; j++) variance[j] += (row[j] - mean[j]) ** 2 / rows.length;
        return from(rows.map((row) => row.map((x, j) => (x - mean[j]) / Math.sqrt(variance[j] + 1e-5))));
      }),
    );
}

const measured = await alternate(
  effort.rounds,
  () => rowsPerSecond(batchNorm({ size: SIZE })),
  () => rowsPerSecond(byHand()),
);
report([
  {
    workload: '2',
    what: `batchNorm({ size: ${SIZE} }), ${FEATURES} features`,
    unit: 'rows/s',
    referenceName: 'bufferCount + statistics + mergeMap(from)',
    target: 3,
    wanted: 'at least',
    ...measured,
  },
]);
