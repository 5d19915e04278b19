/** How does the batch kernel (statistics, normalising, moving averages) compare to PyTorch on one CPU thread, and to C? */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BatchNorm } from 'streamnorm';
import { effortOf, type Row, report } from './report.ts';
import { alternate, median } from './rounds.ts';
import { seeded } from './seeded.ts';

const SIZES = [
  [64, 8],
  [512, 8],
  [4_096, 8],
  [4_096, 64],
] as const;
const PYTHON = '/usr/bin/python3';
const effort = effortOf(process.argv);

function nsPerValue(rows: number, features: number, repeats: number): number {
  const random = seeded(1);
  const data = Float64Array.from({ length: rows * features }, () => random() * 100);
  const out = new Float64Array(data.length);
  const batch = { data, rows, features };
  const norm = new BatchNorm({ features });
  const start = performance.now();
  for (let i = 0; i < repeats; i++) norm.trainInto(batch, out);
  return ((performance.now() - start) * 1e6) / (repeats * rows * features);
}

/** Another process that answers one line for each line. */
function startPeer(command: string, args: string[]) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async nsPerValue(rows: number, features: number, repeats: number): Promise<number> {
      child.stdin.write(`${rows} ${features} ${repeats}\n`);
      return Number((await answers.next()).value);
    },
    stop: () => child.stdin.end(),
  };
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Undefined when there is no PyTorch on this machine. */
function startTorch() {
  if (spawnSync(PYTHON, ['-c', 'import torch']).status !== 0) return undefined;
  return startPeer(PYTHON, [here('./torch-batch-norm.py')]);
}

/** Undefined when there is no C compiler on this machine. */
function startC() {
  const folder = mkdtempSync(join(tmpdir(), 'streamnorm-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true }));
  const program = join(folder, 'batch-norm');
  const made = spawnSync('cc', ['-O3', '-march=native', '-o', program, here('./batch-norm.c'), '-lm']);
  return made.status === 0 ? startPeer(program, []) : undefined;
}

const torch = startTorch();
const c = startC();
const rows: Row[] = [];
for (const [n, features] of SIZES) {
  const repeats = effort.smoke ? 2 : Math.ceil(8_000_000 / (n * features));
  const measured = await alternate(
    effort.rounds,
    () => nsPerValue(n, features, repeats),
    () => torch?.nsPerValue(n, features, repeats) ?? Number.NaN,
  );
  // after the rounds: it is no reference, and says how far the machine can go
  const limits: number[] = [];
  for (let round = 0; c !== undefined && round < effort.rounds; round++) {
    limits.push(await c.nsPerValue(n, features, repeats));
  }
  const notes = [
    ...(torch === undefined ? ['python3-torch is not installed'] : []),
    ...(c === undefined ? [] : [`C with -O3 -march=native ${median(limits).toPrecision(3)} ns/value`]),
  ];
  rows.push({
    workload: '3',
    what: `batch kernel, ${n} × ${features}`,
    unit: 'ns/value',
    referenceName: 'PyTorch BatchNorm1d, 1 thread',
    target: 1,
    wanted: 'at most',
    ...measured,
    ...(notes.length > 0 && { note: notes.join('; ') }),
  });
}
torch?.stop();
c?.stop();
report(rows);
