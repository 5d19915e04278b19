import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Adwin, type AdwinOptions, adwin } from '../../src/core/adwin.ts';
import { StreamnormError } from '../../src/errors.ts';
import { expectClose } from '../support/close.ts';
import { DRIFT_CASES, driftValues } from '../support/drift-cases.ts';
import { mulberry32 } from '../support/strd.ts';

test('Adwin finds a step at the next test, and keeps what came after it', () => {
  const detector = new Adwin();
  const found = steps(detector, [...new Array<number>(64).fill(0.1), ...new Array<number>(32).fill(0.9)]);
  expect(found.map(({ index }) => index)).toEqual([95]);
  expect(found[0]).toMatchObject({ kind: 'increase', before: 64, after: 32 });
  expectClose([found[0].meanBefore, found[0].meanAfter, detector.mean], [0.1, 0.9, 0.9]);
  expect([detector.width, detector.detections]).toEqual([32, 1]);
});

describe.each(DRIFT_CASES)('River finds the same: $name', (stream) => {
  const values = driftValues(stream);
  const gradual = stream.name === 'ramp';

  test.each(stream.adwin)('delta $delta, clock $clock', ({ found: expected, ...options }) => {
    const at = steps(optionsOf(options), values).map(({ index }) => index);
    // the first change at the very value; after it River starts from nothing, so the next ones may differ
    expect(at[0]).toBe(expected[0]);
    if (gradual) expect(at.length).toBeGreaterThanOrEqual(expected.length);
    else for (const index of expected) expect(at.some((i) => Math.abs(i - index) <= 32)).toBe(true);
  });
});

describe('what the paper promises', () => {
  test('no more false alarms than delta for each test, on streams that do not change', () => {
    let alarms = 0;
    let tests = 0;
    for (let seed = 0; seed < 40; seed++) {
      const detector = new Adwin({ delta: 0.05 });
      alarms += steps(detector, uniforms(4000, seed)).length;
      tests += 4000 / 32;
    }
    expect(alarms / tests).toBeLessThan(0.05);
  });

  test.each([0.002, 0.05, 1e-6])('the delay after a step grows with ln(1/delta): delta %d', (delta) => {
    const step = 0.3;
    const variance = 1 / 12 + (step / 2) ** 2;
    const doubt = Math.log((2 * Math.log(2000)) / delta);
    // where the bound is met with n0 → ∞: step = √(2/n·variance·doubt) + 2/(3n)·doubt
    const root =
      (Math.sqrt(2 * variance * doubt) + Math.sqrt(2 * variance * doubt + (8 / 3) * step * doubt)) / 2 / step;
    for (let seed = 100; seed < 110; seed++) {
      const values = uniforms(3000, seed).map((x, i) => (i < 2000 ? x : x + step));
      const [first] = steps(new Adwin({ delta, clock: 1 }), values);
      expect(first.index).toBeGreaterThanOrEqual(2000);
      expect(first.index - 2000).toBeLessThan(2 * root ** 2);
      expect(Math.abs(first.meanAfter - first.meanBefore - step)).toBeLessThan(0.2);
    }
  });

  test('the mean of the window follows a shift, where that of everything does not', () => {
    const detector = new Adwin();
    for (const x of uniforms(5000, 7)) detector.update(x);
    expect(Math.abs(detector.mean - 0.5)).toBeLessThan(0.02);
    for (const x of uniforms(1000, 8)) detector.update(0.4 + x);
    expect(Math.abs(detector.mean - 0.9)).toBeLessThan(0.05);
    expect(detector.width).toBeLessThan(1200);
  });

  test('buckets grow as the logarithm of the window', () => {
    const detector = new Adwin();
    for (const x of uniforms(100_000, 9)) detector.update(x);
    expect(detector.width).toBe(100_000);
    expect(detector.buckets).toBeLessThanOrEqual(5 * (Math.log2(100_000 / 5) + 2));
  });
});

test('window, mean and variance are those of the newest values, whatever has been dropped', () => {
  const shifts = fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: -5, max: 5 })), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(shifts, fc.nat(), fc.constantFrom(0, 1e9), (parts, seed, base) => {
      const next = mulberry32(seed);
      const values = parts.flatMap(([count, shift]) =>
        Array.from({ length: count }, () => base + shift + next() / 2 ** 32),
      );
      const detector = new Adwin({ clock: 8, range: 0 });
      for (const x of values) detector.update(x);
      const window = values.slice(values.length - detector.width);
      if (window.length === 0) return;
      const mean = window.reduce((sum, x) => sum + (x - base), 0) / window.length;
      const variance = window.reduce((sum, x) => sum + (x - base - mean) ** 2, 0) / window.length;
      expectClose([detector.mean - base, detector.variance], [mean, variance], base === 0 ? 1e-12 : 1e-6);
    }),
  );
});

test('1e9 + noise has the changes of the noise', () => {
  const noise = uniforms(3000, 11).map((x, i) => (i < 1500 ? x : x + 0.5));
  const plain = steps(new Adwin(), noise);
  const shifted = steps(
    new Adwin(),
    noise.map((x) => x + 1e9),
  );
  expect(plain.length).toBeGreaterThan(0);
  expect(shifted.map(({ index, before }) => [index, before])).toEqual(
    plain.map(({ index, before }) => [index, before]),
  );
});

test('range scales with the data: a thousandfold stream has the same changes', () => {
  const values = uniforms(3000, 12).map((x, i) => (i < 1500 ? x : x + 0.3));
  const scaled = steps(
    new Adwin({ range: 1000 }),
    values.map((x) => 1000 * x),
  );
  expect(scaled.map(({ index }) => index)).toEqual(steps(new Adwin(), values).map(({ index }) => index));
});

test('unusable values are skipped', () => {
  const detector = new Adwin();
  detector.update(1);
  const before = JSON.stringify(detector.state());
  for (const x of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, null, undefined]) {
    expect(detector.update(x as number)).toBeUndefined();
  }
  expect(JSON.stringify(detector.state())).toBe(before);
});

test('equal values never change', () => {
  expect(steps(new Adwin({ range: 0 }), new Array<number>(1000).fill(0.1))).toEqual([]);
});

describe('state', () => {
  test('restored, what follows is the same, to the last bit', () => {
    const values = uniforms(2000, 13).map((x, i) => (i < 1200 ? x : x + 1));
    const detector = new Adwin({ delta: 0.01, clock: 5, maxBuckets: 3, minWindow: 4, range: 2 });
    for (const x of values.slice(0, 1111)) detector.update(x);
    const restored = Adwin.from(JSON.parse(JSON.stringify(detector.state())));
    for (const x of values.slice(1111)) {
      expect(restored.update(x)).toEqual(detector.update(x));
    }
    expect(restored.state()).toEqual(detector.state());
    expect(detector.detections).toBeGreaterThan(0);
  });

  const good = new Adwin().state();
  test.each<[string, object, RegExp]>([
    ['delta 1', { delta: 1 }, /delta must be in \(0, 1\)/],
    [
      'a row of too many buckets',
      { buckets: [{ mean: [1, 2, 3, 4, 5, 6], m2: [0, 0, 0, 0, 0, 0] }] },
      /buckets must be/,
    ],
    ['more means than squares', { buckets: [{ mean: [1], m2: [] }] }, /buckets must be rows of at most 5 means/],
    ['a negative square', { buckets: [{ mean: [1], m2: [-1] }] }, /buckets must be/],
    ['ticks that are text', { ticks: '3' }, /ticks must be a whole number/],
  ])('%s is refused', (_, bad, message) => {
    expect(() => Adwin.from({ ...good, ...bad })).toThrow(StreamnormError);
    expect(() => Adwin.from({ ...good, ...bad })).toThrow(message);
  });
});

test.each<[object, RegExp]>([
  [{ delta: 0 }, /^adwin requires delta in \(0, 1\), got 0/],
  [{ delta: '0.1' }, /^adwin requires delta in \(0, 1\), got '0.1'/],
  [{ range: -1 }, /^adwin requires range to be >= 0 and finite/],
  [{ clock: 0 }, /^adwin requires clock to be a whole number >= 1/],
  [{ maxBuckets: 1.5 }, /^adwin requires maxBuckets to be a whole number >= 1/],
  [{ minWindow: null }, /^adwin requires minWindow to be a whole number >= 1/],
  [{ alpha: 0.1 }, /^adwin has no option 'alpha'; it has delta, range, clock, maxBuckets, minWindow$/],
])('%j throws', (options, message) => expect(() => adwin(options as never)).toThrow(message));

interface Names {
  delta?: number;
  clock?: number;
  max_buckets?: number;
  min_window_length?: number;
}

function optionsOf({ delta, clock, max_buckets, min_window_length }: Names): Adwin {
  const options: AdwinOptions = { delta, clock, maxBuckets: max_buckets, minWindow: min_window_length };
  return new Adwin(options);
}

function steps(detector: Adwin, values: readonly number[]) {
  return values.flatMap((x, index) => {
    const state = detector.update(x);
    return state === undefined ? [] : [{ ...state, index }];
  });
}

function uniforms(count: number, seed: number): number[] {
  const next = mulberry32(seed);
  return Array.from({ length: count }, () => next() / 2 ** 32);
}
