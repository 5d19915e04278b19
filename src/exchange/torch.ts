import type { BatchNormState } from '../core/batch-norm.ts';
import { requireKnown } from '../core/parameter.ts';
import { DEFAULT_ALPHA } from '../core/rate.ts';
import { requireState } from './any-state.ts';
import { type LayerOptions, requireLayerOptions, stateOfLayer } from './layer.ts';
import { LayerTensors, restMetadata, restUnder, type ToTensorsOptions, vectorTensors } from './layer-tensors.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import { layerOf } from './scaling.ts';
import { tensorOf } from './tensor.ts';
import { tensorPrefix } from './tensor-prefix.ts';

/** Some of PyTorch's tools read no file without it. */
const MADE_FOR = { format: 'pt' };

export const TO_TENSORS_OPTIONS = ['prefix', 'dtype', 'affine'] as const;

/**
 * Reads a BatchNorm layer out of a PyTorch `state_dict` in safetensors: `running_mean`, `running_var` and, where they
 * are, `num_batches_tracked`, `weight`, `bias`.
 *
 * The file says neither momentum nor eps: they are alpha 0.1 and eps 1e-5, PyTorch's defaults, unless the options say
 * otherwise or `toTorch` wrote the file. PyTorch's momentum is `alpha`, its `None` is `cumulative: true`. Samples are not
 * counted either: they are batches × `batchSize`, or the least that they can be, one a batch. With `debias: true` added,
 * the state is debiased by `num_batches_tracked`.
 *
 * @returns what `BatchNorm.from` takes; its `transform` gives what the layer gives after `eval()`
 * @throws StreamnormError STATE for a bad file, several layers and no prefix, numbers that are not finite, a negative
 *   variance, or shapes that differ; TypeError, RangeError for wrong options
 * @example
 * const bytes = toTorch(new BatchNorm({ features: 2 }).state(), { prefix: 'bn1.' });
 * fromTorch(bytes, { features: ['x1', 'x2'], eps: 1e-3 }).features // ['x1', 'x2']
 */
export function fromTorch(bytes: Uint8Array | ArrayBuffer, options: LayerOptions = {}): BatchNormState {
  const where = 'fromTorch';
  requireLayerOptions(where, options);
  const { tensors, metadata } = readSafetensors(bytes);
  const prefix = tensorPrefix([...tensors.keys()], 'running_mean', options.prefix);
  const found = new LayerTensors(tensors, prefix);
  const runningMean = found.vector('running_mean', 'mean');
  const width = runningMean.length;
  const layer = {
    runningMean,
    runningVar: found.vector('running_var', 'variance', width),
    weight: found.has('weight') ? found.vector('weight', 'factor', width) : null,
    bias: found.has('bias') ? found.vector('bias', 'factor', width) : null,
    // PyTorch before 0.4.1 did not write it
    batches: found.has('num_batches_tracked') ? found.count('num_batches_tracked') : 0,
  };
  return stateOfLayer(where, layer, restUnder(metadata, prefix), options, { alpha: DEFAULT_ALPHA, eps: 1e-5 });
}

/**
 * Writes a state as the `state_dict` of a BatchNorm layer of PyTorch, in safetensors. In Python:
 * `layer.load_state_dict(safetensors.torch.load_file(path))`.
 *
 * Of a BatchNorm all is kept: what PyTorch has no tensor for (names, alpha, eps, samples, clip, debias …) lies in the
 * metadata, which PyTorch ignores and `fromTorch` reads. Of another state its mean and biased variance are kept, by
 * which it normalises, and its number of updates as `num_batches_tracked`; a feature that has seen nothing has PyTorch's
 * start values 0 and 1.
 *
 * Make the layer with the same eps, and with `affine=False` where there is no weight. PyTorch knows neither `debias` nor
 * `clip` and does not set features without spread to 0: where these matter its output differs.
 *
 * @param state what `state()` of a statistic returned
 * @throws StreamnormError STATE for anything else, or a number that F32 cannot hold; TypeError for wrong options
 * @example toTorch(new BatchNorm({ features: 2 }).state(), { prefix: 'bn1.' }) // a Uint8Array
 */
export function toTorch(state: unknown, options: ToTensorsOptions = {}): Uint8Array {
  const where = 'toTorch';
  requireKnown(where, options, TO_TENSORS_OPTIONS);
  const { prefix = '', affine } = options;
  const checked = requireState(state);
  const { runningMean, runningVar, weight, bias, batches } = layerOf(checked);
  // a layer of PyTorch has both or neither
  const both = affine ?? (weight !== null || bias !== null);
  const tensors = vectorTensors(where, options, {
    ...(both && { weight: weight ?? runningMean.map(() => 1), bias: bias ?? runningMean.map(() => 0) }),
    running_mean: runningMean,
    running_var: runningVar,
  });
  tensors.set(`${prefix}num_batches_tracked`, tensorOf('I64', [], [batches]));
  return writeSafetensors(tensors, { ...MADE_FOR, ...restMetadata(checked, prefix) });
}
