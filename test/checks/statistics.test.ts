import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as index from '../../src/index.ts';
import { reading, unusable } from '../support/arbitrary.ts';
import { exportsOfKind } from '../support/exports-by-kind.ts';
import { type CheckedStatistic, STATISTICS } from '../support/statistics.ts';

/** How to call each exported factory, and the class of what it makes. */
const FACTORIES = {
  cumulative: { factory: index.cumulative(), makes: index.Cumulative },
  ewma: { factory: index.ewma({ alpha: 0.3 }), makes: index.Ewma },
  minMax: { factory: index.minMax(), makes: index.MinMax },
  movingBatch: { factory: index.movingBatch({ size: 2 }), makes: index.MovingBatch },
  robust: { factory: index.robust({ halfLife: 100 }), makes: index.Robust },
  rolling: { factory: index.rolling({ last: 10 }), makes: index.Rolling },
  frozen: { factory: index.frozen({ mean: [0, 0], std: [1, 1] }), makes: index.Frozen },
};

test('every exported statistic is checked here, and nothing else', () => {
  expect([...new Set(STATISTICS.map(({ exported }) => exported))].sort()).toEqual(exportsOfKind('class').sort());
  expect(Object.keys(FACTORIES).sort()).toEqual(exportsOfKind('factory').sort());
});

test('every kind of export has its checks', () => {
  const kinds = ['class', 'factory', 'detector', 'operator', 'error', 'constant'] as const;
  expect(kinds.flatMap(exportsOfKind).sort()).toEqual(Object.keys(index).sort());
  expect(exportsOfKind('error')).toEqual(['StreamnormError']);
  expect(exportsOfKind('constant')).toEqual(['ERROR_CODES']);
});

describe.each(Object.entries(FACTORIES))('%s()', (name, { factory, makes }) => {
  test('makes its class, and says its kind', () => {
    expect(factory.kind).toBe(name);
    expect(factory.create(2)).toBeInstanceOf(makes);
    expect(factory.create(2).features).toBe(2);
  });

  test('makes a new one each time, unless nothing can move it', () => {
    const [one, other] = [factory.create(2), factory.create(2)];
    one.update([1, 2], 0);
    one.update([3, 4], 0);
    expect([...other.mean]).toEqual([0, 0]);
  });
});

test('the detectors are those that drift takes', () => {
  expect(exportsOfKind('detector').sort()).toEqual(['Adwin', 'PageHinkley', 'adwin', 'pageHinkley']);
  expect([index.adwin().create(), index.pageHinkley().create()]).toEqual([new index.Adwin(), new index.PageHinkley()]);
});

const moving = STATISTICS.filter(({ moves }) => moves);
const title = ({ exported, variant }: { exported: string; variant: string }) => `${exported} ${variant}`.trim();
const columns = fc.array(fc.tuple(reading, reading), { minLength: 1, maxLength: 30 });

describe.each(moving.map((entry) => [title(entry), entry] as const))('%s', (_, { create }) => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300, -1e300])(
    '%s is skipped',
    (value) => {
      const without = create(1);
      const withIt = create(1);
      without.learn([[1], [3], [7]]);
      withIt.learn([[value], [1], [3], [value], [7], [value]]);
      // by time, the skipped ones take time too
      expect(withIt.numbers(0)[2]).toBe(3);
      expect(withIt.numbers(0).every(Number.isFinite)).toBe(true);
      withIt.learn([[5], [5]]);
      expect(withIt.numbers(0).every(Number.isFinite)).toBe(true);
    },
  );

  test('the count is that of usable values, per feature', () => {
    const statistic = create(2);
    statistic.learn([
      [1, Number.NaN],
      [2, 5],
      [Number.NaN, Number.POSITIVE_INFINITY],
      [4, 5],
    ]);
    expect([statistic.numbers(0)[2], statistic.numbers(1)[2]]).toEqual([3, 2]);
  });

  test.each([0, 5, 0.1, 1e9 + 0.1, -3e-7])('a constant %s has that mean and variance 0', (value) => {
    const statistic = create(1);
    statistic.learn(new Array(50).fill([value]));
    expect(statistic.numbers(0).slice(0, 2)).toEqual([value, 0]);
  });

  test('a mean of exactly 0 is a value', () => {
    const statistic = create(1);
    statistic.learn([[0], [0]]);
    expect(statistic.numbers(0)).toEqual([0, 0, 2]);
  });

  test('a feature of nothing but unusable values changes no other feature', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(unusable, reading), { minLength: 1, maxLength: 30 }), (rows) => {
        const alone = create(1);
        const beside = create(2);
        const untouched = beside.numbers(0)[0];
        alone.learn(rows.map(([, x]) => [x]));
        beside.learn(rows);
        expect(beside.numbers(1)).toEqual(alone.numbers(0));
        expect([beside.numbers(0)[0], beside.numbers(0)[2]]).toEqual([untouched, 0]);
      }),
    );
  });

  test('the variance is never negative, and the mean lies within the data', () => {
    fc.assert(
      fc.property(columns, (rows) => {
        const statistic = create(2);
        statistic.learn(rows);
        for (const j of [0, 1]) {
          const [mean, variance] = statistic.numbers(j);
          const values = rows.map((row) => row[j]);
          expect(mean).toBeGreaterThanOrEqual(Math.min(...values));
          expect(mean).toBeLessThanOrEqual(Math.max(...values));
          expect(variance).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});

const versioned = STATISTICS.filter(({ create }) => create(1).version !== undefined);

describe.each(versioned.map((entry) => [title(entry), entry] as const))('the version of %s', (_, { create, moves }) => {
  test('changes whenever it has learned something', () => {
    const statistic = create(2);
    const versions = [
      [1, 2],
      [3, 4],
      [5, Number.NaN],
    ].map((row) => {
      statistic.learn([row]);
      return statistic.version?.();
    });
    expect(new Set([0, ...versions]).size).toBe(moves ? 4 : 1);
  });

  test('and the whole state stay when nothing can be learned', () => {
    const statistic = create(2);
    statistic.learn([
      [1, 2],
      [3, 4],
    ]);
    const before = JSON.stringify(statistic.state?.());
    statistic.learn([
      [Number.NaN, Number.POSITIVE_INFINITY],
      [1e300, Number.NaN],
    ]);
    statistic.learn([]);
    expect(JSON.stringify(statistic.state?.())).toBe(before);
  });
});

const saved = STATISTICS.flatMap((entry) => (entry.restore ? [{ ...entry, restore: entry.restore }] : []));

test('what has a state can be restored', () => {
  expect(saved.map(title)).toEqual(STATISTICS.filter(({ create }) => create(1).state).map(title));
});

describe.each(saved.map((entry) => [title(entry), entry] as const))('restored, %s', (_, { create, restore }) => {
  test('goes on as if it had never stopped, bit by bit', () => {
    const rows = fc.array(fc.tuple(fc.oneof(reading, unusable), reading), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(rows, rows, (before, after) => {
        const original = create(2);
        original.learn(before);
        const restored = restore(JSON.parse(JSON.stringify(original.state?.())));
        expect(JSON.stringify(restored.state?.())).toBe(JSON.stringify(original.state?.()));
        // the clocks of the two must agree again
        for (const statistic of [original, restored])
          learnAtSameTimes(statistic, original === statistic, before, after);
        expect(JSON.stringify(restored.state?.())).toBe(JSON.stringify(original.state?.()));
        for (const j of [0, 1]) expect(restored.numbers(j).slice(0, 2)).toEqual(original.numbers(j).slice(0, 2));
      }),
    );
  });
});

/** The checked statistic counts its own time from 0: the restored one is brought to where the original stands. */
function learnAtSameTimes(
  statistic: CheckedStatistic,
  isOriginal: boolean,
  before: unknown[],
  after: number[][],
): void {
  if (!isOriginal) statistic.learn(before.map(() => [Number.NaN, Number.NaN]));
  statistic.learn(after);
}
