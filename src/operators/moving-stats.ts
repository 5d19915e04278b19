import { defer, map, type OperatorFunction } from 'rxjs';
import { MovingBatchStats } from '../core/moving-batch-stats.ts';
import { requireBoolean, requireKnown, requireOneOf } from '../core/parameter.ts';
import { RATE_OPTIONS, type RateOptions, rateByCount } from '../core/rate.ts';
import { TotalBatchStats } from '../core/total-batch-stats.ts';
import type { BatchStats } from './batch-stats.ts';

/** Moving averages of batch statistics; one entry a feature. */
export interface MovingStats {
  mean: number[];
  /** Average of the unbiased variances of the batches, or the variance of all their values. */
  variance: number[];
  /** Batches so far. */
  batches: number;
  features: readonly string[] | undefined;
}

export interface MovingStatsOptions extends RateOptions {
  /** Takes out the weight that the start values 0 and 1 still have; false, as PyTorch. */
  debias?: boolean;
  /**
   * `'within'`: the mean spread within a batch, as PyTorch (default). `'total'`: that of the stream, the spread of the
   * batch means included; it has no start values, so it is debiased by itself.
   */
  variance?: 'within' | 'total';
}

/** What a batch must say to be averaged: `batchStats` emits it, and any source of count, mean and variance can. */
export type AveragedStats = Pick<BatchStats, 'count' | 'mean' | 'variance'> &
  Partial<Pick<BatchStats, 'counts' | 'features'>>;

/**
 * Emits the moving averages of batch statistics, once for each batch: `u = (1 - alpha)·u + alpha·u_t`, from mean 0 and
 * variance 1, as PyTorch's `running_mean` and `running_var`.
 *
 * ```
 * source                     ---s------t--|
 * movingStats({ alpha: .1 }) ---u------v--|
 * ```
 *
 * A feature without usable values keeps its averages; one with a single value moves its mean only. The variance is the
 * mean spread *within* a batch; where a stream drifts its own variance is larger, which `variance: 'total'` gives.
 * Memory: 8 numbers a feature.
 *
 * @throws TypeError, RangeError for wrong options
 * @example of(2, 4, 6, 3, 5, 10).pipe(batchBy({ size: 3 }), batchStats(), movingStats({ alpha: 0.1, debias: true }))
 * // { mean: [4.000…], variance: [4.000…], … } { mean: [5.0526…], variance: [8.7368…], … }
 * @see batchStats, batchNorm
 */
export function movingStats(options: MovingStatsOptions = {}): OperatorFunction<AveragedStats, MovingStats> {
  const where = 'movingStats';
  requireKnown(where, options, [...RATE_OPTIONS, 'debias', 'variance', 'momentum']);
  const rate = rateByCount(where, options);
  const { debias = false, variance: which = 'within' } = options;
  requireBoolean(where, 'debias', debias);
  requireOneOf(where, 'variance', which, ['within', 'total']);
  return (source) =>
    defer(() => {
      let moving: MovingBatchStats | undefined;
      let total: TotalBatchStats | undefined;
      return source.pipe(
        map((stats) => {
          const width = stats.mean.length;
          moving ??= new MovingBatchStats(width, rate);
          total ??= new TotalBatchStats(width, rate);
          if (moving.features !== width) {
            throw new TypeError(`${where} requires batches of ${moving.features} features, got ${width}`);
          }
          // a source other than batchStats may say NaN, or null from JSON, without saying that the count is 0
          const count = stats.mean.map((mean, j) => {
            if (!Number.isFinite(mean)) return 0;
            const n = stats.counts?.[j] ?? stats.count;
            return stats.variance[j] >= 0 && stats.variance[j] < Number.POSITIVE_INFINITY ? n : Math.min(n, 1);
          });
          const batch = {
            count,
            mean: stats.mean,
            m2: stats.variance.map((variance, j) => (count[j] > 1 ? variance * count[j] : 0)),
          };
          moving.update(batch);
          total.update(batch);
          return {
            ...(which === 'total' ? ofStream(total) : debias ? debiased(moving) : ofBatches(moving)),
            batches: moving.batches,
            features: stats.features,
          };
        }),
      );
    });
}

type Numbers = Pick<MovingStats, 'mean' | 'variance'>;

function ofBatches({ mean, variance }: MovingBatchStats): Numbers {
  return { mean: Array.from(mean), variance: Array.from(variance) };
}

function debiased(moving: MovingBatchStats): Numbers {
  return {
    mean: Array.from(moving.mean, (_, j) => moving.debiasedMean(j)),
    variance: Array.from(moving.variance, (_, j) => moving.debiasedVariance(j)),
  };
}

function ofStream(total: TotalBatchStats): Numbers {
  return {
    mean: Array.from(total.mean, (mean, j) => (total.weight[j] > 0 ? mean : Number.NaN)),
    variance: Array.from(total.mean, (_, j) => total.variance(j)),
  };
}
