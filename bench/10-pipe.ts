/** `streamnorm pipe` on a CSV of a million rows, beside Node reading lines, splitting them and joining them again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { effortOf, type Row, report } from './report.ts';
import { alternate } from './rounds.ts';
import { seeded } from './seeded.ts';

const effort = effortOf(process.argv);
const ROWS = effort.smoke ? 1_000 : 1_000_000;
const FEATURES = 8;

const folder = mkdtempSync(join(tmpdir(), 'bench-pipe-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'rows.csv');
await writeRows();

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const cat = fileURLToPath(new URL('./cat-lines.mjs', import.meta.url));
const rows: Row[] = [];
for (const [how, referenceName] of [
  ['each', 'readline + split + join, a write a line'],
  ['gathered', 'readline + split + join, written in pieces of 64 KiB'],
] as const) {
  const measured = await alternate(
    effort.smoke ? 1 : 5,
    () => rowsPerSecond([main, 'pipe', '--format', 'csv', '--method', 'ewma']),
    () => rowsPerSecond([cat, how]),
  );
  rows.push({
    workload: '10',
    what: `pipe, CSV of ${ROWS.toLocaleString('en')} rows of ${FEATURES}`,
    unit: 'rows/s',
    referenceName,
    target: 1,
    wanted: 'at least',
    ...measured,
  });
}
report(rows);

/** A whole process: start, read, write to a file, end. */
async function rowsPerSecond(args: readonly string[]): Promise<number> {
  const start = performance.now();
  const input = openSync(file, 'r');
  const output = openSync(join(folder, 'out.csv'), 'w');
  const child = spawn(process.execPath, args, { stdio: [input, output, 'pipe'] });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
  return (ROWS / (performance.now() - start)) * 1_000;
}

async function writeRows(): Promise<void> {
  const random = seeded(1);
  const out = createWriteStream(file);
  out.write(`${Array.from({ length: FEATURES }, (_, j) => `x${j}`).join(',')}\n`);
  for (let i = 0; i < ROWS; i++) {
    const row = Array.from({ length: FEATURES }, (_, j) => ((random() - 0.3) * 10 ** (j % 6)).toPrecision(7));
    if (!out.write(`${row.join(',')}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}
