import type { DriftDetector, DriftDetectorFactory, DriftState } from './drift-detector.ts';
import { requireKnown, requireNumber, requireOneOf, requirePositiveInteger } from './parameter.ts';
import { StateReader, type StatisticState } from './state.ts';
import { isUsable } from './usable.ts';

export interface PageHinkleyOptions {
  /** Change of the mean that does not count, in units of x; 0.005. */
  delta?: number;
  /** λ: how much must have gathered for an alarm, in units of x; 50. */
  threshold?: number;
  /** Weight of what has gathered before, at each value, in (0, 1]; 0.9999. River calls it `alpha`. */
  retain?: number;
  /** Values before the first alarm; 30. */
  minSamples?: number;
  /** Which changes count; both. */
  direction?: 'both' | 'increase' | 'decrease';
}

export interface PageHinkleyState extends StatisticState {
  readonly format: 'streamnorm.page-hinkley/1';
  readonly delta: number;
  readonly threshold: number;
  readonly retain: number;
  readonly minSamples: number;
  readonly direction: 'both' | 'increase' | 'decrease';
  readonly detections: number;
  readonly count: number;
  readonly mean: number;
  readonly increase: SideState;
  readonly decrease: SideState;
}

interface SideState {
  /** What has gathered, and its least so far. */
  sum: number;
  least: number;
  /** Values and mean up to there, and since. */
  before: number;
  meanBefore: number;
  after: number;
  meanAfter: number;
}

const FORMAT = 'streamnorm.page-hinkley/1';
const SIDES = ['increase', 'decrease'] as const;

/**
 * Page–Hinkley test: finds a change of the mean when the deviations from it have gathered on one side.
 *
 * With the mean of all values since the last alarm, `sum = retain·sum + (x - mean - delta)` and its least value so far,
 * an increase is found when `sum - least > threshold`; a decrease by the mirror image. After an alarm it starts anew
 * with the next value. The change is taken to have begun where `sum` was least: `meanBefore` and `meanAfter` are those of
 * the values before and after.
 *
 * `delta` and `threshold` are in units of x: the defaults (River's) are for values around 0…1; after `normalize`, take
 * `delta` of half the change that matters. After a change of d (in the same units) the delay is about
 * `threshold / (d - delta)` values, as long as the mean has not followed.
 *
 * Sources: E. S. Page, "Continuous inspection schemes", 1954; D. V. Hinkley, 1971; same numbers as River's `PageHinkley`.
 * Cost: a few operations a value; memory 14 numbers.
 *
 * @throws TypeError, RangeError for wrong options
 * @example
 * const p = new PageHinkley({ threshold: 5 });
 * let found;
 * for (let i = 0; i < 50; i++) found ??= p.update(i < 40 ? 0 : 1);
 * found; // { kind: 'increase', meanBefore: 0, meanAfter: 1, before: 40, after: 6 }
 */
export class PageHinkley implements DriftDetector {
  readonly delta: number;
  readonly threshold: number;
  readonly retain: number;
  readonly minSamples: number;
  readonly direction: 'both' | 'increase' | 'decrease';
  /** Values since the last alarm. */
  count: number;
  /** Their mean; 0 while there is none. */
  mean: number;
  /** Alarms so far. */
  detections: number;
  readonly #sides: Record<'increase' | 'decrease', SideState>;

  constructor(options: PageHinkleyOptions = {}) {
    requireKnown('PageHinkley', options, OPTIONS);
    const { delta, threshold, retain, minSamples, direction } = checked('PageHinkley', options);
    this.delta = delta;
    this.threshold = threshold;
    this.retain = retain;
    this.minSamples = minSamples;
    this.direction = direction;
    this.count = 0;
    this.mean = 0;
    this.detections = 0;
    this.#sides = { increase: emptySide(), decrease: emptySide() };
  }

  update(x: number): DriftState {
    if (typeof x !== 'number' || !isUsable(x)) return undefined;
    this.count++;
    this.mean += (x - this.mean) / this.count;
    const deviation = x - this.mean;
    const { increase, decrease } = this.#sides;
    this.#gather(increase, x, deviation);
    this.#gather(decrease, x, -deviation);
    if (this.count < this.minSamples) return undefined;
    const { direction } = this;
    const kind =
      direction !== 'decrease' && increase.sum - increase.least > this.threshold
        ? 'increase'
        : direction !== 'increase' && decrease.sum - decrease.least > this.threshold
          ? 'decrease'
          : undefined;
    if (kind === undefined) return undefined;
    const { meanBefore, meanAfter, before, after } = this.#sides[kind];
    this.detections++;
    this.count = 0;
    this.mean = 0;
    for (const side of SIDES) this.#sides[side] = emptySide();
    return { kind, meanBefore, meanAfter, before, after };
  }

  state(): PageHinkleyState {
    const { delta, threshold, retain, minSamples, direction, detections, count, mean } = this;
    return {
      format: FORMAT,
      delta,
      threshold,
      retain,
      minSamples,
      direction,
      detections,
      count,
      mean,
      increase: { ...this.#sides.increase },
      decrease: { ...this.#sides.decrease },
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): PageHinkley {
    const reader = new StateReader(state, FORMAT);
    const detector = new PageHinkley({
      delta: reader.number('delta', (d) => d >= 0, 'be >= 0'),
      threshold: reader.number('threshold', (t) => t > 0, 'be > 0'),
      retain: reader.number('retain', (p) => p > 0 && p <= 1, 'be in (0, 1]'),
      minSamples: reader.number('minSamples', (n) => Number.isSafeInteger(n) && n >= 1, 'be a whole number >= 1'),
      direction: reader.get(
        'direction',
        (value) =>
          DIRECTIONS.find((word) => word === value) ?? reader.fail('direction', `be one of ${DIRECTIONS.join(', ')}`),
      ),
    });
    detector.detections = reader.count('detections');
    detector.count = reader.count('count');
    detector.mean = reader.number('mean', isUsable, 'be a usable mean');
    for (const side of SIDES) {
      detector.#sides[side] = reader.get(side, (value) => {
        const numbers = (value ?? {}) as Record<string, unknown>;
        const read = emptySide();
        for (const name of Object.keys(read) as (keyof SideState)[]) {
          const number = numbers[name];
          if (typeof number !== 'number' || !Number.isFinite(number)) {
            return reader.fail(side, `hold the numbers ${Object.keys(read).join(', ')}`);
          }
          read[name] = number;
        }
        return read;
      });
    }
    return detector;
  }

  #gather(side: SideState, x: number, deviation: number): void {
    side.sum = this.retain * side.sum + deviation - this.delta;
    if (this.count === 1 || side.sum <= side.least) {
      side.least = side.sum;
      side.before = this.count;
      side.meanBefore = this.mean;
      side.after = 0;
      side.meanAfter = 0;
      return;
    }
    side.after++;
    side.meanAfter += (x - side.meanAfter) / side.after;
  }
}

const OPTIONS = ['delta', 'threshold', 'retain', 'minSamples', 'direction'] as const;
const DIRECTIONS = ['both', 'increase', 'decrease'] as const;

/**
 * The Page–Hinkley test for `drift`; see `PageHinkley`.
 *
 * @throws TypeError, RangeError for wrong options
 * @example
 * const steps = Array.from({ length: 200 }, (_, i) => (i < 100 ? 0 : 1));
 * from(steps).pipe(drift(pageHinkley({ threshold: 5 }))); // { kind: 'increase', before: 100, after: 6, … }
 */
export function pageHinkley(options: PageHinkleyOptions = {}): DriftDetectorFactory {
  requireKnown('pageHinkley', options, OPTIONS);
  checked('pageHinkley', options);
  const create = () => new PageHinkley(options);
  return {
    kind: 'pageHinkley',
    create,
    restore: (state) => {
      const fresh = create();
      if ((state as Partial<PageHinkleyState> | null)?.format !== FORMAT) return fresh;
      const saved = PageHinkley.from(state);
      return OPTIONS.every((name) => saved[name] === fresh[name]) ? saved : fresh;
    },
  };
}

function checked(where: string, options: PageHinkleyOptions): Required<PageHinkleyOptions> {
  const { delta = 0.005, threshold = 50, retain = 0.9999, minSamples = 30, direction = 'both' } = options;
  const finite = (n: number) => n < Number.POSITIVE_INFINITY;
  requireNumber(where, 'delta', delta, (d) => d >= 0 && finite(d), 'to be >= 0 and finite');
  requireNumber(where, 'threshold', threshold, (t) => t > 0 && finite(t), 'to be > 0 and finite');
  requireNumber(where, 'retain', retain, (p) => p > 0 && p <= 1, 'in (0, 1]');
  requirePositiveInteger(where, 'minSamples', minSamples);
  requireOneOf(where, 'direction', direction, DIRECTIONS);
  return { delta, threshold, retain, minSamples, direction };
}

function emptySide(): SideState {
  return { sum: 0, least: 0, before: 0, meanBefore: 0, after: 0, meanAfter: 0 };
}
