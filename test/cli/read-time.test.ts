import { expect, test } from 'vitest';
import { readTime } from '../../src/cli/read-time.ts';

const AT = Date.UTC(2010, 6, 10, 9, 30, 5);

test.each([
  [1500, 1500],
  ['1500.5', 1500.5],
  ['2010-07-10T09:30:05Z', AT],
  ['2010-07-10 09:30:05', AT],
  ['2010-07-10T09:30:05,250', AT + 250],
  ['2010-07-10T11:30:05+02:00', AT],
  ['2010-07-10T11:30:05+0200', AT],
  ['2010-07-10T11:30:05+02', AT],
  ['2010-07-10T09:30', AT - 5000],
  ['2010-07-10', Date.UTC(2010, 6, 10)],
  ['10 July 2010', Number.NaN],
  ['2010-13-10', Number.NaN],
  ['', Number.NaN],
  ['1e309', Number.NaN],
  [Number.POSITIVE_INFINITY, Number.NaN],
  [null, Number.NaN],
  [true, Number.NaN],
])('readTime reads %j as %d', (value, ms) => {
  expect(readTime(value)).toBe(ms);
});
