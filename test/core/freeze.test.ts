import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { Frozen } from '../../src/core/frozen.ts';
import { MinMax } from '../../src/core/min-max.ts';
import { MovingBatch } from '../../src/core/moving-batch.ts';
import { Robust } from '../../src/core/robust.ts';
import { Rolling } from '../../src/core/rolling.ts';
import * as index from '../../src/index.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { rowsOf } from '../support/batches.ts';
import { exportsOfKind } from '../support/exports-by-kind.ts';

const classes = index as unknown as Record<string, { prototype: object }>;

// Frozen: no path changes the state. Each kind lists its paths: update, merge, replay of what it has learned, import.

interface Freezable {
  freeze(): this;
  unfreeze(): this;
  readonly frozen?: boolean;
  state(): object;
}

interface Kind<F extends Freezable> {
  create(): F;
  from(state: unknown): F;
  /** Every way by which rows can reach it. */
  paths: ((frozen: F, rows: number[][]) => void)[];
}

const statistic = <S extends Cumulative | Ewma>(create: () => S, from: (state: unknown) => S, byCount: boolean) => ({
  create,
  from,
  paths: [
    (frozen: S, rows: number[][]) => rows.forEach((row, i) => void frozen.update(row, i * 100)),
    (frozen: S, rows: number[][]) => rows.forEach((row, i) => void frozen.update(row, i * 100, 0.5)),
    ...(byCount
      ? []
      : [
          (frozen: S, rows: number[][]) => {
            const other = create();
            rows.forEach((row, i) => void other.update(row, i * 100));
            frozen.merge(other as never);
          },
        ]),
    ...(create() instanceof Cumulative
      ? [(frozen: S, rows: number[][]) => (frozen as Cumulative).updateBatch(new BatchSummary(2).of(rowsOf(rows, 2)))]
      : []),
  ],
});

const batchNorm: Kind<BatchNorm> = {
  create: () => new BatchNorm({ features: 2, renorm: {} }),
  from: BatchNorm.from,
  paths: [
    (frozen, rows) => void frozen.train(rows),
    (frozen, rows) => frozen.learn(rows),
    (frozen, rows) => frozen.learn(new BatchSummary(2).of(rowsOf(rows, 2))),
    (frozen, rows) => void frozen.train(rows, new BatchSummary(2).of(rowsOf(rows, 2))),
    (frozen, rows) => frozen.trainInto(rowsOf(rows, 2), new Float64Array(rows.length * 2)),
    (frozen, rows) => {
      const other = batchNorm.create();
      other.learn(rows);
      frozen.merge(other);
    },
  ],
};

/** The paths of a statistic that has no batches: rows, and what another has learned where it merges. */
const plain = <S extends Freezable & Updated>(
  create: () => S,
  from: (state: unknown) => S,
  merges = true,
): Kind<S> => ({
  create,
  from,
  paths: [
    (frozen, rows) => rows.forEach((row, i) => void frozen.update(row, i * 100)),
    (frozen, rows) => {
      const other = create();
      rows.forEach((row, i) => void other.update(row, i * 100));
      if (merges) frozen.merge?.(other);
      else rows.forEach((row, i) => void frozen.update(row, i));
      frozen.close?.();
    },
  ],
});

interface Updated {
  update(row: number[], time: number): void;
  merge?(other: unknown): void;
  close?(): void;
}

const KINDS: [string, Kind<never>][] = [
  ['Rolling by count', plain(() => new Rolling({ features: 2, last: 3 }), Rolling.from, false) as never],
  ['Rolling by time', plain(() => new Rolling({ features: 2, last: '1s' }), Rolling.from) as never],
  ['MinMax', plain(() => new MinMax({ features: 2 }) as never, MinMax.from as never) as never],
  ['Robust', plain(() => new Robust({ features: 2 }) as never, Robust.from as never) as never],
  ['MovingBatch', plain(() => new MovingBatch({ features: 2, size: 3 }), MovingBatch.from) as never],
  ['Cumulative', statistic(() => new Cumulative({ features: 2 }), Cumulative.from, false) as never],
  ['Ewma by alpha', statistic(() => new Ewma({ features: 2, alpha: 0.3 }), Ewma.from, true) as never],
  ['Ewma by time', statistic(() => new Ewma({ features: 2, halfLife: '1s' }), Ewma.from, false) as never],
  ['BatchNorm', batchNorm as never],
];

const rows = fc.array(fc.tuple(readingOrNot, readingOrNot) as fc.Arbitrary<number[]>, { maxLength: 8 });

describe.each(KINDS)('%s', (_, kind) => {
  const { create, from, paths } = kind as unknown as Kind<Freezable>;
  const moved = (learned: number[][]) => {
    const model = create();
    paths[0](model, learned);
    return model;
  };

  test('frozen, no path changes its state; nor after it was saved and restored', () => {
    fc.assert(
      fc.property(rows, fc.array(fc.tuple(fc.nat(), rows)), (learned, steps) => {
        const model = moved(learned).freeze();
        const before = JSON.stringify(model.state());
        const restored = from(JSON.parse(before));
        for (const one of [model, restored]) {
          for (const [path, more] of steps) paths[path % paths.length](one, more);
          for (const path of paths) path(one, learned); // a replay
          expect([one.frozen, JSON.stringify(one.state())]).toEqual([true, before]);
        }
      }),
    );
  });

  test('unfrozen, goes on as if nothing had come in between', () => {
    const [model, other] = [
      moved([
        [1, 2],
        [3, 5],
      ]),
      moved([
        [1, 2],
        [3, 5],
      ]),
    ];
    model.freeze();
    for (const path of paths)
      path(model, [
        [100, 100],
        [7, 7],
      ]);
    model.unfreeze();
    for (const path of paths)
      for (const one of [model, other])
        path(one, [
          [4, 4],
          [9, 1],
        ]);
    expect(model.state()).toEqual(other.state());
    expect(model.frozen).toBe(false);
  });

  test('a state says frozen only when it is, and nothing but true or false', () => {
    expect(moved([[1, 2]]).state()).not.toHaveProperty('frozen');
    expect(() => from({ ...create().state(), frozen: 'yes' })).toThrow(/frozen must be true or false/);
  });
});

test('given numbers are always frozen', () => {
  expect(new Frozen({ mean: [0], std: [1] }).frozen).toBe(true);
});

test('frozen(…) of a live statistic is a copy: what moves it later does not show', () => {
  const live = new Cumulative({ features: 1 });
  for (const x of [1, 3]) live.update([x]);
  const copy = new Frozen(live);
  live.update([100]);
  expect([copy.mean[0], copy.variance[0]]).toEqual([2, 1]);
});

test('every exported statistic that can be frozen is checked here', () => {
  const freezable = exportsOfKind('class').filter((name) => 'freeze' in classes[name].prototype);
  expect(new Set(KINDS.map(([name]) => name.split(' ')[0]))).toEqual(new Set(freezable));
});
