import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readNumber } from '../../src/cli/read-number.ts';

const into = new Float64Array(2);

/** The number read, or `bad`. */
function read(text: string): number | 'bad' {
  const bytes = Buffer.from(`1${text}2`);
  return readNumber(bytes, 1, bytes.length - 1, into, 1) ? into[1] : 'bad';
}

test.each([
  ['1', 1],
  ['-0', -0],
  ['+1.5', 1.5],
  ['.5', 0.5],
  ['5.', 5],
  ['1e3', 1000],
  ['-1.25E-2', -0.0125],
  [' 7 ', 7],
  ['\t7', 7],
  ['0.1', 0.1],
  ['9007199254740993', 9007199254740992],
  ['123456789012345678901234567890', 1.2345678901234568e29],
  ['0.000000000000000000000000000001', 1e-30],
  ['', Number.NaN],
  ['  ', Number.NaN],
  ['NaN', Number.NaN],
  ['-nan', Number.NaN],
  ['null', Number.NaN],
  ['NA', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['1e309', Number.POSITIVE_INFINITY],
  ['12abc', 'bad'],
  ['0x10', 'bad'],
  ['1_000', 'bad'],
  ['1 000', 'bad'],
  ['-', 'bad'],
  ['.', 'bad'],
  ['1.2.3', 'bad'],
  ['--1', 'bad'],
  ['1e', 'bad'],
  ['true', 'bad'],
  ['٣', 'bad'],
])('readNumber reads %j as %s', (text, expected) => {
  expect(read(text)).toBe(expected);
});

test('readNumber reads what String wrote, exactly', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (x) => {
      expect(read(String(x))).toBe(x === 0 ? 0 : x); // String(-0) is 0
    }),
    { numRuns: 10_000 },
  );
});

test('readNumber reads any decimal as Number does', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 25 });
  fc.assert(
    fc.property(digits, digits, fc.constantFrom('', '-'), (whole, decimals, sign) => {
      expect(read(`${sign}${whole}.${decimals}`)).toBe(Number(`${sign}${whole}.${decimals}`));
    }),
    { numRuns: 10_000 },
  );
});
