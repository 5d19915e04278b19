import { asyncScheduler, defer, filter, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import { type Duration, durationMs } from '../core/duration.ts';
import { type FlagName, flagNames } from '../core/flags.ts';
import { requireFunction, requireKnown, shown } from '../core/parameter.ts';
import { JUDGE_OPTIONS, type JudgeOptions, RowJudge, requireJudge } from '../core/row-judge.ts';
import { requireFeatureNames, type SampleShape, sampleShape } from '../core/sample-shape.ts';
import { sampleTime } from './sample-time.ts';
import { requireScheduler } from './scheduler.ts';

/**
 * Why a sample was kept out: `missing`: a feature is NaN, null, undefined or absent; `overflow`: one is infinite, or too
 * large to be squared; `range`: one is out of its bounds; `shape`: it is of another form than the first; `time`: `timeOf` gave no time; `late`: it is older
 * than the newest by more than `lateness`; `ahead`: it is later than the clock by more than `maxAhead`.
 */
export type BadReason = Extract<FlagName, 'missing' | 'overflow' | 'range' | 'shape' | 'time' | 'late'> | 'ahead';

/** A sample that was kept out. */
export interface BadSample<S> {
  readonly sample: S;
  readonly reasons: readonly BadReason[];
  /** In ms; NaN where it has none, or nobody asked. */
  readonly time: number;
  /** Such samples of this subscription so far, this one included. */
  readonly bad: number;
}

export interface QuarantineOptions<S = unknown> extends JudgeOptions {
  /** Names of the fields to judge; required for records. */
  features?: readonly string[];
  /** Told of each sample that is kept out. */
  onBad?: (bad: BadSample<S>) => void;
  /** Time of a sample in ms. With it, samples without a time, late ones and those far ahead are kept out too. */
  timeOf?: (sample: S) => number;
  /** How much older than the newest sample one may be; 0. */
  lateness?: Duration;
  /** How much later than the clock one may be, or it would make all others late; `'1h'`. */
  maxAhead?: Duration;
  /** Clock of `maxAhead`; `asyncScheduler`. */
  scheduler?: SchedulerLike;
}

const MAX_AHEAD = '1h';

/**
 * Hands on samples that are good in every feature, unchanged, and keeps the others out: they are told to `onBad`, with
 * reasons and their number.
 *
 * ```
 * source        --1--N--3--∞--|
 * quarantine()  --1-----3-----|     onBad: N (missing), ∞ (overflow)
 * ```
 *
 * Good is a sample with a value of every feature (of those `required`), each finite, small enough to be squared, and
 * within its `range`: `[min, max]` of all features, or `{ name: [min, max] }` of some, null for no bound.
 *
 * Before `normalize` or `batchNorm` it makes sure that a bad sample changes nothing at all; without it they skip bad
 * values feature by feature, and keep the good ones of the same sample. What was kept out does not count as the newest
 * sample either. Completion emits nothing. Memory: nothing is kept.
 *
 * @throws TypeError, RangeError for wrong options; records without `features`, a throw of `timeOf` or `onBad`, and a
 *   `range` of features that the samples do not have, are error notifications
 * @example
 * const bad = [];
 * of(1, NaN, 3, Infinity).pipe(quarantine({ onBad: ({ reasons }) => bad.push(reasons) })) // 1 3
 * bad; // [['missing'], ['overflow']]
 * @example of([1, 5], [2, 50]).pipe(quarantine({ range: { 1: [0, 10] } })) // [1, 5]
 * @see normalize, batchNorm, batchBy
 */
export function quarantine<S>(options: QuarantineOptions<S> = {}): MonoTypeOperatorFunction<S> {
  const where = 'quarantine';
  requireKnown(where, options, ['features', 'onBad', ...JUDGE_OPTIONS, 'timeOf', 'lateness', 'maxAhead', 'scheduler']);
  const { features, onBad, timeOf, lateness = 0, maxAhead = MAX_AHEAD, scheduler = asyncScheduler } = options;
  const { range, required } = options;
  const judging = { ...(range && { range }), ...(required && { required }) };
  requireFeatureNames(where, features);
  if (features === undefined) requireJudge(where, judging);
  else new RowJudge(where, features, judging);
  if (onBad !== undefined) requireFunction(where, 'onBad', onBad);
  if (timeOf !== undefined) requireFunction(where, 'timeOf', timeOf);
  requireScheduler(where, scheduler);
  const latenessMs = lateness === 0 ? 0 : durationMs(where, 'lateness', lateness);
  const maxAheadMs = maxAhead === 0 ? 0 : durationMs(where, 'maxAhead', maxAhead);
  for (const name of ['lateness', 'maxAhead'] as const) {
    if (options[name] === undefined || timeOf !== undefined) continue;
    throw new TypeError(`${where} takes ${name} only with timeOf, got ${name} ${shown(options[name])}`);
  }

  return (source) =>
    defer(() => {
      let shape: SampleShape<S> | undefined;
      let rows: RowJudge | undefined;
      let x = new Float64Array(0);
      let newest = Number.NEGATIVE_INFINITY;
      let bad = 0;
      const judge = (sample: S, time: number): BadReason[] => {
        if (shape?.read(sample, x, 0) !== true) return ['shape'];
        rows ??= new RowJudge(where, shape.names ?? shape.width, judging);
        const reasons = flagNames(rows.judge(x, 0)) as BadReason[];
        if (timeOf === undefined) return reasons;
        if (Number.isNaN(time)) reasons.push('time');
        else if (time < newest - latenessMs) reasons.push('late');
        else if (time > newest && time - maxAheadMs > scheduler.now()) reasons.push('ahead');
        return reasons;
      };
      return source.pipe(
        filter((sample) => {
          shape ??= sampleShape<S>(where, sample, features);
          if (shape !== undefined && x.length === 0) x = new Float64Array(shape.width);
          const time =
            shape === undefined || timeOf === undefined ? Number.NaN : sampleTime<S>(shape, sample, timeOf, x);
          const reasons = judge(sample, time);
          if (reasons.length === 0) {
            if (time > newest) newest = time;
            return true;
          }
          bad++;
          onBad?.({ sample, reasons, time, bad });
          return false;
        }),
      );
    });
}
