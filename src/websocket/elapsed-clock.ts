import { asyncScheduler, type SchedulerLike } from 'rxjs';

/**
 * Milliseconds that pass evenly, for spans: `asyncScheduler` tells the wall clock, which jumps when it is set. Any other
 * scheduler, such as one of virtual time, tells its own.
 */
export function elapsedClock(scheduler: SchedulerLike): () => number {
  return scheduler === asyncScheduler ? () => performance.now() : () => scheduler.now();
}
