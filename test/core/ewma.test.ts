import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { doubleOfAnyExponent, readingOrNot } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';

test('by count each sample keeps 1 - alpha of the weights before it', () => {
  const ewma = new Ewma({ features: 1, alpha: 0.5 });
  const steps = [1, 4, 4].map((x) => {
    ewma.update([x]);
    return [ewma.mean[0], ewma.variance[0], ewma.nEff(0)];
  });
  // weights 1; 1/2 1; 1/4 1/2 1
  expectClose(steps, [
    [1, 0, 1],
    [3, 2, 1.8],
    [25 / 7, 54 / 49, 3.0625 / 1.3125],
  ]);
});

test('alpha, retain and halfLife are three names of one rate', () => {
  const rates = [{ alpha: 0.5 }, { retain: 0.5 }, { halfLife: 1 }];
  const states = rates.map((rate) => learned([1, 2, 4], rate).state());
  expectClose(
    states.map(({ mean }) => mean),
    [states[0].mean, states[0].mean, states[0].mean],
  );
});

test('the default rate is alpha 0.1', () => {
  expect(learned([1, 2, 4], {}).state()).toEqual(learned([1, 2, 4], { alpha: 0.1 }).state());
});

test('cumulative weighs all samples alike', () => {
  const everything = new Cumulative({ features: 1 });
  for (const x of [1, 2, 4, 8]) everything.update([x]);
  const ewma = learned([1, 2, 4, 8], { cumulative: true });
  expectClose([ewma.mean[0], ewma.variance[0], ewma.nEff(0)], [everything.mean[0], everything.variance[0], 4]);
});

describe('by time', () => {
  test('a sample one half-life old weighs half', () => {
    const ewma = atTimes([
      [0, 1],
      [4000, 4],
    ]);
    expectClose([ewma.mean[0], ewma.variance[0]], [3, 2]);
  });

  test('a late sample is exact: nothing else decays', () => {
    expectClose(
      numbers(
        atTimes([
          [4000, 4],
          [0, 1],
        ]),
      ),
      numbers(
        atTimes([
          [0, 1],
          [4000, 4],
        ]),
      ),
    );
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined])('a sample at time %s is not learned', (time) => {
    const ewma = atTimes([[0, 1]]);
    const before = JSON.stringify(ewma.state());
    ewma.update([2], time);
    expect(JSON.stringify(ewma.state())).toBe(before);
  });

  test('after a gap of 2,000 half-lives only the new sample counts, exactly', () => {
    const ewma = atTimes([
      [0, 1e100],
      [1000, -1e100],
      [8_000_000, 3],
    ]);
    expect([ewma.mean[0], ewma.variance[0], ewma.nEff(0)]).toEqual([3, 0, 1]);
  });

  test('a feature that was missing for long does not decay by what the others do', () => {
    const ewma = new Ewma({ features: 2, halfLife: '4s' });
    ewma.update([1, 1], 0);
    ewma.update([Number.NaN, 5], 2000);
    ewma.update([4, 9], 4000);
    expectClose([ewma.mean[0], ewma.variance[0]], [3, 2]);
  });
});

describe('merge', () => {
  test('by alpha throws: the common order of the samples is unknown', () => {
    expect(() => learned([1], { alpha: 0.5 }).merge(learned([2], { alpha: 0.5 }))).toThrow(
      /requires a half-life in time/,
    );
  });

  test('of another half-life or width throws', () => {
    const ewma = atTimes([[0, 1]]);
    expect(() => ewma.merge(new Ewma({ features: 1, halfLife: '5s' }))).toThrow(/the same half-life/);
    expect(() => ewma.merge(new Ewma({ features: 2, halfLife: '4s' }))).toThrow(/the same features/);
  });

  test('with an empty one changes nothing, and an empty one becomes the other, bit by bit', () => {
    const ewma = atTimes([
      [0, 0.1],
      [1000, 0.7],
      [2500, 0.3],
    ]);
    const before = JSON.stringify(ewma.state());
    ewma.merge(atTimes([]));
    expect(JSON.stringify(ewma.state())).toBe(before);
    const empty = atTimes([]);
    empty.merge(ewma);
    expect(JSON.stringify(empty.state())).toBe(before);
  });
});

const timedReadings = fc.array(fc.tuple(fc.integer({ min: 0, max: 60_000 }), readingOrNot), { maxLength: 60 });

test('by time the result does not depend on the order of arrival', () => {
  const orders = timedReadings.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  );
  fc.assert(
    fc.property(orders, ([list, shuffled]) => {
      expectClose(numbers(atTimes(shuffled)), numbers(atTimes(list)), 1e-9);
    }),
  );
});

test('by time the shards, merged in any tree, give the whole', () => {
  fc.assert(
    fc.property(
      fc.array(timedReadings, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat()),
      (parts, choices) => {
        const forest = parts.map(atTimes);
        while (forest.length > 1) {
          const [other] = forest.splice(1 + (choices.next().value % (forest.length - 1)), 1);
          forest[choices.next().value % forest.length].merge(other);
        }
        expectClose(numbers(forest[0]), numbers(atTimes(parts.flat())), 1e-9);
      },
    ),
  );
});

test('the mean stays within the data and the variance is not negative, for any rate and exponents', () => {
  const alpha = fc.oneof(fc.constantFrom(1, 1 - 2 ** -53, 0.5, 1e-17), fc.double({ min: 1e-9, max: 1, noNaN: true }));
  fc.assert(
    fc.property(fc.array(doubleOfAnyExponent(), { minLength: 1 }), alpha, (values, rate) => {
      const ewma = new Ewma({ features: 1, alpha: rate });
      values.forEach((x, i) => {
        ewma.update([x]);
        const seen = values.slice(0, i + 1);
        expect(ewma.mean[0]).toBeGreaterThanOrEqual(Math.min(...seen));
        expect(ewma.mean[0]).toBeLessThanOrEqual(Math.max(...seen));
        expect(ewma.variance[0]).toBeGreaterThanOrEqual(0);
      });
    }),
  );
});

test('weighted sums over all samples give the same numbers', () => {
  fc.assert(
    fc.property(timedReadings, (list) => {
      expectClose(numbers(atTimes(list)), numbersFromAllSamples(list), 1e-9);
    }),
  );
});

// regression: mean + (x - mean) is not x, so alpha 1 kept a trace of 1e100, and the variance could turn negative
test('alpha 1 remembers the last sample only', () => {
  const ewma = learned([1e100, 3, -1e16, 0.1], { alpha: 1 });
  expect([ewma.mean[0], ewma.variance[0]]).toEqual([0.1, 0]);
});

// regression: a half-life such as 1e-7 ms was saved in a form that could not be read back
test.each(['0.0000001ms', '100000000000000000000h'] as const)(
  'a half-life of %s survives its own state',
  (halfLife) => {
    const ewma = new Ewma({ features: 1, halfLife });
    ewma.update([1], 0);
    expect(Ewma.from(JSON.parse(JSON.stringify(ewma.state()))).state()).toEqual(ewma.state());
  },
);

function learned(values: readonly number[], rate: object): Ewma {
  const ewma = new Ewma({ features: 1, ...rate });
  for (const x of values) ewma.update([x]);
  return ewma;
}

function atTimes(list: readonly (readonly [number, number])[]): Ewma {
  const ewma = new Ewma({ features: 1, halfLife: '4s' });
  for (const [time, x] of list) ewma.update([x], time);
  return ewma;
}

/** Mean and deviation in units of the readings' range, effective number and count. */
function numbers(ewma: Ewma): number[] {
  return [ewma.mean[0] / 1e6, Math.sqrt(ewma.variance[0]) / 1e6, ewma.nEff(0), ewma.count[0]];
}

function numbersFromAllSamples(list: readonly (readonly [number, number])[]): number[] {
  const usable = list.filter(([, x]) => Math.abs(x) <= 1e6);
  if (usable.length === 0) return [0, 0, 0, 0];
  const newest = Math.max(...usable.map(([time]) => time));
  const weights = usable.map(([time]) => 2 ** (-(newest - time) / 4000));
  const total = weights.reduce((sum, w) => sum + w, 0);
  const mean = usable.reduce((sum, [, x], i) => sum + weights[i] * x, 0) / total;
  const variance = usable.reduce((sum, [, x], i) => sum + weights[i] * (x - mean) ** 2, 0) / total;
  return [
    mean / 1e6,
    Math.sqrt(variance) / 1e6,
    total ** 2 / weights.reduce((sum, w) => sum + w * w, 0),
    usable.length,
  ];
}
