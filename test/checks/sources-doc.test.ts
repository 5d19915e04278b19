import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sourceSchema } from '../../src/server/config/source.ts';
import { SOURCE_EVENTS } from '../../src/server/source/source-figures.ts';

const doc = readFileSync(new URL('../../docs/sources.md', import.meta.url), 'utf8');

test('docs/sources.md names every option of source in its table', () => {
  const cells = doc
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|')[1] ?? '');
  const missing = Object.keys(sourceSchema.shape).filter((name) => !cells.some((cell) => cell.includes(`\`${name}\``)));
  expect(missing).toEqual([]);
});

test('docs/sources.md has every event that is counted, with its meaning', () => {
  for (const [event, meaning] of Object.entries(SOURCE_EVENTS)) expect(doc).toContain(`| \`${event}\` | ${meaning} |`);
});
