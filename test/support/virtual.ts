import { Subject, type Subscription, VirtualTimeScheduler } from 'rxjs';

/** Samples by when they arrive, in ms of virtual time. */
export interface Arrival<S> {
  readonly at: number;
  readonly sample: S;
}

/**
 * Runs a pipeline on a clock that jumps from one event to the next. It need not be told when to stop: once the source is
 * complete, no timer may be left.
 *
 * @param subscribe gets the source and its clock
 * @returns timers that had not run when the source was complete, cancelled ones excluded
 */
export function inVirtualTime<S>(
  arrivals: readonly Arrival<S>[],
  completeAt: number,
  subscribe: (source: Subject<S>, scheduler: VirtualTimeScheduler) => Subscription,
): number {
  const scheduler = new VirtualTimeScheduler(undefined, Number.POSITIVE_INFINITY);
  const source = new Subject<S>();
  subscribe(source, scheduler);
  for (const { at, sample } of arrivals) scheduler.schedule(() => source.next(sample), at);
  let left = -1;
  scheduler.schedule(() => {
    source.complete();
    left = scheduler.actions.filter((action) => !action.closed).length;
  }, completeAt);
  scheduler.flush();
  return left;
}
