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
import { KeyTable, requireMaxKeys } from '../core/key-table.ts';
import { requireFunction, requireKnown, shown } from '../core/parameter.ts';
import { type KeyedForm, keyedFormOf, settingsOf } from './keyed-form.ts';
import { KeyedScores } from './keyed-scores.ts';
import { requireScheduler } from './scheduler.ts';

/** Timers take 32 bits: a longer span would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Different options of `normalize` that share memory among their keys; keys with yet others have it to themselves. */
const MAX_SHARED = 16;

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
  /**
   * What the `state` of its `KeyOperator` returned; that of its statistic where the operator was a plain `normalize` with
   * a statistic of its own; else undefined.
   */
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
  /**
   * What is known of a key that has no operator. It becomes the second argument of `operatorOf`; a `normalize` that
   * `operatorOf` returns goes on from it, when it is a state of its statistic.
   */
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
 * What an evicted key had learned is in its eviction, and goes on when `restore` gives it back:
 *
 * ```ts
 * const saved = new Map<string, unknown>();
 * readings$.pipe(
 *   perKey((r) => r.sensor, () => normalize<Reading>(ewma(), { features: ['x'] }), {
 *     maxKeys: 1000, onEvict: ({ key, state }) => saved.set(key, state), restore: (key) => saved.get(key),
 *   }),
 * );
 * ```
 *
 * Any other operator can say what it knows: return it with a `state`, and make it from the second argument.
 *
 * ```ts
 * (_, state?: EwmaState) => {
 *   const statistic = state ? Ewma.from(state) : new Ewma({ features: 1 });
 *   return { operator: normalize<Reading>(statistic, { features: ['x'] }), state: () => statistic.state() };
 * }
 * ```
 *
 * Memory: `maxKeys` operators. A plain `normalize` with a statistic of its own (`ewma()`, not an instance) takes none: all
 * keys share one, and of each only the numbers are kept, with the same results to the last bit. With 8 features and a
 * million keys that are short texts, `ewma` takes 0.4 KB a key and `cumulative` 0.35, the text included, and about twice
 * that once values are missing. That leaves out `detail`, `weightOf`, `maxFeatures`, `prior`, `untilReady: 'hold'` and
 * `missing: 'error'` and `'dropRow'`, and `rolling`, `robust` and `movingBatch` keep an object a key. Any other operator takes 0.4 KB and what is its own: 1.7 KB with a `map`, 6.3 KB
 * in rxjs `groupBy` + `mergeMap`, which keeps each group for ever. Time does not depend on the number of keys, but for
 * memory that is not at hand.
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
  requireMaxKeys(where, maxKeys);
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
      const table = new KeyTable<K>(idleMs !== undefined);
      /** Of plain `normalize`s: one for each form of samples and each set of options. */
      const shared: KeyedScores<S>[] = [];
      /** By slot: which of `shared`; -1 for a key that has an entry. A byte each, as there may be millions. */
      let sharedOf = new Int8Array(64);
      /** By slot, in the order in which the keys came. */
      const entries = new Map<number, Entry<S, T>>();
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

      /** Slot of a new key. */
      const open = (key: K, sample: S): number => {
        const restored = restore?.(key);
        const made = operatorOf(key, restored);
        const keyed = typeof made === 'function' ? undefined : made;
        const operator = typeof made === 'function' ? made : made?.operator;
        if (typeof operator !== 'function') {
          throw new TypeError(
            `${where} requires operatorOf to return an operator, or one with its state, got ${shown(made)}`,
          );
        }
        const form = keyed === undefined ? keyedFormOf<S>(operator) : undefined;
        const index = form === undefined ? -1 : sharedIndex(shared, form, sample);
        // known before it is subscribed to: an operator may emit at once, and so bring the next sample of its key
        const slot = table.add(key);
        if (slot === sharedOf.length) sharedOf = doubled(sharedOf);
        sharedOf[slot] = index;
        if (form !== undefined && index >= 0) {
          shared[index].open(slot, form, restored);
          return slot;
        }
        const entry = new Entry<S, T>(keyed);
        entries.set(slot, entry);
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
        return slot;
      };

      const evict = (slot: number, reason: Eviction<K, T>['reason']) => {
        const key = table.key(slot);
        const scores = shared[sharedOf[slot]];
        const entry = entries.get(slot);
        const told = scores !== undefined && onEvict !== undefined ? (scores.state(slot) as T) : undefined;
        scores?.close(slot);
        entries.delete(slot);
        table.remove(slot);
        entry?.samples.complete();
        if (entry?.emits?.closed === false) leaving.add(entry.emits);
        evictions++;
        onEvict?.({ key, reason, state: entry === undefined ? told : entry.keyed?.state?.(), evictions });
      };

      const watch = () => {
        const { oldest } = table;
        if (idleMs === undefined || oldest < 0 || timer !== undefined || sourceDone) return;
        timer = scheduler.schedule(() => guarded(expire), Math.max(0, table.usedAt(oldest) + idleMs - scheduler.now()));
      };
      const expire = () => {
        timer = undefined;
        const latest = scheduler.now() - (idleMs as number);
        for (let { oldest } = table; oldest >= 0 && table.usedAt(oldest) <= latest; { oldest } = table) {
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
        table.clear();
        shared.length = 0;
      });
      // as in `connect`: known to the subscriber before a synchronous source starts, so that `take(1)` can stop it
      const inner = new Subscriber<S>({
        next(sample) {
          try {
            const key = keyOf(sample);
            let slot = table.find(key);
            if (slot < 0) {
              for (let { oldest } = table; table.size >= maxKeys && oldest >= 0; { oldest } = table) {
                evict(oldest, 'maxKeys');
              }
              if (subscriber.closed) return;
              // what an evicted operator emitted last may have brought a sample of this very key
              slot = table.find(key);
              if (slot < 0) {
                slot = open(key, sample);
                // what its operator emitted at once may have brought so many keys that it is gone again
                if (table.find(key) !== slot) return;
              }
            } else {
              table.renew(slot);
            }
            if (idleMs !== undefined) {
              table.setUsedAt(slot, scheduler.now());
              watch();
            }
            const index = sharedOf[slot];
            // a `normalize` gives back what it got: R is S
            if (index >= 0) subscriber.next(shared[index].step(slot, sample) as unknown as R);
            else entries.get(slot)?.samples.next(sample);
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

/** Which of `shared` serves a key that begins with this sample, made when it is new; -1: the operator must. */
function sharedIndex<S>(shared: KeyedScores<S>[], form: KeyedForm<S>, sample: S): number {
  const settings = settingsOf(form);
  if (settings === undefined) return -1;
  const known = shared.findIndex(
    (each) => each.settings === settings && each.scheduler === form.scheduler && each.fits(sample),
  );
  if (known >= 0 || shared.length === MAX_SHARED) return known;
  const made = KeyedScores.of(form, settings, sample);
  return made === undefined ? -1 : shared.push(made) - 1;
}

function doubled(bytes: Int8Array<ArrayBuffer>): Int8Array<ArrayBuffer> {
  const larger = new Int8Array(2 * bytes.length);
  larger.set(bytes);
  return larger;
}

/** A key whose operator is subscribed to. */
class Entry<S, T> {
  readonly keyed: KeyOperator<S, unknown, T> | undefined;
  readonly samples: Subject<S>;
  emits: Subscription | undefined;

  constructor(keyed: KeyOperator<S, unknown, T> | undefined) {
    this.keyed = keyed;
    this.samples = new Subject<S>();
    this.emits = undefined;
  }
}
