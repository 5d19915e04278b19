import type { Drift, DriftDetector, DriftDetectorFactory, DriftState } from './drift-detector.ts';
import { requireKnown, requireNumber, requirePositiveInteger } from './parameter.ts';
import { StateReader, type StatisticState } from './state.ts';
import { isUsable } from './usable.ts';

export interface AdwinOptions {
  /** Bound of the false alarms: the probability of one at a given cut of a stream that does not change; 0.002. */
  delta?: number;
  /** Width of the interval that the values lie in; 1, as in the paper. 0 takes values to be normally distributed. */
  range?: number;
  /** A test once in so many values; 32. */
  clock?: number;
  /** Buckets of each size; 5. More find a change closer to where it was, for more memory. */
  maxBuckets?: number;
  /** Values that each side of a cut must have; 5. */
  minWindow?: number;
}

export interface AdwinState extends StatisticState {
  readonly format: 'streamnorm.adwin/1';
  readonly delta: number;
  readonly range: number;
  readonly clock: number;
  readonly maxBuckets: number;
  readonly minWindow: number;
  /** Values so far. */
  readonly ticks: number;
  readonly detections: number;
  /** Mean and Σ(x - mean)² of the window. */
  readonly mean: number;
  readonly m2: number;
  /** Buckets of 1, 2, 4 … values, in each row from the oldest to the newest. */
  readonly buckets: { readonly mean: number[]; readonly m2: number[] }[];
}

interface Row {
  mean: number[];
  m2: number[];
}

const FORMAT = 'streamnorm.adwin/1';

/**
 * Adaptive windowing: keeps the longest window of the newest values within which the mean has not changed, and finds a
 * change when it has to drop the older part.
 *
 * Idea: the window W is a list of buckets of 1, 2, 4 … values (an exponential histogram), each with its mean and squared
 * deviations. At each border between buckets it is cut into an older W0 and a newer W1; a cut shows a change when
 * `|mean0 - mean1| > √(2/m · variance · ln(2/δ')) + 2/(3m) · range · ln(2/δ')`, with `δ' = delta / ln n` and
 * `1/m = 1/(n0 - min + 1) + 1/(n1 - min + 1)`. The paper has n0 and n1 where its authors' program (MOA), River and this
 * have them less `minWindow - 1`: short ends are trusted less.
 *
 * All that is older than the clearest cut is dropped, while there is one. The paper drops bucket by bucket, which finds
 * the same changes at the same time, but each of them again and again while its remains are dropped; and River 0.26
 * empties the window. Here a change is one event, mostly, and what is kept is what came after it.
 *
 * After a change of d deviations the delay is about `2·ln(2/δ')/d²` values, rounded up to the next test. For values that do
 * not lie in [0, 1], give `range`, or 0, which leaves out the second term: the tail of what is not normally distributed.
 * Deviations are taken from the mean of the window, so 1e9 + noise is as good as noise.
 *
 * Source: A. Bifet, R. Gavaldà, "Learning from time-changing data with adaptive windowing", 2007 (ADWIN2).
 * Cost: amortised 2 buckets joined a value and `maxBuckets · log2(n)` cuts a test; memory as many buckets.
 *
 * @throws TypeError, RangeError for wrong options
 * @example
 * const a = new Adwin({ delta: 0.002 });
 * let found;
 * for (let i = 0; i < 96; i++) found = a.update(i < 64 ? 0.1 : 0.9) ?? found;
 * found; // { kind: 'increase', meanBefore: 0.1…, meanAfter: 0.9…, before: …, after: 32 }
 */
export class Adwin implements DriftDetector {
  readonly delta: number;
  readonly range: number;
  readonly clock: number;
  readonly maxBuckets: number;
  readonly minWindow: number;
  /** Values in the window. */
  width: number;
  /** Mean of the window; 0 while it is empty. */
  mean: number;
  /** Changes found so far. */
  detections: number;
  #m2: number;
  #ticks: number;
  /** Row r has buckets of 2^r values. */
  readonly #rows: Row[];

  constructor(options: AdwinOptions = {}) {
    requireKnown('Adwin', options, OPTIONS);
    const { delta, range, clock, maxBuckets, minWindow } = checked('Adwin', options);
    this.delta = delta;
    this.range = range;
    this.clock = clock;
    this.maxBuckets = maxBuckets;
    this.minWindow = minWindow;
    this.width = 0;
    this.mean = 0;
    this.detections = 0;
    this.#m2 = 0;
    this.#ticks = 0;
    this.#rows = [];
  }

  /** Biased variance of the window; 0 while it is empty. */
  get variance(): number {
    return this.width === 0 ? 0 : this.#m2 / this.width;
  }

  /** Buckets in use: at most `maxBuckets · (log2(width / maxBuckets) + 2)`. */
  get buckets(): number {
    return this.#rows.reduce((sum, row) => sum + row.mean.length, 0);
  }

  update(x: number): DriftState {
    if (typeof x !== 'number' || !isUsable(x)) return undefined;
    this.#insert(x);
    this.#ticks++;
    if (this.#ticks % this.clock !== 0) return undefined;
    // what each value rounded off must not add up for as long as nothing changes
    this.#sumUp();
    let [before, meanBefore] = [0, 0];
    for (let cut = this.#cut(); cut > 0; cut = this.#cut()) {
      for (const end = this.width - cut; this.width > end; ) {
        const dropped = this.#dropOldest();
        before += dropped.count;
        meanBefore += (dropped.mean - meanBefore) * (dropped.count / before);
      }
      this.#sumUp();
    }
    if (before === 0) return undefined;
    this.detections++;
    const kind: Drift['kind'] = this.mean > meanBefore ? 'increase' : 'decrease';
    return { kind, meanBefore, meanAfter: this.mean, before, after: this.width };
  }

  state(): AdwinState {
    return {
      format: FORMAT,
      delta: this.delta,
      range: this.range,
      clock: this.clock,
      maxBuckets: this.maxBuckets,
      minWindow: this.minWindow,
      ticks: this.#ticks,
      detections: this.detections,
      mean: this.mean,
      m2: this.#m2,
      buckets: this.#rows.map(({ mean, m2 }) => ({ mean: [...mean], m2: [...m2] })),
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): Adwin {
    const reader = new StateReader(state, FORMAT);
    const whole = (least: number) => (n: number) => Number.isSafeInteger(n) && n >= least;
    const adwin = new Adwin({
      delta: reader.number('delta', (d) => d > 0 && d < 1, 'be in (0, 1)'),
      range: reader.number('range', (r) => r >= 0, 'be >= 0'),
      clock: reader.number('clock', whole(1), 'be a whole number >= 1'),
      maxBuckets: reader.number('maxBuckets', whole(1), 'be a whole number >= 1'),
      minWindow: reader.number('minWindow', whole(1), 'be a whole number >= 1'),
    });
    const rows = reader.get<Row[]>('buckets', (value) =>
      Array.isArray(value) && value.length <= 53 && value.every((row) => isRow(row, adwin.maxBuckets))
        ? value
        : reader.fail('buckets', `be rows of at most ${adwin.maxBuckets} means and squared deviations`),
    );
    for (const { mean, m2 } of rows) {
      adwin.width += mean.length * 2 ** adwin.#rows.length;
      adwin.#rows.push({ mean: [...mean], m2: [...m2] });
    }
    adwin.#ticks = reader.count('ticks');
    adwin.detections = reader.count('detections');
    adwin.mean = reader.number('mean', isUsable, 'be a usable mean');
    adwin.#m2 = reader.number('m2', (m2) => m2 >= 0, 'be >= 0');
    return adwin;
  }

  #insert(x: number): void {
    this.width++;
    const delta = x - this.mean;
    this.mean += delta / this.width;
    this.#m2 += delta * (x - this.mean);
    this.#push(0, x, 0);
    for (let r = 0; this.#rows[r].mean.length > this.maxBuckets; r++) {
      const { mean, m2 } = this.#rows[r];
      const between = mean[1] - mean[0];
      this.#push(r + 1, mean[0] + between / 2, m2[0] + m2[1] + between * between * 2 ** (r - 1));
      mean.splice(0, 2);
      m2.splice(0, 2);
    }
  }

  #push(r: number, mean: number, m2: number): void {
    this.#rows[r] ??= { mean: [], m2: [] };
    this.#rows[r].mean.push(mean);
    this.#rows[r].m2.push(m2);
  }

  /** Values on the older side of the cut that shows a change most clearly; 0 when none does. */
  #cut(): number {
    const { width, minWindow } = this;
    if (width < 2 * minWindow) return 0;
    const doubt = Math.log((2 * Math.log(width)) / this.delta);
    const spread = 2 * this.variance * doubt;
    const tail = (2 / 3) * this.range * doubt;
    let best = 0;
    let clearest = 1;
    let older = 0;
    // Σ(x - mean of the window) over the older side: that of the newer is its negative
    let shift = 0;
    for (let r = this.#rows.length - 1; r >= 0; r--) {
      const size = 2 ** r;
      for (const mean of this.#rows[r].mean) {
        older += size;
        shift += (mean - this.mean) * size;
        const newer = width - older;
        if (newer < minWindow) return best;
        if (older < minWindow) continue;
        const difference = Math.abs(shift / older + shift / newer);
        const recip = 1 / (older - minWindow + 1) + 1 / (newer - minWindow + 1);
        const clear = difference / (Math.sqrt(recip * spread) + recip * tail);
        if (clear > clearest) {
          clearest = clear;
          best = older;
        }
      }
    }
    return best;
  }

  #dropOldest(): { count: number; mean: number } {
    const count = 2 ** (this.#rows.length - 1);
    const oldest = this.#rows[this.#rows.length - 1];
    const mean = oldest.mean.shift() as number;
    oldest.m2.shift();
    while (this.#rows.at(-1)?.mean.length === 0) this.#rows.pop();
    this.width -= count;
    return { count, mean };
  }

  /** Mean and squared deviations of the window anew, from its buckets: a bucket taken out would leave its rounding behind. */
  #sumUp(): void {
    let [width, mean, m2] = [0, 0, 0];
    for (let r = this.#rows.length - 1; r >= 0; r--) {
      const size = 2 ** r;
      const row = this.#rows[r];
      for (let i = 0; i < row.mean.length; i++) {
        const total = width + size;
        const delta = row.mean[i] - mean;
        m2 += row.m2[i] + delta * delta * width * (size / total);
        mean = width > size ? mean + delta * (size / total) : row.mean[i] - delta * (width / total);
        width = total;
      }
    }
    this.width = width;
    this.mean = mean;
    this.#m2 = m2;
  }
}

const OPTIONS = ['delta', 'range', 'clock', 'maxBuckets', 'minWindow'] as const;

/**
 * ADWIN for `drift`; see `Adwin`.
 *
 * @throws TypeError, RangeError for wrong options
 * @example
 * const steps = Array.from({ length: 200 }, (_, i) => (i < 100 ? 0 : 1));
 * from(steps).pipe(drift(adwin())); // { kind: 'increase', before: 100, after: 28, … }
 */
export function adwin(options: AdwinOptions = {}): DriftDetectorFactory {
  requireKnown('adwin', options, OPTIONS);
  checked('adwin', options);
  const create = () => new Adwin(options);
  return {
    kind: 'adwin',
    create,
    restore: (state) => {
      const fresh = create();
      if ((state as Partial<AdwinState> | null)?.format !== FORMAT) return fresh;
      const saved = Adwin.from(state);
      return OPTIONS.every((name) => saved[name] === fresh[name]) ? saved : fresh;
    },
  };
}

function checked(where: string, options: AdwinOptions): Required<AdwinOptions> {
  const { delta = 0.002, range = 1, clock = 32, maxBuckets = 5, minWindow = 5 } = options;
  requireNumber(where, 'delta', delta, (d) => d > 0 && d < 1, 'in (0, 1)');
  requireNumber(where, 'range', range, (r) => r >= 0 && r < Number.POSITIVE_INFINITY, 'to be >= 0 and finite');
  requirePositiveInteger(where, 'clock', clock);
  requirePositiveInteger(where, 'maxBuckets', maxBuckets);
  requirePositiveInteger(where, 'minWindow', minWindow);
  return { delta, range, clock, maxBuckets, minWindow };
}

function isRow(value: unknown, maxBuckets: number): value is Row {
  const { mean, m2 } = (value ?? {}) as Partial<Row>;
  return (
    Array.isArray(mean) &&
    Array.isArray(m2) &&
    mean.length === m2.length &&
    mean.length <= maxBuckets &&
    mean.every((x) => typeof x === 'number' && isUsable(x)) &&
    m2.every((x) => typeof x === 'number' && x >= 0 && x < Number.POSITIVE_INFINITY)
  );
}
