import type { OperatorFunction, SchedulerLike, Subscription } from 'rxjs';
import { ArrivalWindows } from '../core/arrival-windows.ts';
import type { Batch } from './batch.ts';
import { BatchReader } from './batch-reader.ts';
import { connect } from './connect.ts';

export interface TimeHopWindowOptions {
  features: readonly string[] | undefined;
  scheduler: SchedulerLike;
  /** Length of a window. */
  withinMs: number;
  /** From the start of one window to that of the next. */
  everyMs: number;
  /** Samples held, past which all open windows are split. */
  maxSamples: number;
}

/**
 * Windows of a length in time, one of which starts every so often, from the first sample on. When none came for the
 * length of a window, and since the last one opened, all stops, and the next sample is a first one again.
 *
 * Windows open and close by timers alone; the clock is read only for `start` and `end`, so that when it is set, no
 * sample changes its window.
 */
export function timeHopWindow<S>(where: string, options: TimeHopWindowOptions): OperatorFunction<S, Batch<S>> {
  const { features, scheduler, withinMs, everyMs, maxSamples } = options;
  return (source) =>
    connect<S, Batch<S>>(source, (subscriber) => {
      const reader = new BatchReader<S>(where, features);
      let windows = new ArrivalWindows<S>();
      /** Those that held too much, while they leave. */
      let full: ArrivalWindows<S> | undefined;
      let ticking: Subscription | undefined;
      /** One for each open window, in their order. */
      let timers: Subscription[] = [];
      /** Windows opened since the last sample. */
      let quiet = 0;

      const leave = (from: ArrivalWindows<S>): boolean => {
        const closed = from.close();
        if (closed === undefined || subscriber.closed) return false;
        const { samples, openedAt, split } = closed;
        if (samples.length > 0) {
          subscriber.next(reader.batch(samples, { start: openedAt, end: scheduler.now(), split }));
        }
        return true;
      };
      const leaveAll = (from: ArrivalWindows<S>) => {
        while (leave(from));
      };
      const stop = () => {
        for (const timer of [ticking, ...timers]) timer?.unsubscribe();
        ticking = undefined;
        timers = [];
      };
      const close = () => {
        timers.shift();
        leave(windows);
      };
      const open = () => {
        windows.open(scheduler.now());
        timers.push(scheduler.schedule(close, withinMs));
        ticking = scheduler.schedule(tick, everyMs);
        quiet++;
      };
      const tick = () => {
        if (quiet === 0 || quiet * everyMs < withinMs) return open();
        stop();
        windows = new ArrivalWindows(); // the open ones are empty
      };
      return {
        next(sample) {
          if (!reader.knows(sample)) return;
          if (ticking === undefined) open();
          quiet = 0;
          windows.add(sample);
          if (windows.length < maxSamples) return;
          if (full !== undefined) leaveAll(full);
          full = windows;
          windows = full.renew();
          leaveAll(full);
          full = undefined;
        },
        complete() {
          stop();
          if (full !== undefined) leaveAll(full);
          leaveAll(windows);
        },
        close: stop,
      };
    });
}
