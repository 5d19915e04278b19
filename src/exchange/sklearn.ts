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
 * Counts that are not whole are sums of weights (`sample_weight`), of more samples than the scaler says: then `count`, and
 * nEff with it, is taken to be the sum rounded up, at least 2.
 *
 * @returns a state for `Cumulative.from`, or for `frozen`, which carries the names of its features as `names`
 * @throws StreamnormError STATE for bad content, numbers that are not finite, a negative variance, or lengths that
 *   differ; TypeError for wrong options
 * @example fromSklearn('{"mean_":[2],"var_":[0.5],"scale_":[0.707],"n_samples_seen_":4}') // { …, count: [4], mean: [2], m2: [2] }
 */
export function fromSklearn(text: string, options: FromSklearnOptions = {}): CumulativeState | (FrozenState & Named) {
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
      ...sumsOfWeights(counts),
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
 * | Cumulative | the counts, or the sums of the weights | nothing: it comes back bit for bit |
 * | Ewma | what it is worth, nEff, rounded | times and the rate: the scaler goes on without forgetting |
 * | BatchNorm | its samples | the rate, eps (but `scale_` is √(var + eps)), clip, weight and bias |
 * | Frozen | absent: `partial_fit` refuses it | eps (but `scale_` is √(var + eps)), clip, weight and bias |
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
  const isLayer = from.format === 'streamnorm.batchnorm/1' || from.format === 'streamnorm.frozen/1';
  if (isLayer && options.affine !== false) {
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
  // with sample_weight scikit-learn counts weights
  const seen = from.format === 'streamnorm.cumulative/1' ? (from.weight ?? counts) : counts;
  return `${writeJson({
    mean_: orNull(mean),
    var_: orNull(variance),
    scale_: orNull(scale),
    n_samples_seen_: seen?.every((n) => n === seen[0]) ? seen[0] : seen,
    n_features_in_: mean.length,
    feature_names_in_: names,
    with_mean: true,
    with_std: true,
    [REST_NAME]: from.format === 'streamnorm.cumulative/1' ? sumsIn(from) : undefined,
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

/** Counts are weights where one is not whole; less than two samples are taken for two, which a variance needs. */
function sumsOfWeights(counts: number[]): Pick<CumulativeState, 'count' | 'weight' | 'weight2'> {
  if (counts.every(Number.isInteger)) return { count: counts };
  const count = counts.map((weight) => (Number.isInteger(weight) ? weight : Math.max(2, Math.ceil(weight))));
  return { count, weight: counts, weight2: counts.map((weight, j) => (weight === 0 ? 0 : weight ** 2 / count[j])) };
}

/** What a scaler has no attribute for. */
function sumsIn({ version, meanLow, m2, count, weight, weight2 }: CumulativeState): JsonObject {
  return { version, meanLow, m2, ...(weight && { count, weight2 }) };
}

/** The state with the sums that the file carries, if they give its variances: a product loses their last bits. */
function withSums(state: CumulativeState, variance: number[], rest: JsonObject): CumulativeState {
  if (rest.m2 === undefined) return state;
  const width = state.mean.length;
  const carried = (name: string, rule: 'variance' | 'factor' | 'count') =>
    rest[name] === undefined ? undefined : fieldNumbers(rest[name], `${REST_NAME}.${name}`, rule, width);
  const meanLow = carried('meanLow', 'factor');
  // of another mean it is not the rounding
  const rounds = meanLow?.every((low, j) => state.mean[j] + low === state.mean[j]);
  const weight2 = carried('weight2', 'variance');
  const weights = weight2 && { count: carried('count', 'count'), weight: state.weight ?? state.count, weight2 };
  const sums = { m2: carried('m2', 'variance'), version: rest.version, ...(rounds && { meanLow }), ...weights };
  const whole = requireState({ ...state, ...sums }) as CumulativeState;
  return Cumulative.from(whole).variance.every((v, j) => v === variance[j]) ? whole : state;
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
