import { isConstantFeature } from '../core/constant-feature.ts';
import { Cumulative, type CumulativeState } from '../core/cumulative.ts';
import type { FrozenState } from '../core/frozen.ts';
import { requireKnown, shown } from '../core/parameter.ts';
import { requireFeatureNames } from '../core/sample-shape.ts';
import { requireFeatures, requireState, requireWidth, withNames } from './any-state.ts';
import { REST_NAME, readRest } from './batch-norm-rest.ts';
import { fieldNumber, fieldNumbers } from './field-numbers.ts';
import { type JsonObject, readJsonObject } from './read-json.ts';
import { refuse } from './refuse.ts';
import { scalingOf } from './scaling.ts';
import { writeJson } from './write-json.ts';

export interface FromSklearnOptions {
  /** Names of the features, or their number as a check; default: `feature_names_in_`. */
  features?: number | readonly string[];
}

export interface ToSklearnOptions {
  /** Names for `feature_names_in_`; those of the state. */
  features?: readonly string[];
  /** false leaves weight and bias out, which a StandardScaler cannot hold; a state that has them is refused. */
  affine?: false;
}

type Named = { readonly names?: readonly string[] };

export const FROM_SKLEARN_OPTIONS = ['features'] as const;
export const TO_SKLEARN_OPTIONS = ['features', 'affine'] as const;

/**
 * Reads the attributes of a fitted StandardScaler of scikit-learn, as JSON: `mean_`, `var_`, `scale_`,
 * `n_samples_seen_` (one count, or one a feature), `feature_names_in_`, `n_features_in_`, `with_mean`, `with_std`.
 *
 * A scaler that centres and scales becomes a Cumulative state, which goes on learning as `partial_fit` does. One that
 * does not (`with_mean` or `with_std` false, or `var_` null), or does not say what it has seen, becomes a Frozen state of
 * the mean and variance that give its output. scikit-learn has no eps: use `eps: 0`. A feature without spread comes out
 * as 0 here and as x - mean there.
 *
 * @returns a state for `Cumulative.from`, or for `frozen`; `names` are those of the features
 * @throws StreamnormError STATE for bad content, numbers that are not finite, a negative variance, or lengths that
 *   differ; TypeError for wrong options
 * @example fromSklearn('{"mean_":[2],"var_":[0.5],"scale_":[0.707],"n_samples_seen_":4}') // { …, count: [4], mean: [2], m2: [2] }
 */
export function fromSklearn(
  text: string,
  options: FromSklearnOptions = {},
): (CumulativeState & Named) | (FrozenState & Named) {
  requireKnown('fromSklearn', options, FROM_SKLEARN_OPTIONS);
  requireFeatures('fromSklearn', options.features);
  const fields = readJsonObject(text, 'the scaler');
  const has = (name: string) => (fields[name] ?? null) !== null;
  if (!has('mean_') && !has('var_') && !has('scale_')) refuse('the scaler has none of mean_, var_, scale_');
  const width = widthOf(fields);
  const counts = has('n_samples_seen_') ? countsOf(fields.n_samples_seen_, width) : undefined;
  // scikit-learn has NaN where nothing was seen, and JSON null
  const known = (value: unknown, empty: number) =>
    counts && Array.isArray(value) ? value.map((x, j) => (x === null && counts[j] === 0 ? empty : x)) : value;
  const numbers = (name: string, rule: 'mean' | 'variance' | 'positive', empty: number) =>
    has(name) ? fieldNumbers(known(fields[name], empty), name, rule, width) : undefined;
  const [mean, variance, scale] = [
    numbers('mean_', 'mean', 0),
    numbers('var_', 'variance', 0),
    numbers('scale_', 'positive', 1),
  ];
  const centres = switchOf(fields, 'with_mean') ?? mean !== undefined;
  const scales = switchOf(fields, 'with_std') ?? (variance !== undefined || scale !== undefined);
  if (centres && mean === undefined) refuse('the scaler has with_mean, but no mean_');
  if (scales && variance === undefined && scale === undefined) refuse('the scaler has with_std, but no var_ or scale_');

  const found = has('feature_names_in_') ? namesIn(fields.feature_names_in_) : undefined;
  requireWidth('the scaler', width, options.features);
  const names = typeof options.features === 'object' ? options.features : found;
  if (centres && scales && counts && mean && variance) {
    const state = requireState({
      format: 'streamnorm.cumulative/1',
      features: width,
      version: Math.ceil(counts.reduce((most, n) => (n > most ? n : most), 0)),
      count: counts,
      mean,
      m2: variance.map((v, j) => v * counts[j]),
    }) as CumulativeState;
    return withNames(withSums(state, variance, readRest(fields[REST_NAME])), names);
  }
  const squares = scale?.map((s) => s * s);
  const given = centres ? (variance ?? squares) : (squares ?? variance);
  const state = {
    format: 'streamnorm.frozen/1',
    features: width,
    mean: centres && mean ? mean : new Array(width).fill(0),
    variance: scales && given ? given : new Array(width).fill(1),
  };
  return withNames(requireState(state) as FrozenState, names);
}

/**
 * Writes a state as the attributes of a fitted StandardScaler of scikit-learn, as JSON: `mean_`, `var_`, `scale_`,
 * `n_samples_seen_`, `n_features_in_`, `feature_names_in_`. In Python: `setattr` each name that ends in `_`, lists as
 * numpy arrays.
 *
 * | state | `n_samples_seen_` | lost |
 * |---|---|---|
 * | Cumulative | the counts | nothing: it comes back bit for bit |
 * | Ewma | what it is worth, nEff, rounded | times and the rate: the scaler goes on without forgetting |
 * | BatchNorm | its samples | the rate, eps (but `scale_` is √(var + eps)), clip, weight and bias |
 * | Frozen | absent: `partial_fit` refuses it | nothing |
 *
 * Mean and variance are those that the state normalises with: debiased for a BatchNorm that debiases, biased for a
 * Cumulative. `scale_` is 1 where there is no spread, as in scikit-learn; null is a feature that has seen nothing.
 *
 * @throws StreamnormError STATE for another state, or one with weight or bias unless `affine: false`; TypeError for
 *   wrong options
 * @example toSklearn(new Cumulative({ features: 1 }).state(), { features: ['x1'] }) // '{"mean_":[null],…,"feature_names_in_":["x1"],…'
 */
export function toSklearn(state: unknown, options: ToSklearnOptions = {}): string {
  requireKnown('toSklearn', options, TO_SKLEARN_OPTIONS);
  requireFeatures('toSklearn', options.features);
  const from = withNames(requireState(state), options.features);
  if (from.format === 'streamnorm.batchnorm/1' && options.affine !== false) {
    const { weight, bias } = from;
    if (weight?.some((x) => x !== 1) || bias?.some((x) => x !== 0)) {
      refuse('a StandardScaler has no weight and bias; affine: false leaves them out');
    }
  }
  const { names, mean, variance, counts, eps } = scalingOf(from);
  const orNull = (values: readonly number[]) => values.map((x, j) => (counts?.[j] === 0 ? null : x));
  const scale = variance.map((v, j) =>
    isConstantFeature(v, mean[j], counts?.[j] ?? Number.POSITIVE_INFINITY) ? 1 : Math.sqrt(v + eps),
  );
  return `${writeJson({
    mean_: orNull(mean),
    var_: orNull(variance),
    scale_: orNull(scale),
    n_samples_seen_: counts?.every((n) => n === counts[0]) ? counts[0] : counts,
    n_features_in_: mean.length,
    feature_names_in_: names,
    with_mean: true,
    with_std: true,
    [REST_NAME]:
      from.format === 'streamnorm.cumulative/1'
        ? { version: from.version, meanLow: from.meanLow, m2: from.m2 }
        : undefined,
  })}\n`;
}

/** As long as its lists: a number alone could claim any width. */
function widthOf(fields: JsonObject): number {
  const list = [fields.mean_, fields.scale_, fields.var_].find(Array.isArray);
  if (list === undefined || list.length === 0) refuse('mean_, var_ and scale_ must be lists of numbers, at least one');
  const { n_features_in_: claimed } = fields;
  if (claimed !== undefined && claimed !== list.length) {
    refuse(`"n_features_in_" must be ${list.length}, as many as the lists have, found ${shown(claimed)}`);
  }
  return list.length;
}

function countsOf(value: unknown, width: number): number[] {
  if (Array.isArray(value)) return fieldNumbers(value, 'n_samples_seen_', 'count', width);
  const count = fieldNumber(value, 'n_samples_seen_', 'count');
  return Array.from({ length: width }, () => count);
}

/** The state with the sums that the file carries, if they give its variances: a product loses their last bits. */
function withSums(state: CumulativeState, variance: number[], { m2, meanLow, version }: JsonObject): CumulativeState {
  if (m2 === undefined) return state;
  const sums = fieldNumbers(m2, `${REST_NAME}.m2`, 'variance', state.features);
  const low =
    meanLow === undefined ? undefined : fieldNumbers(meanLow, `${REST_NAME}.meanLow`, 'factor', state.features);
  // of another mean it is not the rounding
  const rounds = low?.every((x, j) => state.mean[j] + x === state.mean[j]);
  const carried = requireState({ ...state, ...(rounds && { meanLow: low }), m2: sums, version }) as CumulativeState;
  return Cumulative.from(carried).variance.every((v, j) => v === variance[j]) ? carried : state;
}

function switchOf(fields: JsonObject, name: string): boolean | undefined {
  const value = fields[name];
  if (value !== undefined && typeof value !== 'boolean') refuse(`"${name}" must be true or false`);
  return value;
}

function namesIn(value: unknown): string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) {
    try {
      requireFeatureNames('feature_names_in_', value);
      return value;
    } catch (cause) {
      refuse((cause as Error).message, cause);
    }
  }
  refuse('"feature_names_in_" must be a list of names');
}
