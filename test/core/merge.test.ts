import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { MinMax } from '../../src/core/min-max.ts';
import { MovingBatch, type MovingBatchOptions } from '../../src/core/moving-batch.ts';
import { MovingBatchStats } from '../../src/core/moving-batch-stats.ts';
import { Rolling } from '../../src/core/rolling.ts';
import * as index from '../../src/index.ts';
import { readingOrNot } from '../support/arbitrary.ts';
import { rowsOf } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';
import { exportsOfKind } from '../support/exports-by-kind.ts';
import { golden } from '../support/golden.ts';

// Whatever merges, merges in any tree: shards are joined in a random order, each time two of those that are left.

interface Row {
  values: number[];
  time: number;
  weight: number;
}

interface Mergeable {
  merge(other: this): unknown;
}

interface Kind<M extends Mergeable> {
  /** What has seen these rows, in this order. */
  learned(rows: readonly Row[]): M;
  /** Numbers that the order of merging must not change, scaled to about 1. */
  numbers(merged: M): number[];
  /** True when merged shards say what one that saw all rows says. */
  exact: boolean;
}

const WIDTH = 2;
const row = fc.record({
  values: fc.array(readingOrNot, { minLength: WIDTH, maxLength: WIDTH }),
  time: fc.integer({ min: 0, max: 60_000 }),
  weight: fc.oneof(fc.constant(1), fc.constantFrom(0, 0.25, 3, 1e-3)),
});
/** Unequal, and some of them empty. */
const shards = fc.array(fc.array(row, { maxLength: 8 }), { minLength: 2, maxLength: 6 });
const features = (read: (j: number) => (number | undefined)[]) =>
  Array.from({ length: WIDTH }, (_, j) => read(j))
    .flat()
    .map((x) => x ?? 0);

type BySample = (Cumulative | Ewma | MinMax | MovingBatch | Rolling) & Mergeable;

function bySample(make: () => BySample, weighted: boolean, exact = true): Kind<BySample> {
  return {
    learned(rows) {
      const statistic = make();
      for (const { values, time, weight } of rows) statistic.update(values, time, weighted ? weight : 1);
      return statistic;
    },
    numbers: (s) => features((j) => [s.mean[j] / 1e6, s.variance[j] / 1e12, s.count[j], s.nEff(j)]),
    exact,
  };
}

function batchNorm(rate: { alpha: number } | { cumulative: true }, exact: boolean): Kind<BatchNorm> {
  return {
    learned(rows) {
      const bn = new BatchNorm({ features: WIDTH, ...rate });
      // batches of one to three rows
      for (let i = 0; i < rows.length; i += 1 + (i % 3)) {
        bn.learn(
          rowsOf(
            rows.slice(i, i + 1 + (i % 3)).map(({ values }) => values),
            WIDTH,
          ),
        );
      }
      return bn;
    },
    numbers: (bn) => [...features((j) => [bn.runningMean[j] / 1e6, bn.runningVar[j] / 1e12]), bn.batches, bn.samples],
    exact,
  };
}

const summary: Kind<BatchSummary> = {
  learned: (rows) =>
    new BatchSummary(WIDTH).of(
      rowsOf(
        rows.map(({ values }) => values),
        WIDTH,
      ),
    ),
  numbers: (s) => [
    ...features((j) => [s.mean[j] / 1e6, s.m2[j] / 1e12, s.count[j]]),
    ...features((j) => (s.count[j] > 0 ? [s.min[j], s.max[j]] : [])),
    s.rows,
  ],
  exact: true,
};

const KINDS: [string, Kind<never>][] = [
  ['Cumulative', bySample(() => new Cumulative({ features: WIDTH }), false) as Kind<never>],
  ['Cumulative with weights', bySample(() => new Cumulative({ features: WIDTH }), true) as Kind<never>],
  ['Ewma by time', bySample(() => new Ewma({ features: WIDTH, halfLife: '10s' }), false) as Kind<never>],
  ['Ewma by time with weights', bySample(() => new Ewma({ features: WIDTH, halfLife: '10s' }), true) as Kind<never>],
  ['MinMax', bySample(() => new MinMax({ features: WIDTH }), false) as Kind<never>],
  ['Rolling by time', bySample(() => new Rolling({ features: WIDTH, last: '20s' }), false) as Kind<never>],
  ...(
    [
      { cumulative: true },
      { alpha: 0.1 },
      { cumulative: true, debias: true },
      { cumulative: true, variance: 'total' },
      { alpha: 0.1, variance: 'total' },
      { alpha: 1, variance: 'total' },
    ] as MovingBatchOptions[]
  ).map((options): [string, Kind<never>] => [
    `MovingBatch ${JSON.stringify(options)}`,
    bySample(() => new MovingBatch({ features: WIDTH, size: 3, ...options }), false, false) as Kind<never>,
  ]),
  ['BatchSummary', summary as Kind<never>],
  ['BatchNorm, cumulative', batchNorm({ cumulative: true }, false) as Kind<never>],
  ['BatchNorm by alpha', batchNorm({ alpha: 0.1 }, false) as Kind<never>],
];

describe.each(KINDS)('%s', (_, kind) => {
  const { learned, numbers } = kind as Kind<Mergeable>;

  test('merges to the same in any tree order', () => {
    fc.assert(
      fc.property(shards, fc.array(fc.nat(), { maxLength: 12 }), (parts, picks) => {
        const inOrder = parts.map(learned).reduce(joined);
        expectClose(numbers(tree(parts.map(learned), picks)), numbers(inOrder), 1e-9);
      }),
    );
  });

  test('an empty shard changes nothing, bit by bit, and becomes what it is merged with', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 8 }), (rows) => {
        const alone = numbers(learned(rows));
        expect(numbers(joined(learned(rows), learned([])))).toEqual(alone);
        expect(numbers(joined(learned([]), learned(rows)))).toEqual(alone);
      }),
    );
  });
});

describe.each(KINDS.filter(([, { exact }]) => exact))('%s', (_, kind) => {
  const { learned, numbers } = kind as Kind<Mergeable>;

  test('merged, says what one says that has seen all rows', () => {
    fc.assert(
      fc.property(shards, (parts) => {
        expectClose(numbers(parts.map(learned).reduce(joined)), numbers(learned(parts.flat())), 1e-9);
      }),
    );
  });
});

test('what is merged with nothing keeps both parts of its mean', () => {
  // the sum of the two parts, added to 0, was split into others
  const weighted: [number, number][] = [
    [0, 3],
    [-2.2334936317500277e-9, 0.001],
    [-2.9427063169413375e-11, 1],
  ];
  const [full, empty] = [new Cumulative({ features: 1 }), new Cumulative({ features: 1 })];
  for (const [x, weight] of weighted) full.update([x], 0, weight);
  empty.merge(full);
  expect(empty.state()).toEqual(full.state());
});

test('every exported statistic that merges is checked here', () => {
  const classes = index as unknown as Record<string, { prototype: object }>;
  const mergeable = exportsOfKind('class').filter((name) => 'merge' in classes[name].prototype);
  // a sketch's merge depends on the order, within its error
  const elsewhere = ['Robust'];
  const here = KINDS.map(([name]) => name.split(/[ ,]/)[0]);
  expect(mergeable.filter((name) => !elsewhere.includes(name)).sort()).toEqual([...new Set(here)].sort());
});

test('cumulative BatchNorms merge to one that has seen the batches of all', () => {
  const batch = fc.array(fc.array(readingOrNot, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(fc.array(batch, { maxLength: 4 }), { minLength: 1, maxLength: 4 }), (parts) => {
      const learnedBy = (batches: number[][][]) => {
        const bn = new BatchNorm({ features: 2, cumulative: true });
        for (const rows of batches) bn.learn(rows);
        return bn;
      };
      const merged = parts.map(learnedBy).reduce((a, b) => a.merge(b));
      const all = learnedBy(parts.flat());
      expectClose([...merged.runningMean].map(mega), [...all.runningMean].map(mega), 1e-10);
      expectClose([...merged.runningVar].map(tera), [...all.runningVar].map(tera), 1e-10);
      expect([merged.batches, merged.samples]).toEqual([all.batches, all.samples]);
    }),
  );

  function mega(x: number): number {
    return x / 1e6;
  }

  function tera(x: number): number {
    return x / 1e12;
  }
});

describe('MovingBatch', () => {
  const batches = fc.array(
    fc.array(fc.array(readingOrNot, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 5 }),
    {
      maxLength: 4,
    },
  );
  const learnedBy = (options: MovingBatchOptions, given: readonly number[][][]) => {
    const statistic = new MovingBatch({ features: 2, size: 9, ...options });
    for (const rows of given) {
      for (const values of rows) statistic.update(values);
      statistic.close();
    }
    return statistic;
  };

  test.each(['within', 'total'] as const)('cumulative ones merge to one that has seen all batches: %s', (variance) => {
    fc.assert(
      fc.property(fc.array(batches, { minLength: 1, maxLength: 4 }), (parts) => {
        const options = { cumulative: true, debias: true, variance };
        const merged = parts.map((part) => learnedBy(options, part)).reduce(joined);
        const all = learnedBy(options, parts.flat());
        for (const j of [0, 1]) {
          expectClose(merged.mean[j] / 1e6, all.mean[j] / 1e6, 1e-10);
          expectClose(merged.variance[j] / 1e12, all.variance[j] / 1e12, 1e-10);
          expectClose([merged.count[j], merged.nEff(j)], [all.count[j], all.nEff(j)], 1e-9);
        }
        expect(merged.version).toBe(all.version);
      }),
    );
  });

  test('by alpha, shards that all saw the same batch as often merge to one that saw it as often as all of them', () => {
    const options = { alpha: 0.25, variance: 'total' as const };
    const same = (times: number) =>
      learnedBy(
        options,
        new Array<number[][]>(times).fill([
          [1, 5],
          [4, 9],
          [7, 7],
        ]),
      );
    const merged = [same(2), same(5), same(1)].reduce(joined);
    const all = same(8);
    expectClose([...merged.mean, ...merged.variance, merged.nEff(0)], [...all.mean, ...all.variance, all.nEff(0)]);
  });

  test('open batches are closed as they are, and the other one does not change', () => {
    const open = (values: number[]) => {
      const statistic = new MovingBatch({ features: 1, size: 4, cumulative: true, debias: true });
      for (const x of values) statistic.update([x]);
      return statistic;
    };
    const [one, other] = [open([1, 3]), open([5, 9, 10])];
    const before = JSON.stringify(other.state());
    one.merge(other);
    expect(JSON.stringify(other.state())).toBe(before);
    expect(one.state()).toMatchObject({ version: 2, pending: [], count: [5] });
    expectClose([one.mean[0], one.variance[0]], [(2 + 8) / 2, (2 + 7) / 2]);
  });

  test('other options throw, naming them', () => {
    const made = (options: object) => new MovingBatch({ features: 2, ...options });
    expect(() => made({}).merge(made({ size: 9 }))).toThrow(new TypeError('MovingBatch.merge requires size 64, got 9'));
    expect(() => made({}).merge(made({ variance: 'total', debias: true }))).toThrow(/requires debias false, got true/);
    expect(() => made({}).merge(made({ alpha: 0.2 }))).toThrow(/^MovingBatch.merge requires the same rate/);
    expect(() => made({}).merge(made({ features: 1 }))).toThrow('MovingBatch.merge requires features 2, got 1');
  });
});

describe('Rolling', () => {
  const seen = (times: readonly number[], maxSamples = 100_000) => {
    const rolling = new Rolling({ features: 1, last: '1s', maxSamples });
    for (const t of times) rolling.update([t], t);
    return rolling;
  };

  test('the merged window ends at the newest time of both, and what is older has left', () => {
    const merged = joined(seen([0, 100, 700]), seen([50, 1_060]));
    expect(merged.state()).toMatchObject({ times: [100, 700, 1_060], values: [100, 700, 1_060], count: [3] });
    merged.update([9], 80); // its place is in the window
    expect(merged.state()).toMatchObject({ times: [80, 100, 700, 1_060], late: 0 });
  });

  test('past maxSamples the oldest of both leave, and are counted', () => {
    const merged = joined(seen([10, 30, 50], 4), seen([20, 40, 60], 4));
    expect(merged.state()).toMatchObject({ times: [30, 40, 50, 60], dropped: 2 });
  });

  test('by count it throws and says why; another window or width too', () => {
    const byCount = () => new Rolling({ features: 1, last: 10 });
    expect(() => byCount().merge(byCount())).toThrow(
      new TypeError(
        "Rolling.merge requires a window in time, such as last: '30s': by count the common order of the samples is unknown",
      ),
    );
    expect(() => seen([]).merge(new Rolling({ features: 1, last: '2s' }))).toThrow(
      'Rolling.merge requires a window of 1000 ms, got 2000',
    );
    expect(() => seen([]).merge(seen([], 7))).toThrow('Rolling.merge requires maxSamples 100000, got 7');
    expect(() => seen([]).merge(new Rolling({ features: 2, last: '1s' }))).toThrow(
      'Rolling.merge requires 1 features, got 2',
    );
  });
});

describe('moving averages by alpha', () => {
  const moved = (k: number, batch: readonly number[]) => {
    const moving = new MovingBatchStats(1, { alpha: 0.1 });
    const one = new BatchSummary(1).of(rowsOf(batch.map((x) => [x])));
    for (let i = 0; i < k; i++) moving.update(one);
    return moving;
  };

  test('without start values they are weighted by batches, and the start values weigh what they do after all batches', () => {
    const moving = moved(2, [1, 3]);
    moving.merge(moved(6, [11, 19]));
    expectClose(moving.debiasedMean(0), (2 * 2 + 6 * 15) / 8);
    expectClose(moving.debiasedVariance(0), (2 * 2 + 6 * 32) / 8);
    expectClose(moving.mean[0], (1 - 0.9 ** 8) * 11.75);
    expectClose(moving.variance[0], 0.9 ** 8 + (1 - 0.9 ** 8) * 24.5);
    expect([moving.batches, moving.meanBatches[0]]).toEqual([8, 8]);
  });

  test('shards that all saw the same batch merge to one that saw it as often', () => {
    const moving = moved(3, [4, 10]);
    moving.merge(moved(5, [4, 10]));
    expectClose([moving.mean[0], moving.variance[0]], [moved(8, [4, 10]).mean[0], moved(8, [4, 10]).variance[0]]);
  });

  test('a variance of 0 stays one, whatever alpha', () => {
    for (const alpha of [1e-9, 0.3, 1]) {
      const [a, b] = [new MovingBatchStats(1, { alpha }), new MovingBatchStats(1, { alpha })];
      for (const m of [a, b]) for (let i = 0; i < 40; i++) m.update({ count: [2], mean: [5], m2: [0] });
      a.merge(b);
      expect(a.variance[0]).toBeGreaterThanOrEqual(0);
      expect(a.debiasedVariance(0)).toBeLessThan(1e-6);
    }
  });

  test('other features, names or rates throw', () => {
    const bn = (options: object) => new BatchNorm({ features: 2, ...options });
    expect(() => bn({}).merge(bn({ alpha: 0.2 }))).toThrow(/MovingBatchStats.merge requires the same rate/);
    expect(() => bn({}).merge(bn({ cumulative: true }))).toThrow(TypeError);
    expect(() => bn({}).merge(bn({ features: 3 }))).toThrow(/requires 2 features, got 3/);
    expect(() => bn({ features: ['a', 'b'] }).merge(bn({ features: ['b', 'a'] }))).toThrow(
      'BatchNorm.merge requires the features a, b, got b, a',
    );
    expect(() => bn({}).merge({} as BatchNorm)).toThrow('BatchNorm.merge requires a BatchNorm, got {}');
    expect(() => new BatchSummary(1).merge(new BatchSummary(2))).toThrow(
      'BatchSummary.merge requires 1 features, got 2',
    );
  });
});

describe('one batch spread over shards', () => {
  interface Golden {
    inputs: Record<string, { features: number; batches: number[][][] }>;
    cases: {
      name: string;
      input: string;
      momentum: number | null;
      eps: number;
      weight: number[] | null;
      bias: number[] | null;
      steps: { outputs: number[][]; running_mean: number[]; running_var: number[] }[];
    }[];
  }
  const { inputs, cases } = golden<Golden>('batchnorm.json');

  test.each(cases.map((pytorch) => [pytorch.name, pytorch] as const))(
    'each shard normalises and moves as PyTorch does with the whole batch: %s',
    (_, pytorch) => {
      const { features: width, batches } = inputs[pytorch.input];
      const { momentum, eps, weight, bias } = pytorch;
      const rate = momentum === null ? { cumulative: true } : { alpha: momentum };
      const replicas = [0, 1, 2].map(() => new BatchNorm({ features: width, ...rate, eps, weight, bias }));
      pytorch.steps.forEach((step, i) => {
        const batch = batches[i];
        // unequal, and the last one empty
        const cut = Math.ceil(batch.length / 3);
        const parts = [batch.slice(0, cut), batch.slice(cut), []];
        const whole = parts
          .map((part) => new BatchSummary(width).of(rowsOf(part, width)))
          .map((part) => BatchSummary.from(JSON.parse(JSON.stringify(part.state()))))
          .reduceRight((a, b) => a.merge(b));
        expectClose(
          replicas.flatMap((bn, shard) => bn.train(parts[shard], whole)),
          step.outputs,
        );
        for (const bn of replicas) {
          expectClose(bn.runningMean, step.running_mean);
          expectClose(bn.runningVar, step.running_var);
        }
      });
    },
  );

  test('learn takes the summary of a batch', () => {
    const rows = rowsOf([[1], [2], [6]]);
    const [one, other] = [new BatchNorm({ features: 1 }), new BatchNorm({ features: 1 })];
    one.learn(rows);
    other.learn(new BatchSummary(1).of(rows));
    expect(other.state()).toEqual(one.state());
    // its own batch, too
    other.learn(other.batch);
    one.learn(rows);
    expect(other.state()).toEqual(one.state());
  });

  test('the example: {1, 2, 3} and {10}', () => {
    const merged = summary.learned([1, 2, 3].map((x) => ({ values: [x, 0], time: 0, weight: 1 })));
    merged.merge(summary.learned([{ values: [10, 0], time: 0, weight: 1 }]));
    expect([merged.unbiasedVariance(0), merged.min[0], merged.max[0]]).toEqual([16.666666666666668, 1, 10]);
  });
});

function joined<M extends Mergeable>(a: M, b: M): M {
  a.merge(b);
  return a;
}

/** Merges two at a time, those that `picks` say, until one is left. */
function tree<M extends Mergeable>(parts: M[], picks: readonly number[]): M {
  const left = [...parts];
  for (let turn = 0; left.length > 1; turn++) {
    const [a] = left.splice((picks[turn * 2] ?? 0) % left.length, 1);
    const at = (picks[turn * 2 + 1] ?? 0) % left.length;
    left[at] = turn % 2 === 0 ? joined(a, left[at]) : joined(left[at], a);
  }
  return left[0];
}
