import { BatchNorm, type BatchNormState } from '../core/batch-norm.ts';
import { Cumulative, type CumulativeState } from '../core/cumulative.ts';
import { Ewma, type EwmaState } from '../core/ewma.ts';
import { Frozen, type FrozenState } from '../core/frozen.ts';
import { requirePositiveInteger } from '../core/parameter.ts';
import { requireFeatureNames } from '../core/sample-shape.ts';
import { StateReader } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import { requireObject } from './read-json.ts';
import { quoted, quotedList, refuse } from './refuse.ts';

/** Names that travel with a state whose `features` is only their number. */
interface Names {
  readonly names?: readonly string[];
}

/** Every state that can be exchanged. */
export type AnyState = BatchNormState | CumulativeState | EwmaState | (FrozenState & Names);

/** By kind: the part of `format` before the slash. */
const READERS: Readonly<Record<string, (state: unknown) => AnyState>> = {
  'streamnorm.batchnorm': (state) => BatchNorm.from(state).state(),
  'streamnorm.cumulative': (state) => Cumulative.from(state).state(),
  'streamnorm.ewma': (state) => Ewma.from(state).state(),
  'streamnorm.frozen': (state) => {
    // Frozen also takes what is no saved state
    const reader = new StateReader(state, 'streamnorm.frozen/1');
    const features = reader.width();
    reader.means('mean', features);
    reader.nonNegatives('variance', features);
    return new Frozen(state as FrozenState).state();
  },
};

/**
 * A copy of a state that its own class has accepted.
 *
 * @throws StreamnormError STATE for anything else
 */
export function requireState(value: unknown): AnyState {
  const fields = requireObject(value, 'a state');
  const { format, names } = fields;
  const kind = typeof format === 'string' ? format.split('/')[0] : '';
  if (!Object.hasOwn(READERS, kind)) {
    const found = typeof format === 'string' ? `has the format ${quoted(format)}` : 'has no format';
    refuse(`the state ${found}, expected ${Object.keys(READERS).join(', ')}`);
  }
  try {
    const state = READERS[kind](fields);
    return Object.hasOwn(fields, 'names') ? withNames(state, names as readonly string[]) : state;
  } catch (cause) {
    if (cause instanceof StreamnormError) throw cause;
    refuse(`${quoted(String(format))}: ${(cause as Error).message}`, cause);
  }
}

/** Names of the features, where the state knows them. */
export function namesOf(state: AnyState): readonly string[] | undefined {
  if (typeof state.features !== 'number') return state.features;
  return 'names' in state ? state.names : undefined;
}

/**
 * The state with names for its features.
 *
 * @throws TypeError for names that are none; StreamnormError STATE when there are more or less of them
 */
export function withNames<S extends AnyState>(state: S, names: readonly string[] | undefined): S {
  if (names === undefined) return state;
  requireFeatures('a state', names);
  requireWidth('the state', typeof state.features === 'number' ? state.features : state.features.length, names);
  const field = state.format === 'streamnorm.frozen/1' ? 'names' : 'features';
  return { ...state, [field]: [...names] };
}

/** @throws TypeError, RangeError unless absent, a number of features, or their names */
export function requireFeatures(where: string, features: number | readonly string[] | undefined): void {
  if (typeof features === 'number') requirePositiveInteger(where, 'features', features);
  else requireFeatureNames(where, features);
}

/** @throws StreamnormError STATE unless `what` has as many features as these */
export function requireWidth(what: string, width: number, features: number | readonly string[] | undefined): void {
  if (features === undefined) return;
  const expected = typeof features === 'number' ? features : features.length;
  if (width === expected) return;
  const named = typeof features === 'number' ? '' : ` (${quotedList(features)})`;
  refuse(`${what} has ${width} ${width === 1 ? 'feature' : 'features'}, expected ${expected}${named}`);
}
