import type { BatchNormState } from '../core/batch-norm.ts';
import { requireKnown } from '../core/parameter.ts';
import { requireState } from './any-state.ts';
import { REST_NAME, readRest, restOf } from './batch-norm-rest.ts';
import { fieldNumber, fieldNumbers } from './field-numbers.ts';
import { type LayerOptions, requireBatchSize, requireLayerOptions, stateOfLayer } from './layer.ts';
import { LayerTensors, restMetadata, restUnder, type ToTensorsOptions, vectorTensors } from './layer-tensors.ts';
import { type JsonObject, readJsonObject } from './read-json.ts';
import { refuse } from './refuse.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import { layerOf } from './scaling.ts';
import { tensorPrefix } from './tensor-prefix.ts';
import { writeJson } from './write-json.ts';

/** Keras's own: momentum 0.99 weighs the old value. */
const DEFAULTS = { alpha: 1 - 0.99, eps: 1e-3 };

export const TO_KERAS_OPTIONS = ['affine', 'batchSize'] as const;

export interface ToKerasOptions extends Pick<ToTensorsOptions, 'affine'> {
  /** Rows of each batch, to turn unbiased variances into biased ones; not turned. */
  batchSize?: number;
}

interface KerasWeights {
  mean: number[];
  variance: number[];
  gamma: number[] | null;
  beta: number[] | null;
}

/**
 * Reads a BatchNormalization layer of Keras: `moving_mean`, `moving_variance` and, where they are, `gamma`, `beta`; as
 * JSON with lists of numbers, or as safetensors. JSON may add `momentum` and `epsilon`, as `get_config()` calls them.
 *
 * Keras's momentum weighs the *old* value: it is `retain`, 0.99 unless said otherwise, hence alpha 0.01. eps is 1e-3.
 *
 * `moving_variance` averages *biased* batch variances, `runningVar` unbiased ones. Taken over as it is (default) the
 * output is that of Keras; what is learned from then on is unbiased. With `batchSize` n it is multiplied by n/(n - 1),
 * as if the batches had been learned here; then the output differs by that much.
 *
 * @returns what `BatchNorm.from` takes; batches are 0, since Keras does not count them
 * @throws StreamnormError STATE for bad content, numbers that are not finite, a negative variance, or lengths that
 *   differ; TypeError, RangeError for wrong options
 * @example fromKeras('{"moving_mean":[3],"moving_variance":[4]}').alpha // 0.010000000000000009
 */
export function fromKeras(content: string | Uint8Array | ArrayBuffer, options: LayerOptions = {}): BatchNormState {
  const where = 'fromKeras';
  requireLayerOptions(where, options);
  const { weights, rest } = typeof content === 'string' ? fromJson(content) : fromTensors(content, options.prefix);
  const { batchSize } = options;
  const factor = batchSize === undefined ? 1 : batchSize / (batchSize - 1);
  const layer = {
    runningMean: weights.mean,
    runningVar: weights.variance.map((v) => v * factor),
    weight: weights.gamma,
    bias: weights.beta,
    batches: undefined,
  };
  return stateOfLayer(where, layer, rest, options, DEFAULTS);
}

/**
 * Writes a state as a BatchNormalization layer of Keras, as JSON with `moving_mean`, `moving_variance`, `gamma`, `beta`,
 * `momentum`, `epsilon`. In Python: `layer.set_weights([…])` in the order gamma, beta, moving_mean, moving_variance.
 *
 * Of a BatchNorm all is kept: what Keras does not know lies under `streamnorm`, which `fromKeras` reads. Its variance is
 * unbiased and is written as it is, so that the output is the same; with `batchSize` n it is multiplied by (n - 1)/n, as
 * if Keras had learned the batches. Of another state mean and variance are kept, which are biased already.
 *
 * @throws StreamnormError STATE for another state; TypeError, RangeError for wrong options
 * @example toKeras(new BatchNorm({ features: 1, retain: 0.75 }).state()) // '{"moving_mean":[0],"moving_variance":[1],"momentum":0.75,…
 */
export function toKeras(state: unknown, options: ToKerasOptions = {}): string {
  const where = 'toKeras';
  requireKnown(where, options, TO_KERAS_OPTIONS);
  const checked = requireState(state);
  const vectors = vectorsOf(where, checked, options);
  if (checked.format !== 'streamnorm.batchnorm/1') return `${writeJson(vectors)}\n`;
  const { alpha, eps } = checked;
  return `${writeJson({
    ...vectors,
    ...(alpha !== undefined && { momentum: 1 - alpha }),
    epsilon: eps,
    [REST_NAME]: restOf(checked),
  })}\n`;
}

/**
 * As `toKeras`, in safetensors.
 *
 * @example toKerasTensors(new BatchNorm({ features: 1 }).state(), { prefix: 'bn/' }) // a Uint8Array
 */
export function toKerasTensors(state: unknown, options: ToTensorsOptions & ToKerasOptions = {}): Uint8Array {
  const where = 'toKerasTensors';
  requireKnown(where, options, [...TO_KERAS_OPTIONS, 'prefix', 'dtype']);
  const checked = requireState(state);
  const tensors = vectorTensors(where, options, vectorsOf(where, checked, options));
  return writeSafetensors(tensors, restMetadata(checked, options.prefix ?? ''));
}

function vectorsOf(
  where: string,
  state: ReturnType<typeof requireState>,
  { affine, batchSize }: ToKerasOptions,
): Record<string, number[]> {
  requireBatchSize(where, batchSize);
  const { runningMean, runningVar, weight, bias } = layerOf(state);
  const isUnbiased = state.format === 'streamnorm.batchnorm/1';
  const factor = isUnbiased && batchSize !== undefined ? (batchSize - 1) / batchSize : 1;
  const gamma = affine === false ? null : (weight ?? (affine ? runningMean.map(() => 1) : null));
  const beta = affine === false ? null : (bias ?? (affine ? runningMean.map(() => 0) : null));
  return {
    ...(gamma && { gamma }),
    ...(beta && { beta }),
    moving_mean: runningMean,
    moving_variance: runningVar.map((v) => v * factor),
  };
}

function fromTensors(bytes: Uint8Array | ArrayBuffer, wanted: string | undefined) {
  const { tensors, metadata } = readSafetensors(bytes);
  const prefix = tensorPrefix([...tensors.keys()], 'moving_mean', wanted);
  const found = new LayerTensors(tensors, prefix);
  const mean = found.vector('moving_mean', 'mean');
  const width = mean.length;
  const weights: KerasWeights = {
    mean,
    variance: found.vector('moving_variance', 'variance', width),
    gamma: found.has('gamma') ? found.vector('gamma', 'factor', width) : null,
    beta: found.has('beta') ? found.vector('beta', 'factor', width) : null,
  };
  return { weights, rest: restUnder(metadata, prefix) };
}

function fromJson(text: string): { weights: KerasWeights; rest: JsonObject } {
  const fields = readJsonObject(text, 'the Keras layer');
  const mean = fieldNumbers(fields.moving_mean, 'moving_mean', 'mean');
  const width = mean.length;
  const factors = (name: string) =>
    (fields[name] ?? null) === null ? null : fieldNumbers(fields[name], name, 'factor', width);
  const weights = {
    mean,
    variance: fieldNumbers(fields.moving_variance, 'moving_variance', 'variance', width),
    gamma: factors('gamma'),
    beta: factors('beta'),
  };
  return { weights, rest: restBeside(fields) };
}

/** The rest, under what the layer's own fields say: somebody may have changed those. */
function restBeside(fields: JsonObject): JsonObject {
  const rest: Record<string, unknown> = { ...readRest(fields[REST_NAME]) };
  if (fields.epsilon !== undefined) rest.eps = fieldNumber(fields.epsilon, 'epsilon', 'variance');
  if (fields.momentum === undefined) return rest;
  const momentum = fieldNumber(fields.momentum, 'momentum', 'factor');
  // 1 - (1 - alpha) loses bits of alpha
  if (typeof rest.alpha === 'number' && 1 - rest.alpha === momentum) return rest;
  if (!(momentum >= 0 && momentum < 1)) refuse(`"momentum" must be in [0, 1), found ${momentum}`);
  const { cumulative: _, ...others } = rest;
  return { ...others, alpha: 1 - momentum };
}
