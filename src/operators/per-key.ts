import {
  asyncScheduler,
  Observable,
  type OperatorFunction,
  type SchedulerLike,
  Subject,
  Subscriber,
  type Subscription,
} from 'rxjs';
import { type Duration, durationMs } from '../core/duration.ts';
import { requireFunction, requireKnown, requirePositiveInteger, shown } from '../core/parameter.ts';
import { requireScheduler } from './scheduler.ts';

/** Timers take 32 bits: a longer span would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** An operator of one key, and what it knows: taken when the key is evicted, given back when it returns. */
export interface KeyOperator<S, R, T> {
  readonly operator: OperatorFunction<S, R>;
  /** Called once the operator has completed. */
  state(): T;
}

/** A key has lost its operator. */
export interface Eviction<K, T> {
  readonly key: K;
  /** `maxKeys`: it was the one unused for longest when a new key came; `idle`: it was unused for that time. */
  readonly reason: 'maxKeys' | 'idle';
  /** What the `state` of its `KeyOperator` returned; undefined when it had none. */
  readonly state: T | undefined;
  /** Evictions of this subscription so far, this one included. */
  readonly evictions: number;
}

export interface PerKeyOptions<K, T = unknown> {
  /** Keys that have an operator at a time; the one unused for longest is evicted; 10,000. */
  maxKeys?: number;
  /** Evicts a key that was unused for so long; never. */
  idle?: Duration;
  /** Told of each eviction. */
  onEvict?: (eviction: Eviction<K, T>) => void;
  /** What is known of a key that has no operator; it becomes the second argument of `operatorOf`. */
  restore?: (key: K) => T | undefined;
  /** Clock of `idle`; `asyncScheduler`. */
  scheduler?: SchedulerLike;
}

/**
 * Gives each key an operator of its own: what the operator of its key emits for a sample is emitted at once.
 *
 * ```
 * source                            --a1--b1--a2--b2--|
 * perKey(key, () => normalize(…))   --A1--B1--A2--B2--|
 * ```
 *
 * The order within a key is kept, and where operators answer each sample at once, that of all. An operator starts with
 * the first sample of its key. It completes, and emits what it held back (a partial batch, say), when its key is evicted
 * or the source completes, keys in the order in which they came; the result completes after all of them. An error of one
 * is the error of all. An operator that completes by itself takes no more samples until its key is evicted.
 *
 * To keep what an evicted key had learned, return its operator with a `state`, and hand it back through `restore`:
 *
 * ```ts
 * const saved = new Map<string, EwmaState>();
 * readings$.pipe(
 *   perKey((r) => r.sensor, (_, state?: EwmaState) => {
 *     const statistic = state ? Ewma.from(state) : new Ewma({ features: 1 });
 *     return { operator: normalize<Reading>(statistic, { features: ['x'] }), state: () => statistic.state() };
 *   }, { maxKeys: 1000, onEvict: ({ key, state }) => state && saved.set(key, state), restore: (key) => saved.get(key) }),
 * );
 * ```
 *
 * Memory: `maxKeys` operators. Of 100,000 keys each takes 0.4 KB and what its operator takes: 1.7 KB with a `map`, 6 KB
 * with `normalize(ewma())` of 8 features, 6.3 KB in rxjs `groupBy` + `mergeMap`, which keeps each group for ever, or with a
 * `duration` one timer and notifier a group. Finding a key and making it the newest takes 0.1 µs, however many there
 * are; a random one of 100,000 costs ten times one that is at hand, since its memory is not. To evict a key and make an
 * operator anew takes 30 µs: let `maxKeys` be more than the keys in use.
 *
 * @throws TypeError, RangeError for wrong options; a throw of `keyOf`, `operatorOf` or `onEvict` is an error notification
 * @example
 * const rows = [{ id: 'a', x: 1 }, { id: 'b', x: 9 }, { id: 'a', x: 3 }, { id: 'a', x: 4 }];
 * const z = () => normalize(cumulative(), { features: ['x'], eps: 0 });
 * from(rows).pipe(perKey((r) => r.id, z), map((r) => r.x)); // NaN NaN NaN 2
 * @see normalize, batchNorm
 */
export function perKey<S, K, R = S, T = unknown>(
  keyOf: (sample: S) => K,
  operatorOf: (key: K, restored?: T) => OperatorFunction<S, R> | KeyOperator<S, R, T>,
  options: PerKeyOptions<K, T> = {},
): OperatorFunction<S, R> {
  const where = 'perKey';
  requireFunction(where, 'keyOf', keyOf);
  requireFunction(where, 'operatorOf', operatorOf);
  requireKnown(where, options, ['maxKeys', 'idle', 'onEvict', 'restore', 'scheduler']);
  const { maxKeys = 10_000, idle, onEvict, restore, scheduler = asyncScheduler } = options;
  requirePositiveInteger(where, 'maxKeys', maxKeys);
  const idleMs = idle === undefined ? undefined : durationMs(where, 'idle', idle);
  if (idleMs !== undefined && idleMs > MAX_TIMER_MS) {
    throw new RangeError(`${where} requires idle to be at most 24 days, got ${shown(idle)}`);
  }
  if (onEvict !== undefined) requireFunction(where, 'onEvict', onEvict);
  if (restore !== undefined) requireFunction(where, 'restore', restore);
  requireScheduler(where, scheduler);

  return (source) =>
    // not `connect`: completion waits for operators that take their time to complete
    new Observable<R>((subscriber) => {
      const entries = new Map<K, Entry<S, K, T>>();
      const order = new UseOrder<Entry<S, K, T>>();
      /** Of evicted keys, while their operators still emit. */
      const leaving = new Set<Subscription>();
      let active = 0;
      let evictions = 0;
      let sourceDone = false;
      let timer: Subscription | undefined;

      const guarded = (step: () => void) => {
        try {
          step();
        } catch (error) {
          subscriber.error(error);
        }
      };
      const forward = (value: R) => subscriber.next(value);
      const fail = (error: unknown) => subscriber.error(error);
      const completeIfAllHave = () => {
        if (sourceDone && active === 0) subscriber.complete();
      };

      const open = (key: K): Entry<S, K, T> => {
        const made = operatorOf(key, restore?.(key));
        const keyed = typeof made === 'function' ? undefined : made;
        const operator = typeof made === 'function' ? made : made?.operator;
        if (typeof operator !== 'function') {
          throw new TypeError(
            `${where} requires operatorOf to return an operator, or one with its state, got ${shown(made)}`,
          );
        }
        const entry = new Entry<S, K, T>(key, keyed);
        // known before it is subscribed to: an operator may emit at once, and so bring the next sample of its key
        entries.set(key, entry);
        order.add(entry);
        active++;
        const emits = operator(entry.samples).subscribe({
          next: forward,
          error: fail,
          complete: () => {
            active--;
            if (entry.emits !== undefined) leaving.delete(entry.emits);
            completeIfAllHave();
          },
        });
        entry.emits = emits;
        if (subscriber.closed) emits.unsubscribe();
        return entry;
      };

      const evict = (entry: Entry<S, K, T>, reason: Eviction<K, T>['reason']) => {
        entries.delete(entry.key);
        order.remove(entry);
        entry.samples.complete();
        if (entry.emits?.closed === false) leaving.add(entry.emits);
        evictions++;
        onEvict?.({ key: entry.key, reason, state: entry.keyed?.state?.(), evictions });
      };

      const watch = () => {
        const { oldest } = order;
        if (idleMs === undefined || oldest === undefined || timer !== undefined || sourceDone) return;
        timer = scheduler.schedule(() => guarded(expire), Math.max(0, oldest.usedAt + idleMs - scheduler.now()));
      };
      const expire = () => {
        timer = undefined;
        const latest = scheduler.now() - (idleMs as number);
        for (let { oldest } = order; oldest !== undefined && oldest.usedAt <= latest; { oldest } = order) {
          evict(oldest, 'idle');
        }
        watch();
      };

      subscriber.add(() => {
        timer?.unsubscribe();
        for (const { emits } of entries.values()) emits?.unsubscribe();
        for (const emits of leaving) emits.unsubscribe();
        entries.clear();
        leaving.clear();
        order.clear();
      });
      // as in `connect`: known to the subscriber before a synchronous source starts, so that `take(1)` can stop it
      const inner = new Subscriber<S>({
        next(sample) {
          try {
            const key = keyOf(sample);
            let entry = entries.get(key);
            if (entry === undefined) {
              for (let { oldest } = order; entries.size >= maxKeys && oldest !== undefined; { oldest } = order) {
                evict(oldest, 'maxKeys');
              }
              if (subscriber.closed) return;
              // what an evicted operator emitted last may have brought a sample of this very key
              entry = entries.get(key) ?? open(key);
            } else {
              order.renew(entry);
            }
            if (idleMs !== undefined) {
              entry.usedAt = scheduler.now();
              watch();
            }
            entry.samples.next(sample);
          } catch (error) {
            subscriber.error(error);
          }
        },
        error: fail,
        complete: () =>
          guarded(() => {
            sourceDone = true;
            timer?.unsubscribe();
            for (const { samples } of entries.values()) samples.complete();
            completeIfAllHave();
          }),
      });
      subscriber.add(inner);
      source.subscribe(inner);
    });
}

class Entry<S, K, T> {
  readonly key: K;
  readonly keyed: KeyOperator<S, unknown, T> | undefined;
  readonly samples: Subject<S>;
  emits: Subscription | undefined;
  usedAt: number;
  older: Entry<S, K, T> | undefined;
  newer: Entry<S, K, T> | undefined;

  constructor(key: K, keyed: KeyOperator<S, unknown, T> | undefined) {
    this.key = key;
    this.keyed = keyed;
    this.samples = new Subject<S>();
    this.emits = undefined;
    this.usedAt = 0;
    this.older = undefined;
    this.newer = undefined;
  }
}

interface Linked<E> {
  older: E | undefined;
  newer: E | undefined;
}

/** A list from what was unused for longest to what was used last; each step takes the same time however long it is. */
class UseOrder<E extends Linked<E>> {
  oldest: E | undefined;
  newest: E | undefined;

  add(entry: E): void {
    entry.older = this.newest;
    entry.newer = undefined;
    if (this.newest === undefined) this.oldest = entry;
    else this.newest.newer = entry;
    this.newest = entry;
  }

  remove(entry: E): void {
    if (entry.older === undefined) this.oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) this.newest = entry.older;
    else entry.newer.older = entry.older;
  }

  clear(): void {
    this.oldest = undefined;
    this.newest = undefined;
  }

  renew(entry: E): void {
    if (entry === this.newest) return;
    this.remove(entry);
    this.add(entry);
  }
}
