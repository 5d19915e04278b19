import { asyncScheduler, type OperatorFunction, type SchedulerLike } from 'rxjs';
import { BATCH_NORM_OPTIONS, BatchNorm, type BatchNormOptions } from '../core/batch-norm.ts';
import type { Duration } from '../core/duration.ts';
import { FLAG, flagNames } from '../core/flags.ts';
import { requireBoolean, requireKnown, shown } from '../core/parameter.ts';
import { rateByCount } from '../core/rate.ts';
import { requireFeatureNames } from '../core/sample-shape.ts';
import { windowBounds } from '../core/window-bounds.ts';
import { arrivalBatches } from './arrival-batches.ts';
import type { Batch } from './batch.ts';
import { connect } from './connect.ts';
import type { Detail } from './detail.ts';
import { requireScheduler } from './scheduler.ts';

export interface BatchNormOperatorOptions extends Omit<BatchNormOptions, 'features'> {
  /** Samples a batch; 64. */
  size?: number;
  /** Closes a batch this long after its first sample, however few it holds. */
  within?: Duration;
  /** Names of the fields to normalise; required for records. */
  features?: readonly string[];
  /** Emits `Detail` objects; false. */
  detail?: boolean;
  /** Shares or resumes the moving statistics of a `BatchNorm`, whose options then hold. */
  model?: BatchNorm;
  /** Clock of `within` and of times in details; `asyncScheduler`. */
  scheduler?: SchedulerLike;
}

/**
 * Normalises each batch of samples by its own mean and biased variance; samples leave when their batch closes, in order.
 *
 * ```
 * source               --a-b-c-d-e-|
 * batchNorm({size: 2}) ----(AB)(CD)(E|)
 * ```
 *
 * Moving averages of the batch statistics build up in `model`, as in PyTorch's BatchNorm: read them there, or use them
 * for single samples with `model.transform`. They average the variance *within* batches; where the stream drifts, its
 * own variance is larger, and `normalize(ewma())` is the better choice.
 *
 * For small windows `renorm: { rMax, dMax }` corrects each batch towards the moving statistics. `missing: 'dropRow'` leaves
 * rows that lack a value out of the output and of their batch; they count for its `size`.
 *
 * A partial batch leaves on completion; a batch of one comes out as 0, flagged, and moves the mean only. Missing and
 * infinite values come out as NaN and are not learned. Memory: one batch.
 *
 * @throws TypeError, RangeError for wrong options; a batch of one with `single: 'error'` and a missing value with
 *   `missing: 'error'` are an error notification (RangeError); records without `features` are an error notification (TypeError)
 * @example of([1, 1000], [2, 2000]).pipe(batchNorm({ size: 2 })) // [-0.99998…, -0.99999…] [0.99998…, 0.99999…]
 * @see normalize, batchBy, BatchNorm
 */
export function batchNorm<S>(options: BatchNormOperatorOptions & { detail: true }): OperatorFunction<S, Detail<S>>;
export function batchNorm<S>(options?: BatchNormOperatorOptions): OperatorFunction<S, S>;
export function batchNorm<S>(options: BatchNormOperatorOptions = {}): OperatorFunction<S, S | Detail<S>> {
  const where = 'batchNorm';
  const own = ['size', 'within', 'features', 'detail', 'model', 'scheduler', 'momentum'];
  requireKnown(where, options, [...own, ...BATCH_NORM_OPTIONS]);
  const { size = 64, within, features: asked, detail = false, model, scheduler = asyncScheduler, ...norm } = options;
  const features = asked ?? model?.names;
  requireFeatureNames(where, features);
  requireBoolean(where, 'detail', detail);
  if (model === undefined) {
    rateByCount(where, norm);
    // wrong options must throw now, not at the first sample; vectors give the width, else any will do
    new BatchNorm({ ...norm, features: features ?? (norm.weight?.length || norm.bias?.length || 1) });
  } else {
    requireModel(where, model, features, Object.keys(norm));
  }
  const bounds = windowBounds<S>(where, { size, ...(within !== undefined && { within }) });
  requireScheduler(where, scheduler);
  const windows = { ...bounds, size, features, scheduler, splits: false };

  return (source) =>
    connect<S, S | Detail<S>>(source, (subscriber) => {
      let bn = model;
      let out = new Float64Array(0);
      let flags = new Uint16Array(0);
      return arrivalBatches<S>(where, windows, (batch) => {
        bn ??= new BatchNorm({ ...norm, features: batch.names ?? batch.features });
        if (bn.features !== batch.features) {
          throw new TypeError(`${where} has a model of ${bn.features} features, the samples have ${batch.features}`);
        }
        const { rows, samples, shape, features: width } = batch;
        if (out.length < batch.data.length) {
          out = new Float64Array(batch.data.length);
          flags = new Uint16Array(rows);
        }
        // a subscriber that pushes from within `next` may close another batch while this one is emitted
        const z = out;
        const bits = flags;
        out = new Float64Array(0);
        bn.trainInto(batch, z, bits);
        const drops = bn.missing === 'dropRow';
        const detailOf = detail ? detailsBy(bn, batch, scheduler) : undefined;
        for (let i = 0; i < rows && !subscriber.closed; i++) {
          if (drops && (bits[i] & FLAG.missing) !== 0) continue;
          const value = shape.write(samples[i], z, i * width);
          subscriber.next(detailOf === undefined ? value : detailOf(samples[i], value, bits[i]));
        }
        out = z;
        flags = bits;
        return true;
      });
    });
}

/** Makes details of the rows of a batch that was just normalised. */
function detailsBy<S>(bn: BatchNorm, { rows, shape }: Batch<S>, scheduler: SchedulerLike) {
  const { batches: version } = bn;
  const nEff = bn.batch.count.reduce((least, n) => Math.min(least, n), rows);
  const pin = pinning(bn, shape.names);
  return (sample: S, value: S, bits: number): Detail<S> => ({
    sample,
    value,
    stats: { version, time: scheduler.now(), ...pin },
    nEff,
    ready: (bits & (FLAG.single | FLAG.notReady)) === 0,
    flags: flagNames(bits),
  });
}

/** What the rows of one batch share. */
function pinning(bn: BatchNorm, names: readonly string[] | undefined) {
  return {
    ...(names && { features: names }),
    ...bn.lastScale(),
    ...(bn.weight && { weight: Array.from(bn.weight) }),
    ...(bn.bias && { bias: Array.from(bn.bias) }),
  };
}

function requireModel(
  where: string,
  model: unknown,
  features: readonly string[] | undefined,
  norm: readonly string[],
): void {
  if (!(model instanceof BatchNorm))
    throw new TypeError(`${where} requires model to be a BatchNorm, got ${shown(model)}`);
  if (norm.length > 0) {
    throw new TypeError(`${where} takes model or ${norm.join(', ')}, not both: the model has its own`);
  }
  const { names } = model;
  if (names?.some((name, j) => name !== features?.[j])) {
    throw new TypeError(`${where} has a model of the features ${names.join(', ')}, got features ${shown(features)}`);
  }
}
