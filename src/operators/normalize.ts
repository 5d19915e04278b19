import { asyncScheduler, defer, map, type OperatorFunction, type SchedulerLike } from 'rxjs';
import { requireBoolean, requireFunction, requireKnown, requirePositiveInteger, shown } from '../core/parameter.ts';
import { requireFeatureNames, type SampleShape, sampleShape } from '../core/sample-shape.ts';
import {
  requireStandardizer,
  STANDARDIZER_OPTIONS,
  Standardizer,
  type StandardizerOptions,
} from '../core/standardizer.ts';
import { isStatistic, type Statistic, type StatisticFactory } from '../core/statistic.ts';
import type { Detail } from './detail.ts';
import { KEYED_FORM } from './keyed-form.ts';
import { scoreSamples } from './sample-scorer.ts';
import { requireScheduler } from './scheduler.ts';

export interface NormalizeOptions<S = unknown> extends StandardizerOptions {
  /** Names of the fields to normalise; for records, this or `maxFeatures` is required. */
  features?: readonly string[];
  /** Instead of `features`: every field that holds a number is one, from when it first appears, up to so many. */
  maxFeatures?: number;
  /** Weight of a sample in the statistic, for `ewma` and `cumulative`; 1. */
  weightOf?: (sample: S) => number;
  /** Rows that `untilReady: 'hold'` keeps back; past it the oldest leaves as it is, flagged `notReady`; 1,024. */
  maxHeld?: number;
  /** Emits `Detail` objects; false. */
  detail?: boolean;
  /** Time of samples where the statistic has no `timeOf`; `asyncScheduler`. */
  scheduler?: SchedulerLike;
}

const OPTIONS = [
  ...STANDARDIZER_OPTIONS,
  ...(['features', 'maxFeatures', 'weightOf', 'maxHeld', 'detail', 'scheduler'] as const),
] as const satisfies readonly (keyof NormalizeOptions)[];

const MAX_HELD = 1_024;

/**
 * Normalises each sample at once by a statistic of the samples before it, then learns it: `z = (x - mean)/√(var + eps)`.
 *
 * ```
 * source                       --a---b---c--|
 * normalize(cumulative())      --?---?---C--|     ? is NaN: two samples make the first variance
 * ```
 *
 * One value out for each value in, but with `'hold'` and `'dropRow'`. A feature is NaN until it has learned two samples,
 * and where x is missing, infinite or too large to be squared (that is not learned either); it is 0 where it has no spread.
 * A sample of another form than the first comes out as NaN. Memory: the statistic.
 *
 * `untilReady` says what comes out for features without statistics, `minSamples` what makes statistics. A gap in time
 * takes them away again: of four samples, three 58 half-lives old, nEff is 1. With `'hold'` rows wait, in order, and leave
 * with the statistics that first serve them; past `maxHeld` the oldest leaves with NaN, on completion all do, flagged
 * `notReady`; when the source fails they are dropped.
 *
 * ```
 * source                                            --a---b---c--|
 * normalize(cumulative(), { untilReady: 'hold' })   ------(AB)C--|
 * ```
 *
 * `missing` says what becomes of a row that lacks a value: `'error'` is an error notification (RangeError), `'dropRow'`
 * leaves it out, as `quarantine` does and tells of it. A sample whose `weightOf` is 0 is scored and not learned; one whose
 * weight is negative, not finite or outside of 2^-256 … 2^256 too, and it is flagged `weight`.
 *
 * With `maxFeatures` a feature that appears later is NaN at first and has its own count; an absent one keeps its state,
 * and the record does not get it. Fields beyond the bound are NaN, flagged `excess`.
 *
 * @param statistic `ewma(…)`, `cumulative()`, `frozen(…)`: new for each subscription; or an instance such as
 *   `new Ewma(…)`, shared by all that use it
 * @throws TypeError, RangeError for wrong options; records without `features` are an error notification (TypeError), as
 *   are `weight`, `bias` and `prior` of another width (RangeError)
 * @example of(1, 2, 3, 4, 10).pipe(normalize(cumulative(), { eps: 0 })) // NaN NaN 3 2.449… 6.708…
 * @example of(1, 3, 4).pipe(normalize(cumulative(), { eps: 0, untilReady: 'hold' })) // -1 1 2
 * @example of(1, 3, 4).pipe(normalize(cumulative(), { eps: 0, weight: [10], bias: [50] })) // NaN NaN 70
 * @example
 * const late = [{ a: 1 }, { a: 3 }, { a: 4, b: 7 }];
 * from(late).pipe(normalize(cumulative(), { eps: 0, maxFeatures: 2 })); // { a: NaN } { a: NaN } { a: 2, b: NaN }
 * @see denormalize, batchNorm, quarantine
 */
export function normalize<S>(
  statistic: StatisticFactory<S> | Statistic,
  options: NormalizeOptions<S> & { detail: true },
): OperatorFunction<S, Detail<S>>;
export function normalize<S>(
  statistic: StatisticFactory<S> | Statistic,
  options?: NormalizeOptions<S>,
): OperatorFunction<S, S>;
export function normalize<S>(
  statistic: StatisticFactory<S> | Statistic,
  options: NormalizeOptions<S> = {},
): OperatorFunction<S, S | Detail<S>> {
  const where = 'normalize';
  requireKnown(where, options, OPTIONS);
  const { features, maxFeatures, weightOf, maxHeld, detail = false, scheduler = asyncScheduler, ...scaling } = options;
  requireStandardizer(where, scaling);
  requireFeatureNames(where, features);
  requireBoolean(where, 'detail', detail);
  requireScheduler(where, scheduler);
  const { missing = 'nan', untilReady } = scaling;
  if (maxHeld !== undefined) requireMaxHeld(where, maxHeld, untilReady);
  if (maxFeatures !== undefined) requireMaxFeatures(where, maxFeatures, statistic, options);
  const shared = isStatistic(statistic) ? new Standardizer(where, statistic, scaling) : undefined;
  if (shared === undefined && typeof (statistic as Partial<StatisticFactory>)?.create !== 'function') {
    throw new TypeError(`${where} requires a statistic such as ewma() or cumulative(), got ${shown(statistic)}`);
  }
  const factory = statistic as StatisticFactory<S>;
  const timeOf = shared === undefined ? factory.timeOf : undefined;
  if (weightOf !== undefined) requireWeighted(where, weightOf, statistic);
  const standardizerFor = (width: number): Standardizer => {
    const standardizer = shared ?? new Standardizer(where, factory.create(width), scaling);
    if (standardizer.statistic.features === width) return standardizer;
    throw new TypeError(
      `${where} has a statistic of ${standardizer.statistic.features} features, the samples have ${width}`,
    );
  };
  const holds = untilReady === 'hold';
  if (detail || holds || weightOf !== undefined || maxFeatures !== undefined || /error|dropRow/.test(missing)) {
    const held = holds ? (maxHeld ?? MAX_HELD) : undefined;
    const full = {
      features,
      maxFeatures,
      detail,
      missing,
      maxHeld: held,
      timeOf,
      weightOf,
      scheduler,
      standardizerFor,
    };
    return (source) => scoreSamples<S>(where, source, full);
  }

  const operator: OperatorFunction<S, S> = (source) =>
    defer(() => {
      let shape: SampleShape<S> | undefined;
      let standardizer = shared;
      let x = new Float64Array(0);
      let z = new Float64Array(0);
      return source.pipe(
        map((sample) => {
          if (shape === undefined) {
            shape = sampleShape<S>(where, sample, features);
            if (shape === undefined) return Number.NaN as S;
            standardizer = standardizerFor(shape.width);
            x = new Float64Array(shape.width);
            z = new Float64Array(shape.width);
          }
          const known = standardizer as Standardizer;
          const fits = shape.read(sample, x, 0);
          const timed = known.statistic.byTime !== false;
          const time = !timed ? Number.NaN : fits && timeOf !== undefined ? timeOf(sample) : scheduler.now();
          known.step(x, z, time);
          return shape.write(sample, z, 0);
        }),
      );
    });
  if (shared !== undefined) return operator;
  return Object.assign(operator, { [KEYED_FORM]: { where, factory, features, scheduler, scaling } });
}

function requireMaxHeld(where: string, maxHeld: number, untilReady: string | undefined): void {
  requirePositiveInteger(where, 'maxHeld', maxHeld);
  if (untilReady !== 'hold') throw new TypeError(`${where} takes maxHeld only with untilReady 'hold', got ${maxHeld}`);
}

function requireMaxFeatures(
  where: string,
  maxFeatures: number,
  statistic: unknown,
  options: NormalizeOptions<never>,
): void {
  requirePositiveInteger(where, 'maxFeatures', maxFeatures);
  const fixed = (['features', 'weight', 'bias', 'prior'] as const).find((name) => options[name] !== undefined);
  if (fixed !== undefined) throw new TypeError(`${where} takes maxFeatures or ${fixed}, not both`);
  if (isStatistic(statistic)) {
    throw new TypeError(`${where} takes maxFeatures with a factory such as ewma(): an instance knows no names`);
  }
}

function requireWeighted(where: string, weightOf: unknown, statistic: Statistic | StatisticFactory<never>): void {
  requireFunction(where, 'weightOf', weightOf);
  if (statistic.weighted === true) return;
  const got = isStatistic(statistic) ? statistic.constructor.name : `${statistic.kind}()`;
  throw new TypeError(
    `${where} takes weightOf with a statistic that has weights, such as ewma() or cumulative(), got ${got}`,
  );
}
