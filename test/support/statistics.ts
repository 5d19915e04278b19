import { BatchNorm } from '../../src/core/batch-norm.ts';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { Frozen } from '../../src/core/frozen.ts';
import { MinMax } from '../../src/core/min-max.ts';
import { MovingBatch } from '../../src/core/moving-batch.ts';
import { Robust } from '../../src/core/robust.ts';
import { Rolling } from '../../src/core/rolling.ts';
import type { Statistic } from '../../src/core/statistic.ts';
import { rowsOf } from './batches.ts';

/** What the generic checks need of a statistic, whether it learns samples or batches. */
export interface CheckedStatistic {
  /** Learns these rows, one after the other or as one batch. */
  learn(rows: readonly (readonly number[])[]): void;
  /** Mean, variance and count of a feature. */
  numbers(feature: number): readonly [mean: number, variance: number, count: number];
  /** How often it has moved; undefined where it keeps no history. */
  version?(): number;
  state?(): unknown;
}

export interface StatisticEntry {
  /** The exported class. */
  readonly exported: string;
  /** Which of its options. */
  readonly variant: string;
  /** False for given numbers, which nothing moves. */
  readonly moves: boolean;
  create(features: number): CheckedStatistic;
  /** Brings a saved state back. */
  restore?(state: unknown): CheckedStatistic;
}

/** Every exported statistic; a check holds this list equal to the exports. */
export const STATISTICS: readonly StatisticEntry[] = [
  bySample('Cumulative', '', (features) => new Cumulative({ features }), Cumulative.from),
  bySample('Cumulative', 'with weights', (features) => new Cumulative({ features }), Cumulative.from, 0.3),
  bySample('Ewma', 'alpha', (features) => new Ewma({ features, alpha: 0.3 }), Ewma.from),
  bySample('Ewma', 'half-life in time', (features) => new Ewma({ features, halfLife: '1s' }), Ewma.from),
  bySample('Ewma', 'with weights', (features) => new Ewma({ features, halfLife: '1s' }), Ewma.from, 0.3),
  bySample('Ewma', 'cumulative', (features) => new Ewma({ features, cumulative: true }), Ewma.from),
  bySample('Rolling', 'count', (features) => new Rolling({ features, last: 100 }), Rolling.from),
  bySample('Rolling', 'time', (features) => new Rolling({ features, last: '10s' }), Rolling.from),
  bySample('MinMax', '', (features) => new MinMax({ features }), MinMax.from),
  bySample('Robust', '', (features) => new Robust({ features }), Robust.from),
  bySample('Robust', 'half-life', (features) => new Robust({ features, halfLife: 5 }), Robust.from),
  bySample('Robust', 'half-life in time', (features) => new Robust({ features, halfLife: '1s' }), Robust.from),
  ...(['within', 'total'] as const).map((variance) => ({
    exported: 'MovingBatch',
    variant: variance,
    moves: true,
    create: (features: number) => ofMovingBatch(new MovingBatch({ features, alpha: 1, variance })),
    restore: (state: unknown) => ofMovingBatch(MovingBatch.from(state)),
  })),
  { ...bySample('Frozen', '', givenNumbers, (state) => new Frozen(state as never)), moves: false },
  {
    exported: 'BatchNorm',
    variant: '',
    moves: true,
    create: (features) => ofBatchNorm(new BatchNorm({ features, alpha: 1 })),
    restore: (state) => ofBatchNorm(BatchNorm.from(state)),
  },
  {
    exported: 'BatchSummary',
    variant: '',
    moves: true,
    create(features) {
      const summary = new BatchSummary(features);
      return {
        learn: (rows) => void summary.of(rowsOf(rows, features)),
        numbers: (j) => [summary.mean[j], summary.variance(j), summary.count[j]],
      };
    },
  },
  {
    exported: 'BatchSummary',
    variant: 'merged row by row',
    moves: true,
    create: (features) => ofMerged(new BatchSummary(features)),
    restore: (state) => ofMerged(BatchSummary.from(state)),
  },
];

function bySample(
  exported: string,
  variant: string,
  create: (features: number) => Statistic,
  restore: (state: unknown) => Statistic,
  weight?: number,
): StatisticEntry {
  return {
    exported,
    variant,
    moves: true,
    create: (features) => ofSamples(create(features), weight),
    restore: (state) => ofSamples(restore(state), weight),
  };
}

function ofSamples(statistic: Statistic, weight?: number): CheckedStatistic {
  let time = 0;
  return {
    learn(rows) {
      for (const row of rows) {
        time += 100;
        statistic.update(row, time, weight);
      }
    },
    numbers: (j) => [statistic.mean[j], statistic.variance[j], statistic.count[j]],
    version: () => statistic.version,
    state: () => statistic.state(),
  };
}

/** Each call of `learn` is a batch. */
function ofMovingBatch(statistic: MovingBatch): CheckedStatistic {
  return {
    ...ofSamples(statistic),
    learn(rows) {
      for (const row of rows) statistic.update(row);
      statistic.close();
    },
  };
}

function ofBatchNorm(bn: BatchNorm): CheckedStatistic {
  return {
    learn: (rows) => bn.learn(rowsOf(rows, bn.features)),
    numbers: (j) => [bn.runningMean[j], bn.runningVar[j], bn.batch.count[j]],
    version: () => bn.batches,
    state: () => bn.state(),
  };
}

function ofMerged(summary: BatchSummary): CheckedStatistic {
  return {
    learn(rows) {
      for (const row of rows) {
        // a row of nothing usable is a row all the same, and no statistic
        if (row.some((x) => Math.abs(x) <= 2 ** 480)) {
          summary.merge(new BatchSummary(summary.features).of(rowsOf([row], summary.features)));
        }
      }
    },
    numbers: (j) => [summary.mean[j], summary.m2[j] / Math.max(1, summary.count[j]), summary.count[j]],
    state: () => summary.state(),
  };
}

function givenNumbers(features: number): Frozen {
  return new Frozen({ mean: new Array<number>(features).fill(10), std: new Array<number>(features).fill(2) });
}
