export { Adwin, type AdwinOptions, type AdwinState, adwin } from './core/adwin.ts';
export { BatchNorm, type BatchNormOptions, type BatchNormState } from './core/batch-norm.ts';
export { BatchSummary, type BatchSummaryState } from './core/batch-summary.ts';
export { Cumulative, type CumulativeState, cumulative } from './core/cumulative.ts';
export type { Drift, DriftDetector, DriftDetectorFactory, DriftState } from './core/drift-detector.ts';
export type { OnDrift } from './core/drift-watch.ts';
export type { Duration } from './core/duration.ts';
export { Ewma, type EwmaOptions, type EwmaState, ewma } from './core/ewma.ts';
export type { FlagName } from './core/flags.ts';
export { Frozen, type FrozenState, frozen, type GivenStatistics } from './core/frozen.ts';
export { MinMax, type MinMaxState, minMax } from './core/min-max.ts';
export type { Missing } from './core/missing-values.ts';
export { MovingBatch, type MovingBatchOptions, type MovingBatchState, movingBatch } from './core/moving-batch.ts';
export {
  PageHinkley,
  type PageHinkleyOptions,
  type PageHinkleyState,
  pageHinkley,
} from './core/page-hinkley.ts';
export type { RateOptions } from './core/rate.ts';
export type { RenormOptions } from './core/renorm.ts';
export { Robust, type RobustOptions, type RobustState, robust } from './core/robust.ts';
export { Rolling, type RollingOptions, type RollingState, rolling } from './core/rolling.ts';
export type { RowScale } from './core/row-scale.ts';
export type { Rows } from './core/rows.ts';
export type { Sample } from './core/sample-shape.ts';
export type { Order, UntilReady } from './core/standardizer.ts';
export type { StatisticState } from './core/state.ts';
export type { Statistic, StatisticFactory } from './core/statistic.ts';
export { ERROR_CODES, type ErrorCode, StreamnormError } from './errors.ts';
export { type Batch, type BatchByOptions, batchBy, type LateSample } from './operators/batch-by.ts';
export { type BatchNormOperatorOptions, batchNorm } from './operators/batch-norm.ts';
export { type BatchStats, batchStats } from './operators/batch-stats.ts';
export { type DenormalizeOptions, denormalize } from './operators/denormalize.ts';
export type { Detail, RowStatistics } from './operators/detail.ts';
export { type DriftOptions, drift } from './operators/drift.ts';
export type { DriftEvent } from './operators/drift-event.ts';
export { type MovingStats, type MovingStatsOptions, movingStats } from './operators/moving-stats.ts';
export { type NormalizeOptions, normalize } from './operators/normalize.ts';
export { type Eviction, type KeyOperator, type PerKeyOptions, perKey } from './operators/per-key.ts';
export { type BadReason, type BadSample, type QuarantineOptions, quarantine } from './operators/quarantine.ts';
