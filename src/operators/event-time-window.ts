import type { OperatorFunction, SchedulerLike } from 'rxjs';
import type { EventWindows } from '../core/event-windows.ts';
import type { LateSample } from '../core/late-sample.ts';
import type { Batch } from './batch.ts';
import { BatchReader } from './batch-reader.ts';
import { connect } from './connect.ts';

export interface EventTimeWindowOptions<S> {
  features: readonly string[] | undefined;
  scheduler: SchedulerLike;
  timeOf: (sample: S) => number;
  latenessMs: number;
  maxAheadMs: number;
  onLate: ((late: LateSample<S>) => void) | undefined;
  /** Samples held, past which all open windows are split. */
  maxSamples: number;
}

/** Windows by the times of samples: those that `open` makes for each subscription. */
export function eventTimeWindow<S>(
  where: string,
  options: EventTimeWindowOptions<S>,
  open: () => EventWindows<S>,
): OperatorFunction<S, Batch<S>> {
  const { features, scheduler, timeOf, latenessMs, maxAheadMs, onLate, maxSamples } = options;
  return (source) =>
    connect<S, Batch<S>>(source, (subscriber) => {
      const reader = new BatchReader<S>(where, features);
      let windows = open();
      /** Those that were too full, while they leave. */
      let full: EventWindows<S> | undefined;
      let newest = Number.NEGATIVE_INFINITY;
      let late = 0;
      const refuse = (sample: S, time: number, reason: LateSample<S>['reason']) => {
        late++;
        onLate?.({ sample, time, reason, watermark: newest - latenessMs, late });
      };
      const drain = (from: EventWindows<S>, watermark: number) => {
        while (!subscriber.closed) {
          const closed = from.next(watermark);
          if (closed === undefined) return;
          subscriber.next(reader.batch(closed.samples, { ...closed, late }));
        }
      };
      return {
        next(sample) {
          // a subscriber that pushes from within `next` comes here before all closed windows have left
          drain(windows, newest - latenessMs);
          const time = reader.timeOf(sample, timeOf);
          if (Number.isNaN(time)) return refuse(sample, time, 'time');
          if (time > newest && time - maxAheadMs > scheduler.now()) return refuse(sample, time, 'ahead');
          if (!windows.add(sample, time, newest - latenessMs)) return refuse(sample, time, 'late');
          newest = Math.max(newest, time);
          drain(windows, newest - latenessMs);
          if (windows.length < maxSamples) return;
          if (full !== undefined) drain(full, Number.POSITIVE_INFINITY);
          full = windows;
          windows = full.renew();
          drain(full, Number.POSITIVE_INFINITY);
          full = undefined;
        },
        complete() {
          if (full !== undefined) drain(full, Number.POSITIVE_INFINITY);
          drain(windows, Number.POSITIVE_INFINITY);
        },
      };
    });
}
