/**
 * A process that measures what keys take of its memory, resident, and prints the bytes a key.
 *
 *   node --expose-gc --import tsx keyed-memory.ts ewma|cumulative|movingBatch|numbers KEYS
 */
import { Subject } from 'rxjs';
import { cumulative, ewma, movingBatch, normalize, perKey } from 'streamnorm';
import { sampleRows } from './seeded.ts';

const FEATURES = 8;
const STATISTICS = { ewma, cumulative, movingBatch };
const POOL = sampleRows(1_024, FEATURES);

function resident(): number {
  for (let i = 0; i < 3; i++) (globalThis as unknown as { gc(): void }).gc();
  return process.memoryUsage().rss;
}

/** What holds the keys, so that they are still there when it is measured. */
function fill(what: string, keys: number): unknown {
  if (what === 'numbers') {
    // mean and spread of each feature, count and time, and nothing else
    return new Float64Array(keys * (2 * FEATURES + 2)).fill(1);
  }
  let key = '';
  const statistic = STATISTICS[what as keyof typeof STATISTICS];
  const rows = new Subject<number[]>();
  rows
    .pipe(
      perKey(
        () => key,
        () => normalize<number[]>(statistic()),
        { maxKeys: keys },
      ),
    )
    .subscribe();
  for (let i = 0; i < 3 * keys; i++) {
    key = `sensor-${i % keys}`;
    rows.next(POOL[i & 1_023]);
  }
  return rows;
}

const [what, count] = process.argv.slice(2);
// code is compiled and memory of a first run is at hand before it counts
fill(what, 1_000);
const before = resident();
const kept = fill(what, Number(count));
const bytes = (resident() - before) / Number(count);
if (kept === undefined) throw new Error('it is only kept so that it is not collected');
process.stdout.write(`${bytes}\n`);
