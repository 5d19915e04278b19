import { requirePositiveInteger } from './parameter.ts';
import { requireFeatureNames } from './sample-shape.ts';

/**
 * How many features there are, and what they are called where that is known.
 *
 * @throws TypeError, RangeError unless it is their number, or a list of different names
 */
export function widthAndNames(
  where: string,
  features: number | readonly string[],
): { width: number; names: readonly string[] | undefined } {
  if (typeof features === 'number') {
    return { width: requirePositiveInteger(where, 'features', features), names: undefined };
  }
  if (features === undefined) throw new TypeError(`${where} requires features: their number or their names`);
  requireFeatureNames(where, features);
  return { width: features.length, names: [...features] };
}

/** @throws TypeError unless both know the same names, or one of them knows none */
export function requireSameNames(
  where: string,
  names: readonly string[] | undefined,
  others: readonly string[] | undefined,
): void {
  if (names === undefined || others === undefined || names.join('\0') === others.join('\0')) return;
  throw new TypeError(`${where} requires the features ${names.join(', ')}, got ${others.join(', ')}`);
}
