import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Adwin, adwin } from '../../src/core/adwin.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import type { DriftDetectorFactory } from '../../src/core/drift-detector.ts';
import { DriftGuard } from '../../src/core/drift-guard.ts';
import { DriftWatch, type OnDrift } from '../../src/core/drift-watch.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { createNormalizer, METHOD_NAMES, type Method, type MethodOptions } from '../../src/core/methods.ts';
import { MinMax } from '../../src/core/min-max.ts';
import { MovingBatch } from '../../src/core/moving-batch.ts';
import { pageHinkley } from '../../src/core/page-hinkley.ts';
import { Robust } from '../../src/core/robust.ts';
import { Rolling } from '../../src/core/rolling.ts';
import type { Statistic } from '../../src/core/statistic.ts';
import { expectClose } from '../support/close.ts';
import { mulberry32 } from '../support/strd.ts';

const KINDS: Record<string, () => Statistic> = {
  Cumulative: () => new Cumulative({ features: 2 }),
  'Ewma by count': () => new Ewma({ features: 2, alpha: 0.05 }),
  'Ewma by time': () => new Ewma({ features: 2, halfLife: '1s' }),
  'Rolling by count': () => new Rolling({ features: 2, last: 300 }),
  'Rolling by time': () => new Rolling({ features: 2, last: '30s' }),
  MinMax: () => new MinMax({ features: 2 }),
  Robust: () => new Robust({ features: 2 }),
  'Robust, half-life': () => new Robust({ features: 2, halfLife: 50 }),
  'MovingBatch, debiased': () => new MovingBatch({ features: 2, size: 8, debias: true }),
  'MovingBatch, total': () => new MovingBatch({ features: 2, size: 8, variance: 'total' }),
};

/** Noise whose first feature jumps at row 400, and now and then has no value. */
const ROWS = shifted(800, 400);
const TIMES = ROWS.map((_, i) => i * 100);

describe.each(Object.entries(KINDS))('%s', (_, create) => {
  test("with 'reset', a feature that has changed is as if it had begun with the row that shows it, the others as ever", () => {
    const watched = guard(create(), adwin({ range: 0 }), 'reset');
    const plain = create();
    ROWS.forEach((row, i) => {
      watched.update(row, TIMES[i]);
      plain.update(row, TIMES[i]);
    });
    const found = watched.watch.take() ?? [];
    expect(found.map(({ feature, kind }) => [feature, kind])).toEqual([[0, 'increase']]);
    const [{ row: from }] = found;
    expect(from).toBeGreaterThanOrEqual(400);
    expect(from).toBeLessThan(500);
    const fresh = create();
    ROWS.forEach((row, i) => {
      // those before were of the other feature alone
      fresh.update(i < from ? [Number.NaN, row[1]] : row, TIMES[i]);
    });
    expectClose(numbers(watched, 0), numbers(fresh, 0));
    expectClose(numbers(watched, 1), numbers(plain, 1));
  });

  test("with 'tell', the numbers are those of a statistic that nobody watches, bit by bit", () => {
    const watched = guard(create(), adwin({ range: 0 }), 'tell');
    const plain = create();
    ROWS.forEach((row, i) => {
      watched.update(row, TIMES[i]);
      plain.update(row, TIMES[i]);
    });
    expect(watched.watch.take()).toHaveLength(1);
    expect({ ...watched.state(), drift: undefined }).toEqual({ ...plain.state(), drift: undefined });
  });

  test('frozen, it watches nothing and moves nothing', () => {
    const watched = guard(create(), adwin({ range: 0 }), 'reset');
    ROWS.slice(0, 100).forEach((row, i) => void watched.update(row, TIMES[i]));
    const before = JSON.stringify(watched.freeze().state());
    ROWS.forEach((row, i) => void watched.update(row, TIMES[i]));
    expect(JSON.stringify(watched.state())).toBe(before);
    expect(watched.watch.take()).toBeUndefined();
  });
});

describe('faster', () => {
  const always = (rows: readonly number[]): DriftDetectorFactory => ({
    kind: 'always',
    create: () => {
      let count = 0;
      const drift = { kind: 'increase' as const, meanBefore: 0, meanAfter: 1, before: 1, after: 1 };
      return { update: () => (rows.includes(count++) ? drift : undefined), state: () => ({ format: 'always/1' }) };
    },
  });

  test('by count, the rows from that which shows the change on are learned with factor · alpha, at most 1', () => {
    fc.assert(
      fc.property(
        samples,
        fc.nat(20),
        fc.constantFrom(0.05, 0.3, 1),
        fc.constantFrom(2, 30),
        (xs, at, alpha, factor) => {
          const watched = guard(new Ewma({ features: 1, alpha }), always([at]), { faster: factor, rows: 5 });
          const fast = Math.min(1, alpha * factor);
          const weighted = naive();
          xs.forEach((x, i) => {
            watched.update([x]);
            weighted.add(x, 1 - (i >= at && i < at + 5 ? fast : alpha));
          });
          expectClose([watched.mean[0], watched.variance[0], watched.nEff(0)], weighted.numbers(), 1e-9);
        },
      ),
    );
  });

  test('by time, the half-life is so many times shorter meanwhile', () => {
    fc.assert(
      fc.property(samples, fc.nat(20), (xs, at) => {
        const watched = guard(new Ewma({ features: 1, halfLife: '1s' }), always([at]), { faster: 4, rows: 3 });
        const weighted = naive();
        xs.forEach((x, i) => {
          watched.update([x], i * 250);
          weighted.add(x, 2 ** (-0.25 * (i >= at && i < at + 3 ? 4 : 1)));
        });
        expectClose([watched.mean[0], watched.variance[0], watched.nEff(0)], weighted.numbers(), 1e-9);
      }),
    );
  });

  test('rows that lack a value of the feature do not count', () => {
    const watched = guard(new Ewma({ features: 1, alpha: 0.1 }), always([0]), { faster: 5, rows: 2 });
    watched.update([1]);
    watched.update([Number.NaN]);
    expect(watched.watch.hurried).toEqual(Float64Array.of(1));
    watched.update([2]);
    expect(watched.watch.hurried).toBeUndefined();
  });

  test('a moving average of batches moves by factor · alpha with as many batches as hold those rows', () => {
    const options = { size: 4, alpha: 0.1, drift: 'adwin', onDrift: 'faster', fasterBy: 5, fasterRows: 6 };
    const batches = createNormalizer('batch', ['x', 'y'], options);
    const found = batches.push(
      ROWS.flat().length > 0 ? Float64Array.from(ROWS.flat()) : new Float64Array(0),
      800,
      Float64Array.from(TIMES),
    );
    const [{ row }] = found?.drifts ?? [];
    const bn = new BatchNorm({ features: 1, alpha: 0.1 });
    for (let i = 0; i < 800; i += 4) {
      const left = Math.floor(row / 4) * 4 <= i && i < Math.floor((row + 5) / 4) * 4 + 4;
      if (left) bn.hasten(0, 5);
      bn.learn(ROWS.slice(i, i + 4).map(([x]) => [x]));
    }
    expect(batches.report().mean[0]).toBe(bn.runningMean[0]);
    expect(batches.report().mean[0]).toBeGreaterThan(90);
  });

  test.each<[string, () => unknown, RegExp]>([
    ['cumulative', () => guard(new Cumulative({ features: 1 }), adwin(), { faster: 2 }), /has a rate.*got Cumulative/],
    [
      'a cumulative Ewma',
      () => guard(new Ewma({ features: 1, cumulative: true }), adwin(), { faster: 2 }),
      /has a rate.*got Ewma/,
    ],
    [
      'a batch method that debiases',
      () => createNormalizer('batch', ['x'], { debias: true, drift: 'adwin', onDrift: 'faster' }),
      /batch forgets faster by a rate such as alpha, and without debias, which needs one rate: got debias/,
    ],
    [
      'a factor of 1',
      () => guard(new Ewma({ features: 1 }), adwin(), { faster: 1 }),
      /onDrift.faster to be > 1, got 1/,
    ],
    [
      'no rows',
      () => guard(new Ewma({ features: 1 }), adwin(), { faster: 2, rows: 0 }),
      /onDrift.rows to be a whole number >= 1, got 0/,
    ],
    [
      'another word',
      () => guard(new Ewma({ features: 1 }), adwin(), 'forget' as never),
      /onDrift to be 'tell', 'reset' or \{ faster, rows \}, got 'forget'/,
    ],
    [
      'no detector',
      () => guard(new Ewma({ features: 1 }), {} as never, 'tell'),
      /drift to be a detector such as adwin/,
    ],
  ])('refuses %s', (_, make, message) => expect(make).toThrow(message));
});

describe('a batch method', () => {
  test("with 'reset', the moving statistics of the feature begin anew with the batch that shows the change", () => {
    const options = { size: 10, alpha: 0.1, drift: 'adwin', onDrift: 'reset' };
    const batches = createNormalizer('batch', ['x', 'y'], options);
    const plain = createNormalizer('batch', ['x', 'y'], { size: 10, alpha: 0.1 });
    const out = batches.push(Float64Array.from(ROWS.flat()), 800, Float64Array.from(TIMES));
    const same = plain.push(Float64Array.from(ROWS.flat()), 800, Float64Array.from(TIMES));
    expect(out?.z).toEqual(same?.z);
    const [{ row, ...drift }] = out?.drifts ?? [];
    expect(drift).toMatchObject({ feature: 0, kind: 'increase', detector: 'adwin', action: 'reset' });
    const first = Math.floor(row / 10) * 10;
    const debiased = new BatchNorm({ features: 1, alpha: 1 });
    debiased.learn(ROWS.slice(first, first + 10).map(([x]) => [x]));
    let mean = debiased.runningMean[0];
    const one = new BatchNorm({ features: 1, alpha: 1 });
    for (let i = first + 10; i < 800; i += 10) {
      one.learn(ROWS.slice(i, i + 10).map(([x]) => [x]));
      mean = 0.9 * mean + 0.1 * one.runningMean[0];
    }
    expectClose(batches.report().mean[0] as number, mean);
    expect(batches.report().mean[1]).toBe(plain.report().mean[1]);
  });
});

describe('methods by name', () => {
  const OPTIONS: Record<Method, MethodOptions> = {
    batch: { size: 7 },
    ewma: { alpha: 0.05 },
    cumulative: {},
    rolling: { last: 100 },
    minmax: {},
    robust: {},
    frozen: { mean: [0, 0], std: [1, 1] },
  };
  const watching = METHOD_NAMES.flatMap((method) =>
    (['tell', 'reset', 'faster'] as const)
      .filter((onDrift) =>
        onDrift === 'faster' ? ['batch', 'ewma'].includes(method) : onDrift === 'tell' || method !== 'frozen',
      )
      .map((onDrift) => [method, onDrift] as const),
  );

  test.each(watching)('%s, %s: restored at any row it goes on bit by bit, detectors and all', (method, onDrift) => {
    const options = { ...OPTIONS[method], drift: 'adwin', onDrift };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 799 }), (at) => {
        const whole = createNormalizer(method, ['x', 'y'], options);
        const first = pushed(whole, 0, at);
        const saved = JSON.parse(JSON.stringify({ state: whole.state(), pending: whole.pendingRows(), options }));
        const resumed = createNormalizer(method, ['x', 'y'], options, saved);
        const [a, b] = [pushed(whole, at, 800), pushed(resumed, at, 800)];
        expect(b).toEqual(a);
        expect(JSON.stringify(resumed.state())).toBe(JSON.stringify(whole.state()));
        expect([...first.drifts, ...a.drifts]).toHaveLength(1);
      }),
      { numRuns: 12 },
    );
  });

  test.each(['batch', 'ewma'] as const)('%s: the row of a drift does not depend on how the rows came', (method) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }), (sizes) => {
        const options = { ...OPTIONS[method], drift: 'page-hinkley', driftThreshold: 200, onDrift: 'reset' };
        const [whole, cut] = [0, 1].map(() => createNormalizer(method, ['x', 'y'], options));
        const expected = pushed(whole, 0, 800);
        let done = { rows: 0, drifts: [] as object[] };
        for (let at = 0, i = 0; at < 800; i++) {
          const to = Math.min(800, at + sizes[i % sizes.length]);
          const part = pushed(cut, at, to);
          const moved = part.drifts.map((drift) => ({ ...drift, row: drift.row + done.rows }));
          done = { rows: done.rows + part.rows, drifts: [...done.drifts, ...moved] };
          at = to;
        }
        expect(done).toEqual({ rows: expected.rows, drifts: expected.drifts });
        expect(done.drifts.length).toBeGreaterThan(0);
      }),
    );
  });

  test('a state without detectors, and one of other detectors, begin watching anew', () => {
    const plain = createNormalizer('ewma', ['x', 'y'], { alpha: 0.1 });
    pushed(plain, 0, 300);
    const state = plain.state();
    const watch = (options: MethodOptions, saved: object) =>
      createNormalizer('ewma', ['x', 'y'], { alpha: 0.1, ...options }, { state: saved as never });
    expect(watch({ drift: 'adwin' }, state).state()).toMatchObject({
      drift: { detectors: [{ ticks: 0 }, { ticks: 0 }] },
    });
    const watched = createNormalizer('ewma', ['x', 'y'], { alpha: 0.1, drift: 'adwin' });
    pushed(watched, 0, 300);
    expect(watch({ drift: 'adwin' }, watched.state()).state()).toEqual(watched.state());
    const other = watch({ drift: 'adwin', driftDelta: 0.1 }, watched.state());
    expect(other.state()).toMatchObject({ drift: { detectors: [{ ticks: 0, delta: 0.1 }, { ticks: 0 }] } });
    expect(watch({}, watched.state()).state()).not.toHaveProperty('drift');
    expect(() => watch({ drift: 'adwin' }, { ...watched.state(), drift: { detectors: [] } })).toThrow(
      /the state of the drift detectors must hold 2 detectors/,
    );
  });

  test.each<[MethodOptions, RegExp]>([
    [{ onDrift: 'reset' }, /ewma takes onDrift with drift: 'adwin' or 'page-hinkley'/],
    [{ drift: 'ddm' }, /ewma requires drift to be one of adwin, page-hinkley, got 'ddm'/],
    [{ drift: 'adwin', onDrift: 'panic' }, /ewma requires onDrift to be one of tell, reset, faster, got 'panic'/],
    [{ drift: 'adwin', driftDelta: 1 }, /ewma requires driftDelta in \(0, 1\), got 1/],
    [{ drift: 'adwin', driftThreshold: 5 }, /ewma takes driftThreshold with drift: 'page-hinkley'/],
    [{ drift: 'page-hinkley', driftDelta: -1 }, /driftDelta to be >= 0/],
    [{ drift: 'page-hinkley', driftThreshold: 0 }, /driftThreshold to be > 0/],
    [{ drift: 'adwin', fasterBy: 3 }, /ewma takes fasterBy with onDrift: 'faster', got 'tell'/],
    [{ drift: 'adwin', onDrift: 'faster', fasterBy: 1 }, /fasterBy to be > 1/],
    [{ drift: 'adwin', onDrift: 'faster', fasterRows: 1.5 }, /fasterRows to be a whole number >= 1/],
  ])('%j is refused', (options, message) => {
    expect(() => createNormalizer('ewma', ['x'], options)).toThrow(message);
  });

  test('given statistics can be watched, but not reset', () => {
    expect(() =>
      createNormalizer('frozen', ['x', 'y'], { ...OPTIONS.frozen, drift: 'adwin', onDrift: 'reset' }),
    ).toThrow(/takes onDrift 'reset' with a statistic that can forget, got Frozen/);
  });
});

test('what is not learned is not watched: weight 0, a weight out of range, no time', () => {
  const watched = guard(new Ewma({ features: 1, halfLife: '1s' }), adwin(), 'reset');
  watched.update([1], 0, 0);
  watched.update([1], 0, -1);
  watched.update([1], Number.NaN);
  expect(watched.watch.state()).toEqual({ detectors: [new Adwin().state()] });
  expect(watched.watch.rows).toBe(3);
});

test('pageHinkley restores its own', () => {
  const factory = pageHinkley({ threshold: 5 });
  const detector = factory.create();
  for (let i = 0; i < 20; i++) detector.update(i);
  expect(factory.restore?.(detector.state()).state()).toEqual(detector.state());
  expect(pageHinkley({ threshold: 6 }).restore?.(detector.state()).state()).toEqual(
    pageHinkley({ threshold: 6 }).create().state(),
  );
});

const samples = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 1, maxLength: 30 });

function guard(statistic: Statistic, detector: DriftDetectorFactory, onDrift: OnDrift): DriftGuard {
  return new DriftGuard('test', statistic, new DriftWatch('test', statistic.features, detector, onDrift));
}

function numbers(statistic: Statistic, j: number): number[] {
  return [statistic.mean[j], statistic.variance[j], statistic.count[j], statistic.nEff(j)];
}

function shifted(rows: number, at: number): number[][] {
  const next = mulberry32(3);
  const noise = () => next() / 2 ** 32 + next() / 2 ** 32 - 1;
  return Array.from({ length: rows }, (_, i) => {
    const [x, y] = [noise() + (i < at ? 0 : 100), noise()];
    return i % 17 === 5 ? [Number.NaN, y] : [x, y];
  });
}

function pushed(normalizer: ReturnType<typeof createNormalizer>, from: number, to: number) {
  const data = Float64Array.from(ROWS.slice(from, to).flat());
  const out = normalizer.push(data, to - from, Float64Array.from(TIMES.slice(from, to)));
  const drifts: readonly { row: number }[] = out?.drifts ?? [];
  return { rows: out?.rows ?? 0, z: Array.from(out?.z ?? []), drifts };
}

/** Sums over all values, each with the weight that it has kept. */
function naive() {
  const kept: { x: number; weight: number }[] = [];
  return {
    add(x: number, retain: number) {
      for (const one of kept) one.weight *= retain;
      kept.push({ x, weight: 1 });
    },
    numbers() {
      const sum = (of: (one: { x: number; weight: number }) => number) =>
        kept.reduce((total, one) => total + of(one), 0);
      const weight = sum((one) => one.weight);
      const mean = sum((one) => one.weight * one.x) / weight;
      return [
        mean,
        sum((one) => one.weight * (one.x - mean) ** 2) / weight,
        weight ** 2 / sum((one) => one.weight ** 2),
      ];
    },
  };
}
