import { asyncScheduler, type OperatorFunction, type SchedulerLike } from 'rxjs';
import { AlignedWindows } from '../core/aligned-windows.ts';
import { requireKnown } from '../core/parameter.ts';
import { requireFeatureNames } from '../core/sample-shape.ts';
import { SessionWindows } from '../core/session-windows.ts';
import { WINDOW_BOUNDS_OPTIONS, type WindowBoundsOptions, windowBounds } from '../core/window-bounds.ts';
import { arrivalWindow } from './arrival-window.ts';
import type { Batch } from './batch.ts';
import { countHopWindow } from './count-hop-window.ts';
import { eventTimeWindow } from './event-time-window.ts';
import { requireScheduler } from './scheduler.ts';
import { sessionWindow } from './session-window.ts';
import { timeHopWindow } from './time-hop-window.ts';

export type { LateSample } from '../core/late-sample.ts';
export type { Batch } from './batch.ts';

export interface BatchByOptions<S = unknown> extends WindowBoundsOptions<S> {
  /** Names of the fields to read; required for records. */
  features?: readonly string[];
  /** Clock of `within`, `every`, `gap` and `maxAhead`; `asyncScheduler`. */
  scheduler?: SchedulerLike;
}

/**
 * Collects samples into windows, and emits each as a `Batch` when it closes: at `size` samples, `within` a time of its
 * first, or after a `gap`, whichever comes first. With `every` windows overlap, or leave out what is between them.
 *
 * ```
 * source                             --a-b-c-------d-e-|
 * batchBy({ size: 3 })               ------x-----------(y|)      x: abc, y: de
 * batchBy({ within: 5 })             -------x----------(y|)      x: abc, y: de
 * batchBy({ gap: 5 })                -----------x------(y|)      x: abc, y: de
 * batchBy({ size: 2, every: 1 })     ----x-y-------z-u-(v|)      x: ab, y: bc, z: cd, u: de, v: e
 * batchBy({ size: 1, every: 2 })     --x---y---------z-|         x: a, y: c, z: e
 * batchBy({ within: 4, every: 2 })   ------x-y---------(z|)      x: abc, y: c, z: de
 * ```
 *
 * Windows begin with a sample. Those of `within` and `every` go on from there by timers, and begin anew with the first
 * sample after a silence as long as a window. Empty windows are not emitted. On completion all open ones leave, the
 * oldest first; when the source fails they are dropped. A sample of another form than the first enters as a row of NaN.
 *
 * **Event time.** With `timeOf` and `within` or `gap`, windows hold samples by when they were made, sorted by that, in
 * whatever order they come. Those of a length begin at whole multiples of it, or of `every`, since the epoch: `'1m'`
 * ends with the minute. A window closes when the watermark, the newest time less `lateness`, reaches its end. Only
 * samples move the watermark: while the source is silent nothing closes, until it completes.
 *
 * ```
 * source: times in s                                  -1-4-3-6-2--9-|
 * batchBy({ timeOf, within: '5s' })                   -------x------(y|)   x: 1 3 4, y: 6 9; 2 is late
 * batchBy({ timeOf, within: '5s', lateness: '2s' })   ------------x-(y|)   x: 1 2 3 4, y: 6 9
 * batchBy({ timeOf, gap: '3s', lateness: '2s' })      --------------(xy|)  x: 1 2 3 4 6, y: 9
 * ```
 *
 * A sample whose windows have all closed is late. It is in none, counted, and told to `onLate`, which may push it into
 * a Subject. So is one without a usable time, one of another form than the first, and one more than `maxAhead` later
 * than the clock, since a single sample from the far future would make all others late. With `size`, the first `size`
 * samples leave as soon as the watermark has reached the last of them; so what leaves together depends on times, never
 * on the order of arrival. A `gap` ends a session, and the rest after `size` is the next one; the rest of a window of a
 * length is another batch of the same window.
 *
 * **Memory.** `size` samples; with a bound in time `maxSamples`, of all open windows together. What would be more is
 * not lost: all of them leave with what they hold and go on empty, so that a sample is still once in each of its
 * windows. These batches, and the rest of their windows, are `split`. Samples must not be changed while a window holds
 * them.
 *
 * @throws TypeError, RangeError for wrong options; records without `features`, and a throw of `timeOf` or `onLate`, are
 *   error notifications
 * @example of(1, 2, 3, 4, 5).pipe(batchBy({ size: 2 }), map((b) => b.samples)) // [1, 2] [3, 4] [5]
 * @example of(1, 2, 3, 4).pipe(batchBy({ size: 3, every: 1 }), map((b) => b.samples)) // [1, 2, 3] [2, 3, 4] [3, 4] [4]
 * @example
 * const late = [];
 * const timeOf = (ms) => ms;
 * const windows = batchBy({ timeOf, within: 10, lateness: 5, onLate: ({ sample }) => late.push(sample) });
 * of(1, 12, 4, 27, 3).pipe(windows, map(({ start, end, samples }) => [start, end, samples]))
 * // [0, 10, [1, 4]] [10, 20, [12]] [20, 30, [27]]
 * late; // [3]
 * @see batchStats, batchNorm
 */
export function batchBy<S>(options: BatchByOptions<S>): OperatorFunction<S, Batch<S>> {
  return windows('batchBy', options);
}

/** `batchBy` in the name of the operator that uses it, so that errors name what the user called. */
export function windows<S>(where: string, options: BatchByOptions<S>): OperatorFunction<S, Batch<S>> {
  requireKnown(where, options, [...WINDOW_BOUNDS_OPTIONS, 'features', 'scheduler']);
  const bounds = windowBounds(where, options);
  const { size, withinMs, gapMs, every, timeOf, maxSamples } = bounds;
  const { features, scheduler = asyncScheduler } = options;
  requireFeatureNames(where, features);
  requireScheduler(where, scheduler);
  const common = { ...bounds, features, scheduler };

  if (withinMs === undefined && gapMs === undefined) {
    if (every !== undefined && every !== size) return countHopWindow(where, { ...common, size: size as number, every });
    return arrivalWindow(where, { ...common, size: size as number, splits: false });
  }
  if (timeOf !== undefined) {
    const open =
      gapMs === undefined
        ? () => new AlignedWindows<S>({ withinMs: withinMs as number, everyMs: every, size })
        : () => new SessionWindows<S>({ gapMs, withinMs, size });
    return eventTimeWindow(where, { ...common, timeOf }, open);
  }
  if (every !== undefined) return timeHopWindow(where, { ...common, withinMs: withinMs as number, everyMs: every });
  const bound = Math.min(size ?? maxSamples, maxSamples);
  const own = { ...common, size: bound, splits: bound !== size };
  return gapMs === undefined ? arrivalWindow(where, own) : sessionWindow(where, { ...own, gapMs });
}
