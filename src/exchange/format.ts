import { readJsonObject } from './read-json.ts';
import { refuse } from './refuse.ts';
import { readSafetensors } from './safetensors.ts';
import { tensorPrefixes } from './tensor-prefix.ts';

/** What state can be exchanged as. */
export const FORMATS = {
  json: { help: "streamnorm's own JSON", binary: false },
  safetensors: { help: "PyTorch's state_dict of a BatchNorm layer, in safetensors", binary: true },
  keras: { help: "Keras's BatchNormalization layer, as JSON", binary: false },
  'keras-safetensors': { help: "Keras's BatchNormalization layer, in safetensors", binary: true },
  sklearn: { help: "scikit-learn's StandardScaler, as JSON", binary: false },
} as const;

export type Format = keyof typeof FORMATS;

export const FORMAT_NAMES = Object.keys(FORMATS) as Format[];

/**
 * What some content is, by what is in it.
 *
 * @param content text, or bytes of text or of safetensors
 * @throws StreamnormError STATE when it is none of the formats
 * @example formatOf('{"mean_":[1],"var_":[2]}') // 'sklearn'
 */
export function formatOf(content: string | Uint8Array): Format {
  if (typeof content === 'string' || isText(content)) {
    const text = typeof content === 'string' ? content : new TextDecoder().decode(content);
    const fields = readJsonObject(text, 'the content');
    // the fields that each format cannot be without
    if (Object.hasOwn(fields, 'format')) return 'json';
    if (Object.hasOwn(fields, 'moving_mean')) return 'keras';
    if (['mean_', 'var_', 'scale_'].some((name) => Object.hasOwn(fields, name))) return 'sklearn';
    refuse('the content is JSON of no known format: it has none of the fields format, moving_mean, mean_');
  }
  const names = [...readSafetensors(content).tensors.keys()];
  const has = (key: string) => tensorPrefixes(names, key).length > 0;
  return has('moving_mean') && !has('running_mean') ? 'keras-safetensors' : 'safetensors';
}

/** JSON begins with a printable byte; a safetensors file with a length, of which four bytes are zero. */
function isText(bytes: Uint8Array): boolean {
  const head = bytes.subarray(0, 8);
  return !head.includes(0) && (head.length === 0 || /[\s\x21-\x7e\xef]/.test(String.fromCharCode(head[0])));
}
