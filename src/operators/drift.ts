import { asyncScheduler, type Observable, type OperatorFunction, type SchedulerLike } from 'rxjs';
import type { Drift, DriftDetector, DriftDetectorFactory } from '../core/drift-detector.ts';
import { requireFunction, requireKnown, shown } from '../core/parameter.ts';
import { requireFeatureNames, type SampleShape, sampleShape } from '../core/sample-shape.ts';
import { connect } from './connect.ts';
import type { DriftEvent } from './drift-event.ts';
import { requireScheduler } from './scheduler.ts';

export interface DriftOptions<S> {
  /** Names of the fields to watch; required for records. */
  features?: readonly string[];
  /** Time of a sample in ms; the scheduler's at arrival. */
  timeOf?: (sample: S) => number;
  /** Clock where there is no `timeOf`; `asyncScheduler`. */
  scheduler?: SchedulerLike;
}

/**
 * Emits an event when the mean of a feature has changed, at the sample that shows it; nothing else.
 *
 * ```
 * source          --0-0-0-0-9-9-9-9--|
 * drift(adwin())  ------------e------|     e: { feature, time, index, kind, meanBefore, meanAfter, before, after }
 * ```
 *
 * One detector for each feature; a sample can make several events, in the order of the features. It acts by events only;
 * `normalize` takes a detector as `drift`, and with `onDrift` starts its statistic anew or lets it forget faster. Missing and infinite values, and samples of another form than the
 * first, are skipped, but counted in `index`. Completion emits nothing. Memory: the detectors.
 *
 * @param detector `adwin(…)` or `pageHinkley(…)`: new for each subscription
 * @throws TypeError for wrong options; records without `features` are an error notification (TypeError)
 * @example
 * const steps = Array.from({ length: 200 }, (_, i) => (i < 100 ? 0 : 1));
 * from(steps).pipe(drift(pageHinkley({ threshold: 5 }))); // { feature: 0, kind: 'increase', … }
 * @see adwin, pageHinkley, normalize
 */
export function drift<S>(
  detector: DriftDetectorFactory,
  options: DriftOptions<S> = {},
): OperatorFunction<S, DriftEvent> {
  const where = 'drift';
  requireKnown(where, options, ['features', 'timeOf', 'scheduler']);
  const { features, timeOf, scheduler = asyncScheduler } = options;
  requireFeatureNames(where, features);
  if (timeOf !== undefined) requireFunction(where, 'timeOf', timeOf);
  requireScheduler(where, scheduler);
  if (typeof (detector as Partial<DriftDetectorFactory> | null)?.create !== 'function') {
    throw new TypeError(`${where} requires a detector such as adwin() or pageHinkley(), got ${shown(detector)}`);
  }
  const { kind: name } = detector;

  return (source: Observable<S>) =>
    connect<S, DriftEvent>(source, (subscriber) => {
      let shape: SampleShape<S> | undefined;
      let detectors: DriftDetector[] = [];
      let x = new Float64Array(0);
      let count = 0;
      return {
        next(sample) {
          const index = count++;
          if (shape === undefined) {
            shape = sampleShape<S>(where, sample, features);
            if (shape === undefined) return; // null or text before any sample says what a row looks like
            detectors = Array.from({ length: shape.width }, () => detector.create());
            x = new Float64Array(shape.width);
          }
          shape.read(sample, x, 0);
          let found: [number, Drift][] | undefined;
          // all features learn before an event is out: its subscriber may push the next sample
          for (let j = 0; j < detectors.length; j++) {
            const state = detectors[j].update(x[j]);
            if (state === undefined) continue;
            found ??= [];
            found.push([j, state]);
          }
          if (found === undefined) return;
          const time = timeOf === undefined ? scheduler.now() : timeOf(sample);
          for (const [j, state] of found) {
            subscriber.next({ ...state, feature: shape.names?.[j] ?? j, time, index, detector: name });
          }
        },
      };
    });
}
