import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { flagOf } from '../../src/cli/method-flags.ts';
import { DRIFT_OPTIONS } from '../../src/core/drift-options.ts';
import { METHOD_OPTIONS } from '../../src/core/methods.ts';

const doc = readFileSync(new URL('../../docs/drift.md', import.meta.url), 'utf8');

test('docs/drift.md names every option of drift, and its flag', () => {
  expect(DRIFT_OPTIONS.filter((name) => !doc.includes(`\`${name}\``))).toEqual([]);
  expect(DRIFT_OPTIONS.filter((name) => !doc.includes(`\`${flagOf(name)}\``))).toEqual([]);
  expect(DRIFT_OPTIONS.filter((name) => !(name in METHOD_OPTIONS))).toEqual([]);
});
