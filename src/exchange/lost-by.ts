import type { AnyState } from './any-state.ts';
import type { Format } from './format.ts';

/**
 * What becomes of a state that is written in another format and read by the program which that belongs to: the parts it
 * will not have, each in a few words; none when it has all that it needs to give the same numbers.
 *
 * @example lostBy(new BatchNorm({ features: 1, clip: 3 }).state(), 'safetensors') // ['clip']
 */
export function lostBy(state: AnyState, format: Format): string[] {
  if (format === 'json') return [];
  const isScaler = format === 'sklearn';
  switch (state.format) {
    case 'streamnorm.batchnorm/1':
      return [
        ...(isScaler ? ['the rate', 'batches'] : []),
        ...(state.clip === undefined ? [] : ['clip']),
        ...(state.debias && !isScaler ? ['debias'] : []),
        ...(isScaler && (state.weight || state.bias) ? ['weight and bias'] : []),
      ];
    case 'streamnorm.cumulative/1':
      return isScaler ? [] : ['the count of samples'];
    case 'streamnorm.ewma/1':
      return ['the rate', 'times and weights', ...(isScaler ? [] : ['the count of samples'])];
    case 'streamnorm.frozen/1':
      return [
        ...(state.clip === undefined ? [] : ['clip']),
        ...(isScaler && (state.weight || state.bias) ? ['weight and bias'] : []),
      ];
  }
}
