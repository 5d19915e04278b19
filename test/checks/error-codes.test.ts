import { expect, test } from 'vitest';
import { ERROR_CODES, type ErrorCode, StreamnormError } from '../../src/errors.ts';

const entries = Object.entries(ERROR_CODES);

test.each(entries)('%s says what it means in one clause', (code, text) => {
  expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
  expect(text).toMatch(/^[a-z].*[^.\s]$/);
});

test('no two codes say the same', () => {
  expect(new Set(entries.map(([, text]) => text)).size).toBe(entries.length);
});

test('an error carries name, code, message, cause and the row at fault', () => {
  const cause = new SyntaxError('Unexpected end of JSON input');
  const error = new StreamnormError('BAD_DIM' satisfies ErrorCode, 'row 3 has 5 values', { row: 3, cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: 'StreamnormError',
    code: 'BAD_DIM',
    message: 'row 3 has 5 values',
    row: 3,
    cause,
  });
  expect(String(error)).toBe('StreamnormError: row 3 has 5 values');
});

test('an error without cause or row has neither', () => {
  const error = new StreamnormError('CONFIG', 'no channel is configured');
  expect('cause' in error).toBe(false);
  expect(error.row).toBeUndefined();
});
