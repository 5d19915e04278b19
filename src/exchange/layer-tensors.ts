import { requireOneOf } from '../core/parameter.ts';
import type { AnyState } from './any-state.ts';
import { REST_NAME, readRest, restOf } from './batch-norm-rest.ts';
import { fieldNumbers } from './field-numbers.ts';
import type { JsonObject } from './read-json.ts';
import { quoted, refuse } from './refuse.ts';
import { type Tensor, tensorNumbers, tensorOf } from './tensor.ts';
import { writeJson } from './write-json.ts';

export interface ToTensorsOptions {
  /** Goes before the name of each tensor, such as `bn1.`; none. */
  prefix?: string;
  /** Type of the numbers; F64, which keeps every bit, and which PyTorch casts to the type of its layer. */
  dtype?: 'F64' | 'F32';
  /** Weight and bias: true writes ones and zeros where there are none, false leaves them out; default: as they are. */
  affine?: boolean;
}

/** Under which name a file says to which of its layers the rest belongs. */
const PREFIX_NAME = 'streamnorm.prefix';

/** The tensors of one layer; messages name them as the file does. */
export class LayerTensors {
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #prefix: string;

  constructor(tensors: ReadonlyMap<string, Tensor>, prefix: string) {
    this.#tensors = tensors;
    this.#prefix = prefix;
  }

  has(key: string): boolean {
    return this.#tensors.has(this.#prefix + key);
  }

  /** @throws StreamnormError STATE unless it has one dimension and its numbers keep the rule */
  vector(key: string, rule: 'mean' | 'variance' | 'factor', width?: number): number[] {
    const { name, tensor } = this.#get(key);
    if (tensor.shape.length !== 1) refuse(`${quoted(name)} must have 1 dimension, it has ${tensor.shape.length}`);
    return fieldNumbers(tensorNumbers(tensor, name), name, rule, width);
  }

  /** @throws StreamnormError STATE unless it is one whole number >= 0 */
  count(key: string): number {
    const { name, tensor } = this.#get(key);
    const values = tensorNumbers(tensor, name);
    if (values.length !== 1) refuse(`${quoted(name)} must be one number, it has ${values.length}`);
    if (!Number.isSafeInteger(values[0]) || values[0] < 0) {
      refuse(`${quoted(name)} must be a whole number >= 0, found ${values[0]}`);
    }
    return values[0];
  }

  #get(key: string): { name: string; tensor: Tensor } {
    const name = this.#prefix + key;
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) refuse(`the file has no tensor ${quoted(name)}`);
    return { name, tensor };
  }
}

/**
 * Vectors as tensors under the prefix.
 *
 * @throws StreamnormError STATE for a number that F32 cannot hold
 */
export function vectorTensors(
  where: string,
  { prefix = '', dtype = 'F64' }: ToTensorsOptions,
  vectors: Readonly<Record<string, readonly number[]>>,
): Map<string, Tensor> {
  requireOneOf(where, 'dtype', dtype, ['F64', 'F32']);
  const tensors = new Map<string, Tensor>();
  for (const [key, values] of Object.entries(vectors)) {
    const wide = dtype === 'F32' ? values.find((x) => !Number.isFinite(Math.fround(x))) : undefined;
    if (wide !== undefined) refuse(`${key} holds ${wide}, which is too large for F32`);
    tensors.set(prefix + key, tensorOf(dtype, [values.length], values));
  }
  return tensors;
}

/** Metadata that keep of a BatchNorm what its tensors cannot. */
export function restMetadata(state: AnyState, prefix: string): Record<string, string> {
  if (state.format !== 'streamnorm.batchnorm/1') return {};
  return { [REST_NAME]: writeJson(restOf(state)), ...(prefix !== '' && { [PREFIX_NAME]: prefix }) };
}

/** The rest that a file carries for the layer of this prefix. */
export function restUnder(metadata: ReadonlyMap<string, string>, prefix: string): JsonObject {
  return readRest((metadata.get(PREFIX_NAME) ?? '') === prefix ? metadata.get(REST_NAME) : undefined);
}
