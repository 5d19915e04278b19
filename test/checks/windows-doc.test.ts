import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DRIFT_OPTIONS } from '../../src/core/drift-options.ts';
import { FLAG } from '../../src/core/flags.ts';
import { JOINT_OPTIONS, METHOD_OPTIONS } from '../../src/core/methods.ts';

const WINDOW_OPTIONS = JOINT_OPTIONS.flat().filter((name) => !(DRIFT_OPTIONS as readonly string[]).includes(name));
const doc = readFileSync(new URL('../../docs/windows.md', import.meta.url), 'utf8');

test('docs/windows.md names every option of windows and quarantine', () => {
  const unnamed = WINDOW_OPTIONS.filter((name) => !doc.includes(`\`${name}`));
  expect(unnamed).toEqual([]);
  expect(JOINT_OPTIONS.flat().filter((name) => !(name in METHOD_OPTIONS))).toEqual([]);
});

test('docs/windows.md names every flag of a row that is kept out or leaves early', () => {
  const flags = ['late', 'time', 'missing', 'overflow', 'range', 'quarantined', 'dropped', 'early'] as const;
  expect(flags.filter((name) => !(name in FLAG) || !doc.includes(`\`${name}\``))).toEqual([]);
});
