import fc from 'fast-check';
import { of } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { Robust, type RobustOptions, robust } from '../../src/core/robust.ts';
import { StreamnormError } from '../../src/errors.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';
import { mulberry32 } from '../support/strd.ts';

test('Robust tells median and IQR after each sample', () => {
  const statistic = new Robust({ features: 1 });
  const steps = [3, 1, 2, 4, 1e6].map((x) => {
    statistic.update([x]);
    return [statistic.count[0], statistic.mean[0], Math.sqrt(statistic.variance[0])];
  });
  // numpy: percentile(x, [25, 50, 75])
  expectClose(steps, [
    [1, 3, 0],
    [2, 2, 1],
    [3, 2, 1],
    [4, 2.5, 1.5],
    [5, 3, 2],
  ]);
});

test('normalize(robust()) does not mind a wild value', () => {
  const z = collected(of(1, 2, 3, 4, 1e6, 5).pipe(normalize(robust(), { eps: 0 })));
  expectClose(z, [Number.NaN, Number.NaN, 3, 2, (1e6 - 2.5) / 1.5, 1]);
});

test('unitVariance divides by IQR/1.349, the deviation of normal data', () => {
  const statistic = learned(gaussians(20_000, 4), { unitVariance: true });
  expect(Math.sqrt(statistic.variance[0])).toBeCloseTo(1, 1);
  const halves = learned([0, 1, 2, 3, 4], { unitVariance: true });
  expectClose(Math.sqrt(halves.variance[0]), 2 / 1.3489795003921634);
});

describe('accuracy, where a sketch of relative error has none', () => {
  const noise = gaussians(50_000, 1);
  test.each<[string, number[]]>([
    ['noise', noise],
    ['1e9 + noise', noise.map((x) => 1e9 + x)],
    ['1e-9 · noise', noise.map((x) => 1e-9 * x)],
    ['heavy tails (Cauchy)', noise.map((x, i) => x / noise[(i + 1) % noise.length])],
    ['drift', noise.map((x, i) => x + i / 5000)],
    ['a ramp', noise.map((_, i) => i)],
    ['a ramp down', noise.map((_, i) => -i)],
    ['few different values', noise.map((x) => Math.round(x))],
  ])('%s: median and IQR within 1 % of the IQR', (_, values) => {
    const statistic = learned(values);
    const [low, median, high] = quartiles(values);
    const iqr = high - low;
    expect(Math.abs(statistic.mean[0] - median) / iqr).toBeLessThan(0.01);
    expect(Math.abs(Math.sqrt(statistic.variance[0]) - iqr) / iqr).toBeLessThan(0.01);
  });
});

test('up to 256 values it is exact after each sample, unusable ones skipped', () => {
  fc.assert(
    fc.property(fc.array(readingOrNot, { maxLength: 256 }), (values) => {
      const statistic = new Robust({ features: 1 });
      const known: number[] = [];
      for (const x of values) {
        statistic.update([x]);
        if (Math.abs(x) <= 1e6) known.push(x);
      }
      expect(statistic.count[0]).toBe(known.length);
      if (known.length === 0) return;
      const [low, median, high] = quartiles(known);
      expectClose(
        [statistic.mean[0] / 1e6, Math.sqrt(statistic.variance[0]) / 1e6],
        [median / 1e6, (high - low) / 1e6],
      );
    }),
  );
});

describe('edges', () => {
  test('a row without any usable value changes nothing', () => {
    const statistic = learned([1, 2, 3]);
    const before = JSON.stringify(statistic.state());
    for (const x of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, null]) statistic.update([x as number]);
    expect(JSON.stringify(statistic.state())).toBe(before);
  });

  test('equal values have no spread, however many', () => {
    const statistic = learned(new Array<number>(3000).fill(0.1));
    expect([statistic.mean[0], statistic.variance[0]]).toEqual([0.1, 0]);
  });

  test('a feature half of whose values are the same is constant', () => {
    const details = collected(of(0, 0, 0, 0, 5, 0, 0, 9).pipe(normalize(robust(), { eps: 0, detail: true })));
    expect([details[7].value, details[7].flags]).toEqual([0, ['constant']]);
  });
});

describe('with a rate it forgets', () => {
  test('the median follows a shift after about a half-life, where without a rate it stays', () => {
    const shifted = [...gaussians(4000, 2), ...gaussians(1000, 3).map((x) => x + 100)];
    expect(learned(shifted).mean[0]).toBeLessThan(5);
    expect(learned(shifted, { halfLife: 500 }).mean[0]).toBeGreaterThan(98);
  });

  test('alpha, retain and halfLife are three names of one rate', () => {
    const values = gaussians(2000, 5);
    const [a, b, c] = [{ halfLife: 100 }, { alpha: 1 - 2 ** -0.01 }, { retain: 2 ** -0.01 }].map((rate) => {
      const { mean, variance } = learned(values, rate);
      return [mean[0], variance[0]];
    });
    expectClose(b, a, 1e-6);
    expectClose(c, a, 1e-6);
  });

  test('a weighted sort gives the same median, within 1 % of the weight', () => {
    const values = gaussians(3000, 6).map((x, i) => x + i / 1000);
    for (const halfLife of [5, 50, 500]) {
      const statistic = learned(values, { halfLife });
      const weights = values.map((x, i) => ({ x, w: 2 ** ((i - values.length) / halfLife) }));
      const total = weights.reduce((sum, { w }) => sum + w, 0);
      const below = weights.filter(({ x }) => x < statistic.mean[0]).reduce((sum, { w }) => sum + w, 0);
      // half of the heaviest single value, and 1 % for the centroids
      expect(Math.abs(below / total - 0.5)).toBeLessThan(0.01 + 0.5 / halfLife);
      expectClose(statistic.nEff(0), total ** 2 / weights.reduce((sum, { w }) => sum + w * w, 0), 1e-6);
    }
  });

  test('alpha 1 remembers the last value only', () => {
    const statistic = learned([1e100, 3, -1e16, 0.1], { alpha: 1 });
    expect([statistic.mean[0], statistic.variance[0], statistic.nEff(0)]).toEqual([0.1, 0, 1]);
  });

  test('by time, the order of arrival does not matter while all values are kept', () => {
    const samples = gaussians(150, 7).map((x, i): [number, number] => [(i * 7919) % 60_000, x]);
    const sorted = samples.toSorted(([a], [b]) => a - b);
    // a merge takes in what is still waiting
    const [shuffled, ordered] = [samples, sorted].map((list) => {
      const settled = atTimes([]);
      settled.merge(atTimes(list));
      return settled;
    });
    expectClose([shuffled.mean[0], shuffled.variance[0]], [ordered.mean[0], ordered.variance[0]], 1e-9);
  });

  test('by time, after a gap of 2,000 half-lives only the new value counts', () => {
    const statistic = atTimes([
      [0, 1e100],
      [1000, -1e100],
      [8_000_000, 3],
    ]);
    expect([statistic.mean[0], statistic.variance[0], statistic.nEff(0)]).toEqual([3, 0, 1]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined])('a sample at time %s is not learned', (time) => {
    const statistic = atTimes([[0, 1]]);
    const before = JSON.stringify(statistic.state());
    statistic.update([2], time);
    expect(JSON.stringify(statistic.state())).toBe(before);
  });
});

describe('merge', () => {
  test('of few values is exact', () => {
    const one = learned([1, 2, 3]);
    one.merge(learned([4, 5, 1e6]));
    const [low, median, high] = quartiles([1, 2, 3, 4, 5, 1e6]);
    expectClose([one.mean[0], Math.sqrt(one.variance[0]), one.count[0]], [median, high - low, 6]);
  });

  test('of eight shards is within 1 % of rank of the whole, and the other is untouched', () => {
    const values = gaussians(40_000, 8).map((x, i) => x + i / 10_000);
    const shards = Array.from({ length: 8 }, (_, s) => learned(values.filter((_, i) => i % 8 === s)));
    const before = JSON.stringify(shards[7].state());
    const [first, ...others] = shards;
    for (const other of others) first.merge(other);
    expect(JSON.stringify(shards[7].state())).toBe(before);
    const below = values.filter((x) => x < first.mean[0]).length / values.length;
    expect(Math.abs(below - 0.5)).toBeLessThan(0.01);
    const [low, , high] = quartiles(values);
    expect(Math.abs(Math.sqrt(first.variance[0]) / (high - low) - 1)).toBeLessThan(0.02);
  });

  test('by time both are brought to the later time', () => {
    const samples = gaussians(100, 9).map((x, i): [number, number] => [i * 300, x]);
    const [early, late] = [atTimes(samples.slice(0, 50)), atTimes(samples.slice(50))];
    const whole = atTimes(samples);
    for (const [a, b] of [
      [early, late],
      [late, Robust.from(early.state())],
    ]) {
      const joined = Robust.from(a.state());
      joined.merge(b);
      expectClose([joined.mean[0], joined.variance[0]], [whole.mean[0], whole.variance[0]], 1e-9);
    }
  });

  test('with an empty one changes nothing, and an empty one becomes the other', () => {
    const statistic = learned([1, 2, 5]);
    const before = statistic.state();
    statistic.merge(learned([]));
    expect(statistic.state()).toEqual(before);
    const empty = learned([]);
    empty.merge(statistic);
    expect([empty.mean[0], empty.variance[0], empty.count[0]]).toEqual([2, 4, 3]);
    expect(Robust.from(empty.state()).state()).toEqual(empty.state());
  });

  test('by count, or of other options, throws', () => {
    expect(() => learned([1], { alpha: 0.1 }).merge(learned([2], { alpha: 0.1 }))).toThrow(
      /^Robust.merge requires a half-life in time, or none/,
    );
    expect(() => learned([1]).merge(new Robust({ features: 2 }))).toThrow(/^Robust.merge requires the same features/);
  });
});

describe('state', () => {
  test.each<[string, RobustOptions]>([
    ['cumulative', {}],
    ['by count', { halfLife: 40 }],
    ['by time', { halfLife: '3.3s', unitVariance: true }],
  ])('%s: restored, the next 1,000 numbers are bit-identical', (_, options) => {
    const noise = gaussians(2600, 10);
    const rows = noise.slice(0, 1300).map((x, i) => [x, i % 11 === 0 ? Number.NaN : noise[i + 1300]]);
    const times = noise.slice(0, 1300).map((x, i) => i * 100 + 300 * x);
    const statistic = new Robust({ features: 2, ...options });
    for (const [i, row] of rows.slice(0, 301).entries()) statistic.update(row, times[i]);
    const restored = Robust.from(JSON.parse(JSON.stringify(statistic.state())));
    expect(restored.state()).toEqual(statistic.state());
    rows.slice(301).forEach((row, i) => {
      statistic.update(row, times[301 + i]);
      restored.update(row, times[301 + i]);
      expect([...restored.mean, ...restored.variance]).toEqual([...statistic.mean, ...statistic.variance]);
    });
    expect(restored.state()).toEqual(statistic.state());
  });

  const good = learned([1, 2, 3], { halfLife: 10 }).state();
  const [digest] = good.digest;
  test.each<[string, object, RegExp]>([
    ['means that descend', { digest: [{ ...digest, mean: [3, 2, 1] }] }, /digest must be 1 lists of ascending means/],
    ['a weight of 0', { digest: [{ ...digest, weight: [1, 0, 1] }] }, /digest must be/],
    ['fewer weights than means', { digest: [{ ...digest, weight: [1] }] }, /digest must be/],
    ['no digest', { digest: [] }, /digest must be/],
    ['no landmark where there are values', { landmark: [null] }, /landmark must be 1 numbers/],
    ['a rate of 0', { alpha: 0 }, /alpha must be in \(0, 1\]/],
    ['unitVariance that is text', { unitVariance: 'yes' }, /unitVariance must be true or false/],
    ['a negative sum of weights', { digest: [{ ...digest, total: -1 }] }, /digest must be/],
  ])('%s is refused', (_, bad, message) => {
    expect(() => Robust.from({ ...good, ...bad })).toThrow(StreamnormError);
    expect(() => Robust.from({ ...good, ...bad })).toThrow(message);
  });
});

describe('parameters', () => {
  test('no rate is cumulative, unlike in its siblings', () => {
    expect(learned([1], {}).state()).toEqual(learned([1], { cumulative: true }).state());
    expect(learned([1], {}).state()).not.toHaveProperty('alpha');
  });

  test.each<[object, RegExp]>([
    [{ alpha: 1.5 }, /^robust requires alpha in \(0, 1\], got 1.5/],
    [{ alpha: 0.1, halfLife: 3 }, /^robust takes exactly one rate, got alpha and halfLife/],
    [{ momentum: 0.1 }, /^robust has no option 'momentum', since it has two opposite meanings/],
    [{ cumulative: 1 }, /^robust requires cumulative to be true or absent/],
    [{ unitVariance: null }, /^robust requires unitVariance to be true or false, got null/],
    [{ timeOf: 't' }, /^robust requires timeOf to be a function/],
    [{ iqr: true }, /^robust has no option 'iqr'; it has alpha, .*, unitVariance, timeOf$/],
  ])('%j throws', (options, message) => expect(() => robust(options as never)).toThrow(message));
});

// regression: JSON has no -0, so a restored statistic differed in the sign of its zeros
test('-0 is 0', () => {
  const statistic = learned([-0, -0]);
  expect(statistic.mean[0]).toBe(0);
  expect(Robust.from(JSON.parse(JSON.stringify(statistic.state()))).mean[0]).toBe(0);
});

function learned(values: readonly number[], options: RobustOptions = {}): Robust {
  const statistic = new Robust({ features: 1, ...options });
  for (const x of values) statistic.update([x]);
  return statistic;
}

function atTimes(list: readonly (readonly [number, number])[]): Robust {
  const statistic = new Robust({ features: 1, halfLife: '4s' });
  for (const [time, x] of list) statistic.update([x], time);
  return statistic;
}

function quartiles(values: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  return [0.25, 0.5, 0.75].map((part) => {
    const place = part * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  });
}

/** Normally distributed numbers (Box–Muller), seeded. */
function gaussians(count: number, seed: number): number[] {
  const next = mulberry32(seed);
  const uniform = () => (next() + 1) / (2 ** 32 + 1);
  return Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}
