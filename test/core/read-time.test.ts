import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readTime } from '../../src/core/read-time.ts';

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

test('every date and time is what Date says it is, in any zone', () => {
  const dates = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-30T00:00:00Z'),
    noInvalidDate: true,
  });
  const zones = fc.integer({ min: -14 * 60 + 1, max: 14 * 60 });
  fc.assert(
    fc.property(dates, zones, (date, minutes) => {
      const ms = date.getTime();
      expect(readTime(date.toISOString())).toBe(ms);
      const [sign, size] = [minutes < 0 ? '-' : '+', Math.abs(minutes)];
      const two = (n: number) => String(n).padStart(2, '0');
      const zone = `${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`;
      const text = date.toISOString().replace('Z', zone);
      expect(readTime(text)).toBe(Date.parse(text));
    }),
  );
});

test.each(['2021-02-29', '2021-00-10', '2021-13-10', '2021-04-31', '2021-04-00', '1900-02-29'])(
  '%s is no day',
  (text) => {
    expect(readTime(text)).toBeNaN();
  },
);

test.each(['2021-04-01T24:01', '2021-04-01T12:60', '2021-04-01T12:00:60', '2021-04-01T25:00'])(
  '%s is no time',
  (text) => {
    expect(readTime(text)).toBeNaN();
  },
);

test('24:00 is the end of the day, and the leap day of 2000 is one', () => {
  expect(readTime('2021-04-01T24:00')).toBe(readTime('2021-04-02'));
  expect(readTime('2000-02-29')).toBe(Date.UTC(2000, 1, 29));
});
