import { describe, expect, test } from 'vitest';
import { PageHinkley, pageHinkley } from '../../src/core/page-hinkley.ts';
import { StreamnormError } from '../../src/errors.ts';
import { expectClose } from '../support/close.ts';
import { DRIFT_CASES, driftValues } from '../support/drift-cases.ts';
import { mulberry32 } from '../support/strd.ts';

test('PageHinkley finds a step once the deviations have gathered, and where it began', () => {
  const detector = new PageHinkley({ threshold: 5 });
  const values = Array.from({ length: 50 }, (_, i) => (i < 40 ? 0 : 1));
  const found = steps(detector, values);
  expect(found).toEqual([{ kind: 'increase', meanBefore: 0, meanAfter: 1, before: 40, after: 6, index: 45 }]);
});

describe.each(DRIFT_CASES)('River finds the same, value by value: $name', (stream) => {
  const values = driftValues(stream);

  test('the values are the same', () => expect(values.slice(0, 3)).toEqual(stream.head));

  test.each(stream.page_hinkley)('threshold $threshold, delta $delta, alpha $alpha, $mode', (names) => {
    const { threshold, delta, alpha, min_instances, mode, found } = names;
    const detector = new PageHinkley({
      threshold,
      delta,
      retain: alpha,
      minSamples: min_instances,
      direction: mode === 'up' ? 'increase' : mode === 'down' ? 'decrease' : 'both',
    });
    expect(steps(detector, values).map(({ index }) => index)).toEqual(found);
  });
});

test('on a stream that does not change it is silent, with a delta above the noise of the mean', () => {
  for (let seed = 0; seed < 20; seed++) {
    expect(steps(new PageHinkley({ delta: 0.1, threshold: 10 }), uniforms(5000, seed))).toEqual([]);
  }
});

test('the delay is about threshold / (step - delta)', () => {
  for (const step of [0.5, 1, 2]) {
    const values = uniforms(3000, 3).map((x, i) => (i < 2000 ? x : x + step));
    const [first] = steps(new PageHinkley({ delta: 0.1, threshold: 10 }), values);
    const expected = 10 / (step - 0.1);
    expect(first.kind).toBe('increase');
    expect(first.index - 2000).toBeGreaterThan(expected / 2);
    expect(first.index - 2000).toBeLessThan(expected * 1.5 + 5);
    expect(Math.abs(first.before - 2000)).toBeLessThan(20);
    expect(first.meanAfter).toBeGreaterThan(first.meanBefore);
  }
});

test('a decrease is the mirror image of an increase', () => {
  const values = uniforms(1000, 5).map((x, i) => (i < 500 ? x : x + 1));
  const [up] = steps(new PageHinkley({ threshold: 10 }), values);
  const [down] = steps(
    new PageHinkley({ threshold: 10 }),
    values.map((x) => -x),
  );
  expect(down).toMatchObject({ kind: 'decrease', index: up.index, before: up.before, after: up.after });
  expectClose([down.meanBefore, down.meanAfter], [-up.meanBefore, -up.meanAfter]);
});

test('unusable values are skipped', () => {
  const detector = new PageHinkley();
  detector.update(1);
  const before = JSON.stringify(detector.state());
  for (const x of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, null]) {
    expect(detector.update(x as number)).toBeUndefined();
  }
  expect(JSON.stringify(detector.state())).toBe(before);
});

describe('state', () => {
  test('restored at any point, what follows is the same', () => {
    const values = uniforms(1500, 6).map((x, i) => (i % 600 < 300 ? x : x + 2));
    for (const cut of [0, 1, 299, 310, 777]) {
      const detector = new PageHinkley({ threshold: 8, delta: 0.2, minSamples: 10 });
      for (const x of values.slice(0, cut)) detector.update(x);
      const restored = PageHinkley.from(JSON.parse(JSON.stringify(detector.state())));
      expect(steps(restored, values.slice(cut))).toEqual(steps(detector, values.slice(cut)));
      expect(restored.state()).toEqual(detector.state());
    }
  });

  const good = new PageHinkley().state();
  test.each<[string, object, RegExp]>([
    ['a threshold of 0', { threshold: 0 }, /threshold must be > 0/],
    ['a side without its sum', { increase: { ...good.increase, sum: null } }, /increase must hold the numbers sum,/],
    ['another direction', { direction: 'up' }, /direction must be one of both, increase, decrease/],
    ['a retain of 2', { retain: 2 }, /retain must be in \(0, 1\]/],
  ])('%s is refused', (_, bad, message) => {
    expect(() => PageHinkley.from({ ...good, ...bad })).toThrow(StreamnormError);
    expect(() => PageHinkley.from({ ...good, ...bad })).toThrow(message);
  });
});

test.each<[object, RegExp]>([
  [{ delta: -1 }, /^pageHinkley requires delta to be >= 0 and finite, got -1/],
  [{ threshold: 0 }, /^pageHinkley requires threshold to be > 0 and finite/],
  [{ retain: 0 }, /^pageHinkley requires retain in \(0, 1\]/],
  [{ minSamples: 0 }, /^pageHinkley requires minSamples to be a whole number >= 1/],
  [{ direction: 'up' }, /^pageHinkley requires direction to be one of both, increase, decrease, got 'up'/],
  [{ alpha: 0.9999 }, /^pageHinkley has no option 'alpha'; it has delta, threshold, retain, minSamples, direction$/],
])('%j throws', (options, message) => expect(() => pageHinkley(options as never)).toThrow(message));

function steps(detector: PageHinkley, values: readonly number[]) {
  return values.flatMap((x, index) => {
    const state = detector.update(x);
    return state === undefined ? [] : [{ ...state, index }];
  });
}

function uniforms(count: number, seed: number): number[] {
  const next = mulberry32(seed);
  return Array.from({ length: count }, () => next() / 2 ** 32);
}
