import type { BatchNorm } from './batch-norm.ts';
import type { BatchSummary } from './batch-summary.ts';
import { orNull, type StatisticsReport } from './row-normalizer.ts';

/** What a report tells of a batch; a copy. */
export type ReportedBatch = Pick<BatchSummary, 'rows' | 'count' | 'mean' | 'm2' | 'min' | 'max'>;

export function copyOf({ rows, count, mean, m2, min, max }: BatchSummary): ReportedBatch {
  return { rows, count: count.slice(), mean: mean.slice(), m2: m2.slice(), min: min.slice(), max: max.slice() };
}

/** The report of a model as it stands, made when it is asked for; `batch` is the last window, which nobody changes. */
export function captureBatches(model: BatchNorm, batch: ReportedBatch): () => StatisticsReport {
  const { batches, samples } = model;
  const moving = Array.from({ length: model.features }, (_, j) => model.moving(j));
  return () => {
    const perFeature = (value: (j: number) => number) => moving.map((_, j) => orNull(value(j)));
    const { rows, count, mean, m2, min, max } = batch;
    return {
      version: batches,
      rows: samples,
      mean: perFeature((j) => (batches > 0 ? moving[j].mean : Number.NaN)),
      std: perFeature((j) => (batches > 0 ? Math.sqrt(moving[j].variance) : Number.NaN)),
      batch:
        rows === 0
          ? null
          : {
              count: rows,
              mean: perFeature((j) => (count[j] > 0 ? mean[j] : Number.NaN)),
              std: perFeature((j) => Math.sqrt(m2[j] / count[j])),
              min: perFeature((j) => min[j]),
              max: perFeature((j) => max[j]),
            },
    };
  };
}
