import fc from 'fast-check';
import { from, of } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { Frozen } from '../../src/core/frozen.ts';
import { Rolling, rolling } from '../../src/core/rolling.ts';
import { StreamnormError } from '../../src/errors.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { doubleOfAnyExponent, readingOrNot } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';
import { exactMean, exactVariance, rounded } from '../support/exact.ts';
import { mulberry32 } from '../support/strd.ts';

test('Rolling tells mean and variance of the last n samples after each one', () => {
  const statistic = new Rolling({ features: 1, last: 3 });
  const steps = [100, 1, 2, 3, 7].map((x) => {
    statistic.update([x]);
    return [statistic.count[0], statistic.mean[0], statistic.variance[0]];
  });
  expectClose(steps, [
    [1, 100, 0],
    [2, 50.5, 2450.25],
    [3, 103 / 3, (100 ** 2 + 1 + 4) / 3 - (103 / 3) ** 2],
    [3, 2, 2 / 3],
    [3, 4, 14 / 3],
  ]);
  expectClose(statistic.unbiasedVariance(0), 7);
});

test('normalize(rolling({ last })) scores by the last n samples', () => {
  const z = collected(of(100, 1, 2, 3, 4).pipe(normalize(rolling({ last: 3 }), { eps: 0 })));
  expectClose(z[4], 2 / Math.sqrt(2 / 3));
});

describe('by count', () => {
  test('a missing value takes a place but does not count; the other features are untouched', () => {
    const statistic = new Rolling({ features: 2, last: 3 });
    const rows = [
      [1, 10],
      [Number.NaN, 20],
      [3, 30],
      [null, 40],
    ] as number[][];
    for (const row of rows) statistic.update(row);
    expect([...statistic.count]).toEqual([1, 3]);
    expect([...statistic.mean]).toEqual([3, 30]);
    expectClose([...statistic.variance], [0, 200 / 3]);
  });

  test('a row without any usable value takes no place', () => {
    const statistic = learned([1, 3], { last: 2 });
    const before = JSON.stringify(statistic.state());
    for (const x of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, null, undefined]) statistic.update([x as number]);
    expect(JSON.stringify(statistic.state())).toBe(before);
  });

  test('a feature whose values have all left has count 0 and no spread', () => {
    const statistic = new Rolling({ features: 2, last: 2 });
    for (const row of [
      [5, 1],
      [Number.NaN, 2],
      [Number.NaN, 3],
    ])
      statistic.update(row);
    expect([statistic.count[0], statistic.mean[0], statistic.variance[0]]).toEqual([0, 0, 0]);
  });

  // what the reverse of Welford's update keeps of a spike is about ε·spike²/n
  test.each([1e6, 1e9, 1e100])('a spike of %d that has left has left no trace', (spike) => {
    const statistic = learned([spike, 1, 2, 3], { last: 3 });
    expect([statistic.mean[0], statistic.variance[0]]).toEqual([2, 2 / 3]);
    const later = learned([0.1, spike, 0.1, 0.1, 0.1], { last: 3 });
    expect([later.mean[0], later.variance[0]]).toEqual([0.1, 0]);
  });

  test('after any rows it tells what a naive window tells', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(readingOrNot, readingOrNot), { maxLength: 120 }),
        fc.integer({ min: 2, max: 40 }),
        (rows, last) => {
          const statistic = new Rolling({ features: 2, last });
          rows.forEach((row, i) => {
            statistic.update(row);
            const window = rows
              .slice(0, i + 1)
              .filter((r) => r.some(isReading))
              .slice(-last);
            expectClose(numbers(statistic), naive(window), 1e-9);
          });
        },
      ),
    );
  });

  test('200,000 rows around 1e9, with spikes, stay within 1e-12 of the exact result of the window', () => {
    const next = mulberry32(3);
    const noise = () => 1e9 + next() / 2 ** 32 + (next() % 997 === 0 ? 1e12 : 0);
    const statistic = new Rolling({ features: 1, last: 64 });
    let window: number[] = [];
    for (let i = 0; i < 200_000; i++) {
      const x = noise();
      statistic.update([x]);
      window.push(x);
      if (window.length === 1024) window = window.slice(-64);
      if (i % 20_011 !== 20_010) continue;
      const exact = window.slice(-64);
      expectClose(statistic.mean[0] / 1e9, rounded(exactMean(exact)) / 1e9, 1e-15);
      expectClose(statistic.variance[0] / rounded(exactVariance(exact)), 1, 1e-12);
    }
  });

  test('the mean stays within the window and the variance is not negative, for numbers of any exponent', () => {
    fc.assert(
      fc.property(
        fc.array(doubleOfAnyExponent(), { maxLength: 60 }),
        fc.integer({ min: 2, max: 9 }),
        (values, last) => {
          const statistic = new Rolling({ features: 1, last });
          values.forEach((x, i) => {
            statistic.update([x]);
            const window = values.slice(Math.max(0, i + 1 - last), i + 1);
            expect(statistic.mean[0]).toBeGreaterThanOrEqual(Math.min(...window));
            expect(statistic.mean[0]).toBeLessThanOrEqual(Math.max(...window));
            expect(statistic.variance[0]).toBeGreaterThanOrEqual(0);
          });
        },
      ),
    );
  });
});

describe('by time', () => {
  test('the window ends at the newest time T and holds T - t < time <= T', () => {
    const statistic = atTimes([
      [0, 100],
      [1, 1],
      [999, 2],
      [1000, 3],
    ]);
    expect([statistic.length, statistic.mean[0]]).toEqual([3, 2]);
  });

  test('a late sample is put where its time belongs, and leaves when it is due', () => {
    const statistic = atTimes([
      [0, 1],
      [900, 2],
      [500, 100],
    ]);
    expectClose(statistic.mean[0], 103 / 3);
    statistic.update([3], 1499);
    expectClose(statistic.mean[0], 35);
    statistic.update([4], 1500);
    expect([statistic.length, statistic.mean[0]]).toEqual([3, 3]);
  });

  test('a sample older than the window is counted in late and not learned', () => {
    const statistic = atTimes([
      [1000, 1],
      [2000, 2],
      [1000, 50],
    ]);
    expect([statistic.late, statistic.length, statistic.mean[0], statistic.version]).toEqual([1, 1, 2, 2]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined])('a sample at time %s is not learned', (time) => {
    const statistic = atTimes([[0, 1]]);
    const before = JSON.stringify(statistic.state());
    statistic.update([2], time);
    expect(JSON.stringify(statistic.state())).toBe(before);
  });

  test('past maxSamples the oldest leave early, counted in dropped', () => {
    const statistic = new Rolling({ features: 1, last: '1s', maxSamples: 3 });
    for (const [time, x] of [
      [10, 1],
      [20, 2],
      [30, 3],
      [40, 4],
      [5, 0],
    ])
      statistic.update([x], time);
    expect([statistic.dropped, statistic.length, statistic.mean[0]]).toEqual([2, 3, 3]);
  });

  test('timeOf gives the time of a sample', () => {
    const factory = rolling({ last: '10ms', timeOf: (r: { t: number; x: number }) => r.t });
    const rows = [0, 5, 9, 20, 21].map((t) => ({ t, x: t }));
    const z = collected(from(rows).pipe(normalize(factory, { eps: 0, features: ['x'] })));
    // at 20 only that sample is left: one is not enough to score the next
    expectClose(
      z.map(({ x }) => x),
      [Number.NaN, Number.NaN, (9 - 2.5) / 2.5, (20 - 14 / 3) / Math.sqrt(122 / 9), Number.NaN],
    );
  });

  test('in any order of arrival it tells what a naive window tells', () => {
    const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 3000 }), readingOrNot), { maxLength: 80 });
    fc.assert(
      fc.property(samples, (list) => {
        const statistic = new Rolling({ features: 1, last: '1s' });
        list.forEach(([time, x], i) => {
          statistic.update([x], time);
          const seen = list.slice(0, i + 1).filter(([, y]) => isReading(y));
          const newest = Math.max(...seen.map(([t]) => t));
          const window = seen.filter(([t]) => t > newest - 1000).map(([, y]) => [y]);
          expectClose(numbers(statistic), naive(window.length === 0 ? [[Number.NaN]] : window), 1e-9);
        });
      }),
    );
  });
});

describe('state', () => {
  test('restored at any point, what follows is bit-identical', () => {
    const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 3000 }), readingOrNot, readingOrNot), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(samples, fc.nat({ max: 60 }), fc.constantFrom(5, 20, '1s' as const), (list, cut, last) => {
        let statistic = new Rolling({ features: 2, last });
        const whole = new Rolling({ features: 2, last });
        list.forEach(([time, x, y], i) => {
          if (i === cut) statistic = Rolling.from(JSON.parse(JSON.stringify(statistic.state())));
          statistic.update([x, y], time);
          whole.update([x, y], time);
          expect(statistic.state()).toEqual(whole.state());
        });
      }),
    );
  });

  test('restored with a shorter window, it is that of the newest samples', () => {
    for (let length = 4; length < 12; length++) {
      const values = Array.from({ length }, (_, i) => i ** 2);
      const longer = learned(values, { last: 5 }).state();
      const shorter = Rolling.from({ ...longer, last: 3 });
      const fresh = learned(values.slice(-3), { last: 3 });
      for (const x of [7, 1, 9, 30, 2]) {
        expectClose([shorter.mean[0], shorter.variance[0]], [fresh.mean[0], fresh.variance[0]]);
        shorter.update([x]);
        fresh.update([x]);
      }
      const times = values.map((x, i): [number, number] => [i * 100, x]);
      const { mean } = Rolling.from({ ...atTimes(times).state(), lastMs: 150 });
      expectClose(mean[0], (values[length - 1] + values[length - 2]) / 2);
    }
  });

  test('frozen takes the numbers of the window', () => {
    const frozen = new Frozen(learned([100, 1, 2, 3], { last: 3 }).state());
    expectClose([frozen.mean[0], frozen.variance[0]], [2, 2 / 3]);
  });

  const byCount = learned([1, 2, 3], { last: 3 }).state();
  const byTime = atTimes([
    [0, 1],
    [10, 2],
  ]).state();
  test.each<[string, object, object, RegExp]>([
    ['half a row', byCount, { features: 2, openMean: [0, 0], openLow: [0, 0], openM2: [0, 0] }, /rows of 2/],
    ['values that are text', byCount, { values: ['1'] }, /values must be/],
    ['a closed part larger than the window', byCount, { closed: 4 }, /closed must fit the values/],
    ['a window of 1', byCount, { last: 1 }, /last must be a whole number >= 2/],
    ['times that descend', byTime, { times: [10, 0] }, /times must ascend/],
    ['fewer times than rows', byTime, { times: [10] }, /times must be an array of 2 numbers/],
    ['a negative spread', byTime, { openM2: [-1] }, /openM2 must be >= 0/],
  ])('%s is refused', (_, good, bad, message) => {
    expect(() => Rolling.from({ ...good, ...bad })).toThrow(StreamnormError);
    expect(() => Rolling.from({ ...good, ...bad })).toThrow(message);
  });

  test('a state that claims 1e9 features takes no memory', () => {
    expect(() => Rolling.from({ ...byCount, features: 1e9 })).toThrow(/openMean must be an array of 1000000000/);
  });
});

describe('parameters', () => {
  test.each([1, 0, -3, 1.5, Number.NaN, null, undefined, '30', '30 days', {}])('last %j throws', (last) => {
    expect(() => rolling({ last: last as never })).toThrow(/^rolling requires last to be/);
    expect(() => new Rolling({ features: 1, last: last as never })).toThrow(/^Rolling requires last to be/);
  });

  test.each([1, 2.5, 'many', null])('maxSamples %j throws', (maxSamples) => {
    expect(() => rolling({ last: '1s', maxSamples: maxSamples as never })).toThrow(
      /^rolling requires maxSamples to be/,
    );
  });

  test('maxSamples beside a count throws: the count is the bound', () => {
    expect(() => rolling({ last: 5, maxSamples: 10 })).toThrow(
      /^rolling takes maxSamples for a window in time, got 10/,
    );
  });

  test('timeOf that is no function and unknown options throw', () => {
    expect(() => rolling({ last: 5, timeOf: 3 as never })).toThrow(/^rolling requires timeOf to be a function, got 3/);
    expect(() => rolling({ last: 5, size: 3 } as never)).toThrow(/^rolling has no option 'size'; it has last,/);
  });
});

function learned(values: readonly number[], window: { last: number }): Rolling {
  const statistic = new Rolling({ features: 1, ...window });
  for (const x of values) statistic.update([x]);
  return statistic;
}

function atTimes(list: readonly (readonly [number, number])[]): Rolling {
  const statistic = new Rolling({ features: 1, last: '1s' });
  for (const [time, x] of list) statistic.update([x], time);
  return statistic;
}

function isReading(x: number): boolean {
  return Math.abs(x) <= 1e6;
}

/** Count, mean and deviation of each feature, in units of the readings' range. */
function numbers({ features, count, mean, variance }: Rolling): number[] {
  return Array.from({ length: features }, (_, j) => [count[j], mean[j] / 1e6, Math.sqrt(variance[j]) / 1e6]).flat();
}

function naive(rows: readonly (readonly number[])[]): number[] {
  const width = rows[0]?.length ?? 2;
  return Array.from({ length: width }, (_, j) => {
    const values = rows.map((row) => row[j]).filter(isReading);
    if (values.length === 0) return [0, 0, 0];
    const variance = rounded(exactVariance(values));
    return [values.length, rounded(exactMean(values)) / 1e6, Math.sqrt(variance) / 1e6];
  }).flat();
}
