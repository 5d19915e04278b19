import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FAULTS, titleOf } from '../faults/rows.ts';
import { markdown, publishedTable, seenIn } from '../faults/table.ts';

const folder = new URL('../faults/', import.meta.url);
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test('every row of the fault table has exactly one test, and every test a row', () => {
  const tested = readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) => readFileSync(new URL(name, folder), 'utf8').match(/(?<=^ *fault\(\s*')[\w-]+/gm) ?? []);
  expect(tested.toSorted()).toEqual(FAULTS.map(({ name }) => name).toSorted());
});

test('rows differ in name and title, and can be written in a table', () => {
  for (const of of [FAULTS.map(({ name }) => name), FAULTS.map(titleOf)]) expect(new Set(of).size).toBe(of.length);
  for (const { fault, expected } of FAULTS) expect(fault + expected).not.toMatch(/[|\n]/);
});

test('README has the rows and what must happen, and of each what was seen: npm run faults -- --write', () => {
  const seen = seenIn(readme);
  expect(publishedTable(readme)).toBe(markdown(FAULTS, seen));
  expect(FAULTS.filter(({ name }) => !seen.get(name)?.passed).map(({ name }) => name)).toEqual([]);
});
