import type { OperatorFunction, SchedulerLike, Subscription } from 'rxjs';
import type { Batch } from './batch.ts';
import { BatchReader } from './batch-reader.ts';
import { connect } from './connect.ts';

export interface SessionWindowOptions {
  features: readonly string[] | undefined;
  scheduler: SchedulerLike;
  /** Closes a window this long after its last sample. */
  gapMs: number;
  /** Closes a window this long after its first sample. */
  withinMs: number | undefined;
  /** Closes a window at this many samples. */
  size: number;
  /** Whether `size` only bounds memory. */
  splits: boolean;
}

/** Windows of activity: each lasts until no sample has arrived for a while. */
export function sessionWindow<S>(where: string, options: SessionWindowOptions): OperatorFunction<S, Batch<S>> {
  const { features, scheduler, gapMs, withinMs, size, splits } = options;
  return (source) =>
    connect<S, Batch<S>>(source, (subscriber) => {
      const reader = new BatchReader<S>(where, features);
      let held: S[] = [];
      let openedAt = 0;
      let lastAt = 0;
      let silence: Subscription | undefined;
      let limit: Subscription | undefined;

      const stop = () => {
        silence?.unsubscribe();
        limit?.unsubscribe();
      };
      const close = () => {
        stop();
        if (held.length === 0) return;
        const samples = held;
        held = [];
        const split = splits && samples.length >= size;
        subscriber.next(reader.batch(samples, { start: openedAt, end: scheduler.now(), split }));
      };
      // a timer for each sample would cost more than the sample: one looks again when it has run out
      const waitFor = (ms: number) => {
        silence = scheduler.schedule(() => {
          const now = scheduler.now();
          if (lastAt > now) lastAt = now; // the clock was set back: the silence counts from here
          if (lastAt + gapMs > now) waitFor(lastAt + gapMs - now);
          else close();
        }, ms);
      };
      return {
        next(sample) {
          if (!reader.knows(sample)) return;
          lastAt = scheduler.now();
          held.push(sample);
          if (held.length === 1) openedAt = lastAt;
          if (held.length >= size) return close();
          if (held.length > 1) return;
          waitFor(gapMs);
          if (withinMs !== undefined) limit = scheduler.schedule(close, withinMs);
        },
        complete: close,
        close: stop,
      };
    });
}
