import { requireOneOf, shown } from '../core/parameter.ts';
import type { AnyState } from './any-state.ts';
import { FORMAT_NAMES, FORMATS, type Format, formatOf } from './format.ts';
import { fromKeras } from './keras.ts';
import { LAYER_OPTIONS, type LayerOptions } from './layer.ts';
import { FROM_JSON_OPTIONS, type FromJsonOptions, fromJson } from './own-json.ts';
import { bytesOf, textOf } from './safetensors.ts';
import { FROM_SKLEARN_OPTIONS, fromSklearn } from './sklearn.ts';
import { fromTorch } from './torch.ts';

export interface ImportOptions extends LayerOptions, FromJsonOptions {
  /** What the content is; found out from it. */
  format?: Format;
}

/** The options that each format takes. */
export const IMPORT_OPTIONS: Readonly<Record<Format, readonly string[]>> = {
  json: FROM_JSON_OPTIONS,
  safetensors: LAYER_OPTIONS,
  keras: LAYER_OPTIONS,
  'keras-safetensors': LAYER_OPTIONS,
  sklearn: FROM_SKLEARN_OPTIONS,
};

/**
 * Reads a state that another program, or this one, has written: see `fromTorch`, `fromKeras`, `fromSklearn`, `fromJson`
 * for what each format holds and which options it takes.
 *
 * @param content text, or bytes
 * @returns a state for the `from` of its class, which `format` names, or for `frozen`
 * @throws StreamnormError STATE for content that cannot be used; TypeError, RangeError for wrong options
 * @example importState('{"moving_mean":[3],"moving_variance":[4]}', { format: 'keras' }).format // 'streamnorm.batchnorm/1'
 */
export function importState(content: string | Uint8Array | ArrayBuffer, options: ImportOptions = {}): AnyState {
  const where = 'importState';
  const { format, ...rest } = options;
  if (format !== undefined) requireOneOf(where, 'format', format, FORMAT_NAMES);
  const given = typeof content === 'string' ? content : bytesOf(where, content);
  const known = format ?? formatOf(given);
  if (FORMATS[known].binary) {
    if (typeof given === 'string')
      throw new TypeError(`${where} requires bytes for ${known}, got ${shown(given.slice(0, 40))}`);
    return known === 'safetensors' ? fromTorch(given, rest) : fromKeras(given, rest);
  }
  const text = typeof given === 'string' ? given : textOf(given, 'the content');
  if (known === 'keras') return fromKeras(text, rest);
  return known === 'sklearn' ? fromSklearn(text, rest as object) : fromJson(text, rest as object);
}
