/** How does the batch kernel (statistics, normalising, moving averages) compare to PyTorch's on one CPU thread? */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BatchNorm } from 'streamnorm';
import { effortOf, type Row, report } from './report.ts';
import { alternate } from './rounds.ts';
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

/** A PyTorch process that answers one line for each line; undefined when there is none on this machine. */
function startTorch() {
  if (spawnSync(PYTHON, ['-c', 'import torch']).status !== 0) return undefined;
  const script = fileURLToPath(new URL('./torch-batch-norm.py', import.meta.url));
  const child = spawn(PYTHON, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async nsPerValue(rows: number, features: number, repeats: number): Promise<number> {
      child.stdin.write(`${rows} ${features} ${repeats}\n`);
      return Number((await answers.next()).value);
    },
    stop: () => child.stdin.end(),
  };
}

const torch = startTorch();
const rows: Row[] = [];
for (const [n, features] of SIZES) {
  const repeats = effort.smoke ? 2 : Math.ceil(8_000_000 / (n * features));
  const measured = await alternate(
    effort.rounds,
    () => nsPerValue(n, features, repeats),
    () => torch?.nsPerValue(n, features, repeats) ?? Number.NaN,
  );
  rows.push({
    workload: '3',
    what: `batch kernel, ${n} × ${features}`,
    unit: 'ns/value',
    referenceName: 'PyTorch BatchNorm1d, 1 thread',
    target: 1,
    wanted: 'at most',
    ...measured,
    ...(torch === undefined && { note: 'python3-torch is not installed' }),
  });
}
torch?.stop();
report(rows);
