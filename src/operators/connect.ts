import { Observable, Subscriber } from 'rxjs';

/** What one subscription does with its source. */
export interface Handler<I> {
  next(value: I): void;
  /** What is still to be emitted when the source completes. */
  complete?(): void;
  /** Frees timers; called once, however the subscription ends. */
  close?(): void;
}

/**
 * An Observable that hands every value of `source` to a handler made for each subscription. A throw in the handler is
 * an error notification; with a bare `new Observable` it would leave the chain, lose the value and end the process.
 *
 * For operators that emit none, one or many values for each input, where composing built-ins costs several times more.
 */
export function connect<I, O>(source: Observable<I>, open: (subscriber: Subscriber<O>) => Handler<I>): Observable<O> {
  return new Observable<O>((subscriber) => {
    const handler = open(subscriber);
    const guarded = (step: () => void) => {
      try {
        step();
      } catch (error) {
        subscriber.error(error);
      }
    };
    subscriber.add(() => handler.close?.());
    // not a plain observer: its subscription is known only when `subscribe` returns, so `take(1)` downstream could not
    // stop a source that emits synchronously, and an endless one would hang the process
    const inner = new Subscriber<I>({
      next(value) {
        try {
          handler.next(value);
        } catch (error) {
          subscriber.error(error);
        }
      },
      error: (error: unknown) => subscriber.error(error),
      complete: () =>
        guarded(() => {
          handler.complete?.();
          subscriber.complete();
        }),
    });
    subscriber.add(inner);
    source.subscribe(inner);
  });
}
