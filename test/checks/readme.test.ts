import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { METHOD_NAMES } from '../../src/core/methods.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import * as library from '../../src/index.ts';
import { DEFAULT_LIMITS } from '../../src/server/config/limits.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const lines = readme.split('\n');

/** Rows of the table below a heading, cells without their markup. */
function tableBelow(heading: string): string[][] {
  const from = lines.indexOf(heading);
  expect(from, `README has the heading ${heading}`).toBeGreaterThan(-1);
  const rows = lines.slice(
    from + 1,
    lines.findIndex((line, i) => i > from && line.startsWith('## ')),
  );
  return rows
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

test('the first program stands before line 25, has fewer than 12 lines, and is the example that is run', () => {
  const begin = lines.indexOf('```ts');
  const end = lines.indexOf('```', begin);
  const program = lines.slice(begin + 1, end).filter((line) => line !== '' && !line.startsWith('//'));
  expect(end).toBeLessThan(25);
  expect(program.length).toBeLessThan(12);
  const example = readFileSync(new URL('../../examples/normalize.ts', import.meta.url), 'utf8');
  const code = (text: string) =>
    text
      .split('\n')
      .filter((line) => !line.startsWith('//'))
      .join('')
      .replaceAll(/\s|,(?=\s*[\])])/g, '');
  expect(code(program.join('\n'))).toBe(code(example));
});

test('the table of error codes is the list of the code', () => {
  expect(tableBelow('## Error codes')).toEqual(Object.entries(ERROR_CODES).map(([code, meaning]) => [code, meaning]));
});

test('every exported value is named', () => {
  const unnamed = Object.keys(library).filter((name) => !new RegExp(`\\b${name}\\b`).test(readme));
  expect(unnamed).toEqual([]);
});

test('every method of the server is named', () => {
  expect(METHOD_NAMES.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});

test('every limit of the server is named with its default', () => {
  for (const [name, value] of Object.entries(DEFAULT_LIMITS)) {
    expect(readme).toContain(`| \`${name}\` | ${value.toLocaleString('en')} |`);
  }
});
