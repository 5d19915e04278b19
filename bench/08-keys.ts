/** What do keys cost: their memory beside the bare numbers, a random one beside a single one, many that are idle? */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Subject } from 'rxjs';
import { ewma, normalize, perKey } from 'streamnorm';
import { effortOf, type Row, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';

const FEATURES = 8;
const POOL = sampleRows(1_024, FEATURES);
const effort = effortOf(process.argv);
const KEYS = effort.smoke ? 2_000 : 1_000_000;
/** A movingBatch keeps its open batch of 64 rows. */
const FEWER_KEYS = effort.smoke ? 200 : 20_000;
const COUNT = effort.smoke ? 2_000 : 200_000;

const rows: Row[] = [];

/** Bytes a key, measured in a process of its own. */
function bytesPerKey(what: string, keys: number): number {
  const script = fileURLToPath(new URL('./keyed-memory.ts', import.meta.url));
  const args = ['--expose-gc', '--import', 'tsx', script, what, String(keys)];
  return Number(execFileSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
}

const memoryRounds = effort.smoke ? 1 : 3;
for (const [what, keys] of [
  ['ewma', KEYS],
  ['cumulative', KEYS],
  ['movingBatch', FEWER_KEYS],
] as const) {
  const measured = await alternate(
    memoryRounds,
    () => bytesPerKey(what, keys),
    () => bytesPerKey('numbers', keys),
  );
  rows.push({
    workload: '8',
    what: `perKey(normalize(${what}())), ${keys.toLocaleString('en')} keys × ${FEATURES}: resident memory with the keys`,
    unit: 'B/key',
    referenceName: 'mean and spread, count and time as float64',
    target: 2.5,
    wanted: 'at most',
    ...measured,
  });
}

/** A stream of `keys` keys, all of which have come. */
function keyed(keys: number) {
  const names = Array.from({ length: keys }, (_, i) => `sensor-${i}`);
  const source = new Subject<number[]>();
  let key = '';
  let sum = 0;
  const inner = () => normalize<number[]>(ewma());
  source.pipe(perKey(() => key, inner, { maxKeys: keys })).subscribe((z) => {
    sum += z[0];
  });
  const push = (name: string, i: number) => {
    key = name;
    source.next(POOL[i & 1_023]);
  };
  names.forEach(push);
  // Weyl's sequence: every key, in an order that no cache foresees
  const random = Array.from({ length: COUNT }, (_, i) => names[(Math.imul(i, 0x9e3779b1) >>> 0) % keys]);
  const one = new Array<string>(COUNT).fill(names[0]);
  return (isRandom: boolean): number => {
    const order = isRandom ? random : one;
    const start = performance.now();
    for (let i = 0; i < COUNT; i++) push(order[i], i);
    const elapsed = performance.now() - start;
    if (sum === 0.5) throw new Error('the sum is only there so that nothing is optimised away');
    return (elapsed * 1e6) / COUNT;
  };
}

const many = keyed(KEYS);
const few = keyed(1);
rows.push({
  workload: '8',
  what: `perKey(normalize(ewma())), a random one of ${KEYS.toLocaleString('en')} keys`,
  unit: 'ns/row',
  referenceName: 'one key',
  target: 4,
  wanted: 'at most',
  ...(await alternate(
    effort.rounds,
    () => many(true),
    () => few(false),
  )),
});
rows.push({
  workload: '8',
  what: `one key beside ${KEYS.toLocaleString('en')} idle ones`,
  unit: 'ns/row',
  referenceName: 'one key alone',
  target: 1.1,
  wanted: 'at most',
  ...(await alternate(
    effort.rounds,
    () => many(false),
    () => few(false),
  )),
});
report(rows);
