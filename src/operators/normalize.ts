import { asyncScheduler, defer, map, type OperatorFunction, type SchedulerLike } from 'rxjs';
import type { DriftDetectorFactory } from '../core/drift-detector.ts';
import { DriftGuard } from '../core/drift-guard.ts';
import { DriftWatch, type OnDrift, requireDrift } from '../core/drift-watch.ts';
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
import type { DriftEvent } from './drift-event.ts';
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
  /** Watches the mean of each feature: `adwin(…)` or `pageHinkley(…)`; not watched. */
  drift?: DriftDetectorFactory;
  /** What is done when one has changed: `'tell'` (default), `'reset'`, or `{ faster, rows }`. */
  onDrift?: OnDrift;
  /** Is told of each change, after the sample that shows it has been emitted; of one that is held back, at once. */
  tellDrift?: (event: DriftEvent) => void;
  /** Emits `Detail` objects; false. */
  detail?: boolean;
  /** Time of samples where the statistic has no `timeOf`; `asyncScheduler`. */
  scheduler?: SchedulerLike;
}

const OPTIONS = [
  ...STANDARDIZER_OPTIONS,
  ...(['features', 'maxFeatures', 'weightOf', 'maxHeld', 'detail', 'scheduler'] as const),
  ...(['drift', 'onDrift', 'tellDrift'] as const),
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
 * `drift` watches each feature, before the sample is learned. With `onDrift: 'reset'` a feature whose mean has changed
 * begins anew with the sample that shows it: that one is still scored by what was before, the next ones are not ready, as
 * `untilReady` says. `{ faster: 10, rows: 100 }` lets it forget ten times as fast, alpha at most 1, with that and the next
 * 99 samples that have a value of it. The other features go on as ever. `tellDrift` may throw: that is an error notification.
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
 * @example
 * const steps = Array.from({ length: 203 }, (_, i) => i % 3 + (i < 100 ? 0 : 50));
 * const told = [];
 * const tellDrift = ({ index }) => told.push(index);
 * const watched = normalize(cumulative(), { drift: adwin({ range: 0 }), onDrift: 'reset', tellDrift });
 * from(steps).pipe(watched, last()); // 0
 * told; // [127]
 * @see denormalize, batchNorm, quarantine, drift
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
  const { features, maxFeatures, weightOf, maxHeld, detail = false, scheduler = asyncScheduler, ...others } = options;
  const { drift, onDrift, tellDrift, ...scaling } = others;
  requireWatching(where, others);
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
    const made = (statistic: Statistic) => {
      if (drift === undefined) return new Standardizer(where, statistic, scaling);
      const watch = new DriftWatch(where, statistic.features, drift, onDrift);
      return new Standardizer(where, new DriftGuard(where, statistic, watch), scaling);
    };
    // a shared statistic has detectors of each subscription
    const standardizer =
      shared === undefined ? made(factory.create(width)) : drift === undefined ? shared : made(shared.statistic);
    if (standardizer.statistic.features === width) return standardizer;
    throw new TypeError(
      `${where} has a statistic of ${standardizer.statistic.features} features, the samples have ${width}`,
    );
  };
  const holds = untilReady === 'hold';
  if (
    detail ||
    holds ||
    weightOf !== undefined ||
    maxFeatures !== undefined ||
    drift !== undefined ||
    /error|dropRow/.test(missing)
  ) {
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
      tellDrift,
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

function requireWatching(where: string, { drift, onDrift, tellDrift }: NormalizeOptions<never>): void {
  const alone = onDrift !== undefined ? 'onDrift' : tellDrift !== undefined ? 'tellDrift' : undefined;
  if (drift !== undefined) requireDrift(where, drift, onDrift === undefined ? 'tell' : onDrift);
  else if (alone !== undefined) throw new TypeError(`${where} takes ${alone} with drift: a detector such as adwin()`);
  if (tellDrift !== undefined) requireFunction(where, 'tellDrift', tellDrift);
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
