import { StreamnormError } from '../errors.ts';
import type { Drift, DriftDetector, DriftDetectorFactory } from './drift-detector.ts';
import { requireNumber, requireOneOf, requirePositiveInteger, shown } from './parameter.ts';
import { isUsable } from './usable.ts';

/**
 * What is done when the mean of a feature has changed: `'tell'` of it (default), `'reset'` its statistics, which begin anew,
 * or forget `faster` times as fast for the next `rows` rows (100) that have a value of it.
 */
export type OnDrift = 'tell' | 'reset' | { readonly faster: number; readonly rows?: number };

/** What was done, in one word. */
export type DriftAction = 'tell' | 'reset' | 'faster';

/** A change of the mean of a feature. */
export interface FoundDrift extends Drift {
  readonly feature: number;
  /** Which row showed it: how many had come before it. */
  readonly row: number;
}

/** What a watch must keep to go on. */
export interface DriftWatchState {
  /** One for each feature. */
  readonly detectors: readonly object[];
  /** Rows for which each feature is still to forget faster; only while one is. */
  readonly hurried?: readonly number[];
}

const DEFAULT_ROWS = 100;

/**
 * Detectors over rows, one a feature, and what is to be done when one of them finds a change. It changes no statistic: who
 * has it asks `update` for each row, and acts.
 *
 * Memory: the detectors, and what was found until it is taken, which who feeds it does after each push.
 */
export class DriftWatch {
  readonly features: number;
  readonly action: DriftAction;
  /** How many times as fast; 1 unless the action is `'faster'`. */
  readonly factor: number;
  /** `'adwin'` or `'pageHinkley'`. */
  readonly kind: string;
  /** Rows so far. */
  rows: number;
  /** Rows for which a feature is still to forget faster; undefined while none is. */
  hurried: Float64Array | undefined;
  readonly #factory: DriftDetectorFactory;
  readonly #forRows: number;
  #detectors: DriftDetector[];
  #found: FoundDrift[];

  /** @throws TypeError, RangeError for wrong options */
  constructor(where: string, features: number, detector: DriftDetectorFactory, onDrift: OnDrift = 'tell') {
    const { action, factor, rows } = requireDrift(where, detector, onDrift);
    this.features = features;
    this.action = action;
    this.factor = factor;
    this.kind = detector.kind;
    this.rows = 0;
    this.hurried = undefined;
    this.#factory = detector;
    this.#forRows = rows;
    this.#detectors = Array.from({ length: features }, () => detector.create());
    this.#found = [];
  }

  /** Watches one row; the features that have changed there, or undefined. */
  update(row: ArrayLike<number>): number[] | undefined {
    let changed: number[] | undefined;
    const detectors = this.#detectors;
    for (let j = 0; j < detectors.length; j++) {
      const drift = detectors[j].update(row[j]);
      if (drift === undefined) continue;
      this.#found.push({ ...drift, feature: j, row: this.rows });
      changed ??= [];
      changed.push(j);
      if (this.action === 'faster') {
        this.hurried ??= new Float64Array(this.features);
        this.hurried[j] = this.#forRows;
      }
    }
    this.rows++;
    return changed;
  }

  /** True when this row of a feature is one of those that it forgets faster for; it is then one less. */
  hurries(feature: number, x: number): boolean {
    const { hurried } = this;
    if (hurried === undefined || hurried[feature] === 0 || x === null || !isUsable(x)) return false;
    if (--hurried[feature] === 0 && hurried.every((rows) => rows === 0)) this.hurried = undefined;
    return true;
  }

  /** What was found since the last time; undefined when nothing was. */
  take(): FoundDrift[] | undefined {
    if (this.#found.length === 0) return undefined;
    const found = this.#found;
    this.#found = [];
    return found;
  }

  state(): DriftWatchState {
    return {
      detectors: this.#detectors.map((detector) => detector.state()),
      ...(this.hurried && { hurried: Array.from(this.hurried) }),
    };
  }

  /**
   * Goes on from a saved state. Detectors of another kind or of other options begin anew.
   *
   * @throws StreamnormError STATE for anything that `state()` cannot have written
   */
  restore(state: unknown): void {
    const { detectors, hurried } = (state ?? {}) as { detectors?: unknown; hurried?: unknown };
    const fail = (rule: string): never => {
      throw new StreamnormError('STATE', `the state of the drift detectors must ${rule}`);
    };
    if (!Array.isArray(detectors) || detectors.length !== this.features) fail(`hold ${this.features} detectors`);
    const factory = this.#factory;
    this.#detectors = (detectors as unknown[]).map((saved) => factory.restore?.(saved) ?? factory.create());
    if (hurried === undefined || this.action !== 'faster') return;
    const counts = (n: unknown) => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0;
    if (!Array.isArray(hurried) || hurried.length !== this.features || !hurried.every(counts)) {
      fail(`hold ${this.features} counts of rows as hurried`);
    }
    this.hurried = Float64Array.from(hurried as number[]);
  }
}

/** @throws TypeError, RangeError for what is no detector and no action */
export function requireDrift(
  where: string,
  detector: unknown,
  onDrift: unknown,
): { action: DriftAction; factor: number; rows: number } {
  if (typeof (detector as Partial<DriftDetectorFactory> | null)?.create !== 'function') {
    throw new TypeError(
      `${where} requires drift to be a detector such as adwin() or pageHinkley(), got ${shown(detector)}`,
    );
  }
  if (typeof onDrift !== 'object' || onDrift === null) {
    if (onDrift === 'tell' || onDrift === 'reset') return { action: onDrift, factor: 1, rows: 0 };
    throw new TypeError(`${where} requires onDrift to be 'tell', 'reset' or { faster, rows }, got ${shown(onDrift)}`);
  }
  const { faster, rows = DEFAULT_ROWS, ...others } = onDrift as { faster?: unknown; rows?: unknown };
  for (const name of Object.keys(others)) requireOneOf(where, 'onDrift', name, ['faster', 'rows']);
  const above1 = (n: number) => n > 1 && n < Number.POSITIVE_INFINITY;
  const factor = requireNumber(where, 'onDrift.faster', faster, above1, 'to be > 1');
  return { action: 'faster', factor, rows: requirePositiveInteger(where, 'onDrift.rows', rows) };
}
