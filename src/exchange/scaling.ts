import { Cumulative } from '../core/cumulative.ts';
import { Ewma } from '../core/ewma.ts';
import { MovingBatchStats } from '../core/moving-batch-stats.ts';
import { type AnyState, namesOf } from './any-state.ts';
import type { Layer } from './layer.ts';

/** By what a state normalises: `(x - mean) / √(variance + eps)`, then weight and bias. */
export interface Scaling {
  readonly names: readonly string[] | undefined;
  readonly mean: readonly number[];
  readonly variance: readonly number[];
  /**
   * Samples behind each feature; 0 where mean and variance say nothing yet. Of a weighted mean as many as it is worth,
   * rounded. Undefined for given numbers.
   */
  readonly counts: readonly number[] | undefined;
  readonly eps: number;
}

/** The numbers that a state normalises with. */
export function scalingOf(state: AnyState): Scaling {
  const names = namesOf(state);
  switch (state.format) {
    case 'streamnorm.batchnorm/1': {
      const { runningMean, runningVar, samples, eps } = state;
      if (!state.debias) {
        return { names, mean: runningMean, variance: runningVar, counts: runningMean.map(() => samples), eps };
      }
      const moving = movingOf(state);
      const ready = runningMean.map((_, j) => moving.meanBatches[j] > 0 && moving.varianceBatches[j] > 0);
      return {
        names,
        mean: ready.map((is, j) => (is ? moving.debiasedMean(j) : 0)),
        variance: ready.map((is, j) => (is ? moving.debiasedVariance(j) : 0)),
        counts: ready.map((is) => (is ? samples : 0)),
        eps,
      };
    }
    case 'streamnorm.cumulative/1':
      // with the roundings of the class itself
      return { names, mean: state.mean, variance: [...Cumulative.from(state).variance], counts: state.count, eps: 0 };
    case 'streamnorm.ewma/1': {
      const ewma = Ewma.from(state);
      // what has decayed to nothing is worth nothing
      const counts = state.mean.map((_, j) => Math.round(ewma.nEff(j)) || 0);
      return { names, mean: state.mean, variance: [...ewma.variance], counts, eps: 0 };
    }
    case 'streamnorm.frozen/1':
      return { names, mean: state.mean, variance: state.variance, counts: undefined, eps: state.eps ?? 0 };
  }
}

/** A state as a layer that goes on learning would have it: a BatchNorm's moving statistics are not debiased. */
export function layerOf(state: AnyState): Layer & { readonly batches: number } {
  if (state.format === 'streamnorm.batchnorm/1') return state;
  const { mean, variance, counts } = scalingOf(state);
  const isKnown = (j: number) => counts === undefined || counts[j] > 0;
  return {
    runningMean: mean.map((x, j) => (isKnown(j) ? x : 0)),
    runningVar: variance.map((x, j) => (isKnown(j) ? x : 1)),
    weight: state.format === 'streamnorm.frozen/1' && state.weight ? [...state.weight] : null,
    bias: state.format === 'streamnorm.frozen/1' && state.bias ? [...state.bias] : null,
    batches: 'version' in state ? state.version : 0,
  };
}

function movingOf(state: Extract<AnyState, { format: 'streamnorm.batchnorm/1' }>): MovingBatchStats {
  const { alpha, batches, runningMean, runningVar, meanBatches, varianceBatches } = state;
  const moving = new MovingBatchStats(runningMean.length, alpha === undefined ? { cumulative: true } : { alpha });
  moving.mean.set(runningMean);
  moving.variance.set(runningVar);
  moving.meanBatches.set(meanBatches ?? runningMean.map(() => batches));
  moving.varianceBatches.set(varianceBatches ?? runningMean.map(() => batches));
  return moving;
}
