import type { BatchNormState } from '../core/batch-norm.ts';
import { type JsonObject, readJsonObject, requireObject } from './read-json.ts';

/** Fields of a `BatchNormState` that other formats have no place for. */
const REST = [
  'features',
  'alpha',
  'cumulative',
  'eps',
  'batches',
  'samples',
  'clip',
  'single',
  'debias',
  'renorm',
  'missing',
  'frozen',
  'meanBatches',
  'varianceBatches',
] as const;

/** Under which name a file of another format carries the rest. */
export const REST_NAME = 'streamnorm';

/**
 * What the tensors of a layer do not hold: written beside them, so that coming back they make the same state, bit for
 * bit. Other programs ignore it. Null weight and bias are told too, since a layer of PyTorch has both or neither.
 */
export function restOf(state: BatchNormState): JsonObject {
  return {
    ...pick({ ...state }, REST),
    ...(state.weight === null && { weight: null }),
    ...(state.bias === null && { bias: null }),
  };
}

/**
 * The rest as a file carries it; nothing when it carries none.
 *
 * @throws StreamnormError STATE
 */
export function readRest(found: unknown): JsonObject {
  if (found === undefined) return {};
  return typeof found === 'string' ? readJsonObject(found, `"${REST_NAME}"`) : requireObject(found, `"${REST_NAME}"`);
}

/** The part of the rest that still holds of a layer with these counts and factors. */
export function restThatHolds(
  rest: JsonObject,
  { batches, weight, bias }: Pick<BatchNormState, 'batches' | 'weight' | 'bias'>,
): JsonObject {
  return {
    ...pick(rest, [
      'features',
      'alpha',
      'cumulative',
      'eps',
      'clip',
      'single',
      'debias',
      'renorm',
      'missing',
      'frozen',
    ]),
    // a layer that has learned since counts otherwise
    ...(rest.batches === batches && pick(rest, ['samples', 'meanBatches', 'varianceBatches'])),
    ...(rest.weight === null && weight?.every((x) => x === 1) && { weight: null }),
    ...(rest.bias === null && bias?.every((x) => x === 0) && { bias: null }),
  };
}

function pick(from: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(from, name) && from[name] !== undefined).map((name) => [name, from[name]]),
  );
}
