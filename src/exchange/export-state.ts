import { requireKnown, requireOneOf } from '../core/parameter.ts';
import { FORMAT_NAMES, type Format } from './format.ts';
import { TO_KERAS_OPTIONS, type ToKerasOptions, toKeras, toKerasTensors } from './keras.ts';
import type { ToTensorsOptions } from './layer-tensors.ts';
import { toJson } from './own-json.ts';
import { TO_SKLEARN_OPTIONS, type ToSklearnOptions, toSklearn } from './sklearn.ts';
import { TO_TENSORS_OPTIONS, toTorch } from './torch.ts';

export interface ExportOptions extends ToTensorsOptions, ToKerasOptions, Pick<ToSklearnOptions, 'features'> {}

/** The options that each format takes. */
export const EXPORT_OPTIONS: Readonly<Record<Format, readonly string[]>> = {
  json: [],
  safetensors: TO_TENSORS_OPTIONS,
  keras: TO_KERAS_OPTIONS,
  'keras-safetensors': [...TO_KERAS_OPTIONS, 'prefix', 'dtype'],
  sklearn: TO_SKLEARN_OPTIONS,
};

/**
 * Writes a state for another program: see `toTorch`, `toKeras`, `toSklearn`, `toJson` for what is kept and what is lost,
 * and which options each takes.
 *
 * | from / to | PyTorch, Keras | scikit-learn |
 * |---|---|---|
 * | BatchNorm | all (what they do not know, beside their own) | mean, variance, samples; never weight and bias |
 * | Cumulative | mean, biased variance, number of updates | all |
 * | Ewma | mean, biased variance, number of updates | mean, variance, nEff as the count |
 * | Frozen | mean, variance | mean, variance |
 *
 * @param state what `state()` of a statistic returned
 * @returns bytes for safetensors, else text
 * @throws StreamnormError STATE for a state that cannot be used; TypeError, RangeError for wrong options
 * @example exportState(new Cumulative({ features: 2 }).state(), 'sklearn') // '{"mean_":[null,null],…'
 */
export function exportState(
  state: unknown,
  format: 'safetensors' | 'keras-safetensors',
  options?: ExportOptions,
): Uint8Array;
export function exportState(state: unknown, format: 'json' | 'keras' | 'sklearn', options?: ExportOptions): string;
export function exportState(state: unknown, format: Format, options?: ExportOptions): string | Uint8Array;
export function exportState(state: unknown, format: Format, options: ExportOptions = {}): string | Uint8Array {
  switch (requireOneOf('exportState', 'format', format, FORMAT_NAMES)) {
    case 'json':
      requireKnown('exportState to json', options, []);
      return toJson(state);
    case 'safetensors':
      return toTorch(state, options);
    case 'keras':
      return toKeras(state, options);
    case 'keras-safetensors':
      return toKerasTensors(state, options);
    case 'sklearn':
      return toSklearn(state, options as ToSklearnOptions);
  }
}
