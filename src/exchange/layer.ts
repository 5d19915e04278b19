import type { BatchNormState } from '../core/batch-norm.ts';
import { requireKnown, shown } from '../core/parameter.ts';
import { RATE_OPTIONS, type RateOptions, rateByCount } from '../core/rate.ts';
import { requireEps } from '../core/scaling-options.ts';
import { requireFeatures, requireState, requireWidth } from './any-state.ts';
import { REST_NAME, restThatHolds } from './batch-norm-rest.ts';
import type { JsonObject } from './read-json.ts';
import { refuse } from './refuse.ts';

/** What the tensors of a batch normalization layer do not say. */
export interface LayerOptions extends RateOptions {
  /** Which layer of a file, such as `bn1.`; may be left out when there is one. */
  prefix?: string;
  /** Names of the features, or their number as a check; default: their number. */
  features?: number | readonly string[];
  /** Added to the variance before the root; the framework's own default. */
  eps?: number;
  /** Rows of each batch that the layer saw; unknown. */
  batchSize?: number;
}

export const LAYER_OPTIONS = ['prefix', 'features', ...RATE_OPTIONS, 'eps', 'batchSize'] as const;

/** A layer as a file has it. */
export interface Layer {
  readonly runningMean: number[];
  readonly runningVar: number[];
  readonly weight: number[] | null;
  readonly bias: number[] | null;
  /** Undefined where the file does not count. */
  readonly batches: number | undefined;
}

/** @throws TypeError, RangeError for options that no layer has */
export function requireLayerOptions(where: string, options: LayerOptions): void {
  requireKnown(where, options, [...LAYER_OPTIONS, 'momentum']);
  const { prefix, features } = options;
  if (prefix !== undefined && typeof prefix !== 'string') {
    throw new TypeError(`${where} requires prefix to be a text, got ${shown(prefix)}`);
  }
  requireFeatures(where, features);
  rateByCount(where, options);
  if (options.eps !== undefined) requireEps(where, options.eps);
  requireBatchSize(where, options.batchSize);
}

/** @throws RangeError unless absent or a whole number >= 2: a batch of one has no unbiased variance */
export function requireBatchSize(where: string, batchSize: number | undefined): void {
  if (batchSize === undefined || (Number.isSafeInteger(batchSize) && batchSize >= 2)) return;
  throw new RangeError(`${where} requires batchSize to be a whole number >= 2, got ${batchSize}`);
}

/**
 * The state of a layer. What the options say goes before what the layer says, the rest that it carries, and the defaults.
 *
 * @throws StreamnormError STATE when they do not fit each other
 */
export function stateOfLayer(
  where: string,
  layer: Layer,
  rest: JsonObject,
  options: LayerOptions,
  defaults: { alpha: number; eps: number },
): BatchNormState {
  const { features, eps, batchSize } = options;
  const width = layer.runningMean.length;
  if (width === 0) refuse('the layer has no features');
  requireWidth('the layer', width, features);
  const batches = layer.batches ?? (Number.isSafeInteger(rest.batches) ? (rest.batches as number) : 0);
  const held = restThatHolds(rest, { ...layer, batches });
  const names = typeof features === 'object' ? features : (held.features ?? width);
  if ((Array.isArray(names) ? names.length : names) !== width) {
    refuse(`"${REST_NAME}" was written for other features than the ${width} of the layer`);
  }
  const { alpha = defaults.alpha, cumulative, ...others } = held;
  const rateGiven = RATE_OPTIONS.some((name) => options[name] !== undefined && options[name] !== false);
  const rateHeld = cumulative === undefined ? { alpha } : { cumulative };
  return requireState({
    eps: defaults.eps,
    ...layer,
    // the least that they can be
    samples: batches,
    ...others,
    ...(rateGiven ? rateByCount(where, options) : rateHeld),
    ...(eps !== undefined && { eps }),
    ...(batchSize !== undefined && { samples: batches * batchSize }),
    format: 'streamnorm.batchnorm/1',
    features: names,
    batches,
  }) as BatchNormState;
}
