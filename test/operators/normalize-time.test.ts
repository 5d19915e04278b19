import { from, of } from 'rxjs';
import { expect, test } from 'vitest';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma, ewma } from '../../src/core/ewma.ts';
import type { Statistic } from '../../src/core/statistic.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const exact = { eps: 0 };
const samples = [
  { t: 0, x: 0 },
  { t: 2000, x: 1 },
  { t: 9000, x: 2 },
  { t: 16_000, x: 4 },
];

test('timeOf gives the time of a sample; without it, it is the time of arrival', () => {
  const byField = ewma({ halfLife: '4s', timeOf: (r: { t: number }) => r.t });
  const options = { ...exact, features: ['x'] };
  const z = collected(from(samples).pipe(normalize(byField, options)));
  marbles(({ cold, expectObservable }) => {
    const [a, b, c, d] = samples;
    const source = cold('a 1999ms b 6999ms c 6999ms (d|)', { a, b, c, d });
    const expected = '   a 1999ms b 6999ms c 6999ms (d|)';
    const actual = source.pipe(normalize(ewma({ halfLife: '4s' }), options));
    expectObservable(actual).toBe(expected, { a: z[0], b: z[1], c: z[2], d: z[3] });
  });
});

test('an unusable time is flagged, and its sample not learned', () => {
  const statistic = ewma({ halfLife: '4s', timeOf: (x: number) => (x === 9 ? Number.NaN : x) });
  const details = collected(of(1, 9, 3, 4).pipe(normalize(statistic, { ...exact, detail: true })));
  expect(details.map(({ flags }) => flags.includes('time'))).toEqual([false, true, false, false]);
  expect(details[3].stats.version).toBe(2);
});

test('an instance by time has no timeOf: it uses the time of arrival', () => {
  const statistic = new Ewma({ features: 1, halfLife: '4ms' });
  marbles(({ cold, flush }) => {
    cold('a---b|', { a: 1, b: 4 }).pipe(normalize(statistic)).subscribe();
    flush();
    expect(statistic.mean[0]).toBe(3);
  });
});

test.each([
  ['Cumulative', () => new Cumulative({ features: 1 })],
  ['Ewma by count', () => new Ewma({ features: 1, alpha: 0.1 })],
])('%s needs no time: no clock is asked, unless a detail tells it', (_, create) => {
  let asked = 0;
  const scheduler = { now: () => ++asked, schedule: () => expect.fail('nothing is scheduled') };
  collected(of(1, 3).pipe(normalize(create(), { scheduler })));
  expect(asked).toBe(0);
  collected(of(1, 3).pipe(normalize(create(), { scheduler, detail: true })));
  expect(asked).toBe(2);
});

// regression: only statistics that asked for the time were given it, so one that knew nothing of that decayed by NaN
test("a statistic of a user's own is given the time", () => {
  const inner = new Cumulative({ features: 1 });
  const times: (number | undefined)[] = [];
  const own: Statistic = {
    features: 1,
    mean: inner.mean,
    variance: inner.variance,
    count: inner.count,
    version: 0,
    update(row, time) {
      times.push(time);
      inner.update(row);
    },
    nEff: (feature) => inner.nEff(feature),
    state: () => inner.state(),
  };
  marbles(({ cold, flush }) => {
    cold('-a--b|', { a: 1, b: 3 }).pipe(normalize(own)).subscribe();
    flush();
    expect(times).toEqual([1, 4]);
  });
});
