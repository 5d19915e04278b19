/**
 * Runs the fault table at full size, one row at a time, and prints it with what was seen.
 *
 *   npm run faults                     all rows
 *   npm run faults -- NAME …           some, by their names in rows.ts, or by the start of a name
 *   npm run faults -- --slow           those that are too slow for `npm test`, which has the others at a smaller size
 *   npm run faults -- --json           for machines
 *   npm run faults -- --write          puts what was seen into README
 *   npm run faults -- --judge          latencies too must hold: for a machine that does nothing else
 *
 * Exits 1 when a row fails or has no test.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { startVitest } from 'vitest/node';
import { machine } from '../../bench/machine.ts';
import type { Bystander } from './fault.ts';
import { FAULTS, type FaultName, type NamedFault, titleOf } from './rows.ts';
import { markdown, type Seen, withTable } from './table.ts';

const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith('--'));
const wanted = args.filter((arg) => !arg.startsWith('--'));
const unknown = [
  ...flags.filter((flag) => !['--slow', '--json', '--write', '--judge'].includes(flag)),
  ...wanted.filter((start) => !FAULTS.some(({ name }) => name.startsWith(start))),
];
if (unknown.length > 0) {
  process.stderr.write(
    `faults: unknown argument ${unknown.join(' ')}; it takes --slow, --json, --write, --judge and names of rows:\n` +
      `${FAULTS.map(({ name }) => `  ${name}\n`).join('')}`,
  );
  process.exit(2);
}
const slowOnly = flags.includes('--slow');
const isWanted = ({ name, slow }: NamedFault) =>
  (slowOnly && slow === true) || wanted.some((start) => name.startsWith(start));
const chosen = FAULTS.filter((row: NamedFault) => (!slowOnly && wanted.length === 0) || isWanted(row));

process.env.STREAMNORM_FAULTS = 'full';
if (flags.includes('--judge')) process.env.STREAMNORM_JUDGE = '1';
const escaped = chosen.map((row) => titleOf(row).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
const vitest = await startVitest('test', ['test/faults/'], {
  watch: false,
  // side by side they would measure one another
  fileParallelism: false,
  testNamePattern: new RegExp(`(${escaped.join('|')})$`),
  // standard output is for the table
  reporters: flags.includes('--json') ? [] : ['verbose'],
});

const seen = new Map<FaultName, Seen>();
const bystanders: Bystander[] = [];
for (const module of vitest.state.getTestModules()) {
  for (const test of module.children.allTests()) {
    const row = test.meta().fault;
    if (row === undefined) continue;
    const { bystander } = test.meta();
    if (bystander !== undefined) bystanders.push(bystander);
    seen.set(row, { text: test.meta().seen ?? '', passed: test.result().state === 'passed' });
  }
}
const unhandled = vitest.state.getUnhandledErrors();
await vitest.close();

const failed = chosen.filter(({ name }) => seen.get(name)?.passed !== true);
const median = (of: 'aloneP99Ms' | 'besideP99Ms') =>
  `${bystanders
    .map((each) => each[of])
    .toSorted((a, b) => a - b)
    [bystanders.length >> 1]?.toFixed(1)} ms`;
const beside =
  bystanders.length === 0
    ? ''
    : ` · latency of an uninvolved client, 99th percentile, median of ${bystanders.length} rows: ` +
      `${median('aloneP99Ms')} before the fault, ${median('besideP99Ms')} beside it`;
const note = `npm run faults · ${machine().line}${beside}`;
if (flags.includes('--json')) {
  const rows = chosen.map((row: NamedFault) => ({ ...row, seen: seen.get(row.name) ?? null }));
  process.stdout.write(`${JSON.stringify({ machine: machine(), bystanders, rows })}\n`);
} else {
  process.stdout.write(`\n${markdown(chosen, seen)}\n\n${note}\n`);
}
if (flags.includes('--write')) {
  const readme = new URL('../../README.md', import.meta.url);
  writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), seen, note));
}
for (const row of failed)
  process.stderr.write(`faults: ${row.name} ${seen.has(row.name) ? 'failed' : 'was not run'}\n`);
process.exit(failed.length > 0 || unhandled.length > 0 ? 1 : 0);
