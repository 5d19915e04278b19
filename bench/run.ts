/**
 * Runs the workloads, each in a process of its own, and prints one table. What is measured is the built package, as users
 * have it.
 *
 *   npm run bench                   all
 *   npm run bench -- 1 3            some
 *   npm run bench -- --json         for machines
 *   npm run bench -- --smoke        only that they run: the figures mean nothing
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { machine } from './machine.ts';
import { type Row, table, verdict } from './report.ts';

const args = process.argv.slice(2);
const wanted = args.filter((arg) => /^\d+$/.test(arg)).map((arg) => arg.padStart(2, '0'));
const flags = args.filter((arg) => arg.startsWith('--'));
const unknown = args.filter((arg) => !/^\d+$/.test(arg) && !['--json', '--smoke'].includes(arg));
if (unknown.length > 0) {
  process.stderr.write(
    `bench: unknown argument ${unknown.join(' ')}; it takes numbers of workloads, --json, --smoke\n`,
  );
  process.exit(2);
}

const files = readdirSync(new URL('.', import.meta.url))
  .filter((name) => /^\d\d-.*\.ts$/.test(name))
  .filter((name) => wanted.length === 0 || wanted.includes(name.slice(0, 2)))
  .sort();

async function run(file: string): Promise<Row[]> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const rows: Row[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const row = JSON.parse(line) as Row;
    // JSON has no NaN: a reference that is not there comes as null
    rows.push({ ...row, reference: row.reference ?? Number.NaN, ratio: row.ratio ?? Number.NaN });
  }
  const code = child.exitCode ?? (await new Promise<number>((resolve) => child.once('close', resolve)));
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  return rows;
}

const rows: Row[] = [];
for (const file of files) {
  if (process.stderr.isTTY) process.stderr.write(`\r${file} …\x1b[K`);
  try {
    rows.push(...(await run(file)));
  } catch (error) {
    // what the others have measured in an hour is not lost
    process.stderr.write(`bench: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
const where = machine();
if (flags.includes('--json')) {
  process.stdout.write(
    `${JSON.stringify({ machine: where, rows: rows.map((row) => ({ ...row, verdict: verdict(row) })) })}\n`,
  );
} else {
  process.stdout.write(`${table(rows)}\n\n`);
  process.stdout.write(`npm run bench · ${where.line} · medians of alternating rounds\n`);
}
