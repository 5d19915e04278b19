import type { Observable, Subscription } from 'rxjs';
import { onTestFinished } from 'vitest';
import type { SocketStatus } from '../../src/websocket/socket-status.ts';
import { Arrivals } from './arrivals.ts';

/** A subscription whose values can be awaited; ended with the test. */
export interface Watched<S> {
  readonly values: Arrivals<S>;
  readonly end: Promise<{ error: Error } | 'complete'>;
  readonly subscription: Subscription;
}

export function watch<S>(observable: Observable<S>): Watched<S> {
  const values = new Arrivals<S>();
  let subscription!: Subscription;
  const end = new Promise<{ error: Error } | 'complete'>((resolve) => {
    subscription = observable.subscribe({
      next: (value) => values.add(value),
      error: (error) => resolve({ error }),
      complete: () => resolve('complete'),
    });
  });
  onTestFinished(() => subscription.unsubscribe());
  return { values, end, subscription };
}

type Of<T extends SocketStatus['type']> = Extract<SocketStatus, { type: T }>;

/** Status events that can be awaited by type. */
export class StatusLog {
  readonly all: SocketStatus[] = [];
  readonly #arrivals = new Arrivals<SocketStatus>();
  readonly add = (event: SocketStatus): void => {
    this.all.push(event);
    this.#arrivals.add(event);
  };

  next<T extends SocketStatus['type']>(type: T): Promise<Of<T>> {
    return this.#arrivals.find((event): event is Of<T> => event.type === type);
  }

  of<T extends SocketStatus['type']>(type: T): Of<T>[] {
    return this.all.filter((event): event is Of<T> => event.type === type);
  }
}
