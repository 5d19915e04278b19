import { type Duration, durationMs } from './duration.ts';
import { requireFunction, requireKnown, requireNumber, requirePositiveInteger, shown } from './parameter.ts';
import { StateReader, type StatisticState } from './state.ts';
import type { Statistic, StatisticFactory } from './statistic.ts';
import { isUsable, MAX_MAGNITUDE } from './usable.ts';

export interface RollingOptions {
  /** The window: a number of samples, or a time such as `'30s'`. */
  last: Duration;
  /** Bound of a window in time: past it the oldest samples leave early, counted in `dropped`; 100,000. */
  maxSamples?: number;
}

export interface RollingState extends StatisticState {
  readonly format: 'streamnorm.rolling/1';
  readonly features: number;
  /** The window: samples, or a time with its bound. */
  readonly last?: number;
  readonly lastMs?: number;
  readonly maxSamples?: number;
  readonly version: number;
  readonly frozen?: true;
  readonly late: number;
  readonly dropped: number;
  /** The samples of the window, oldest first, row-major; null for what was not usable. */
  readonly values: (number | null)[];
  /** Time of each sample in ms, for a window in time. */
  readonly times?: number[];
  /** How many of the samples, the oldest ones, belong to the closed part. */
  readonly closed: number;
  /** Moments of the open part, of the mean in two float64; its counts follow from its values. */
  readonly openMean: number[];
  readonly openLow: number[];
  readonly openM2: number[];
  /** Numbers of the whole window, for who reads the state; they are computed anew when it is restored. */
  readonly count: number[];
  readonly mean: number[];
  readonly m2: number[];
}

const FORMAT = 'streamnorm.rolling/1';
const DEFAULT_MAX_SAMPLES = 100_000;
const FIRST_CAPACITY = 16;

/**
 * Mean and variance of the last n samples, or of the last t.
 *
 * Idea: a queue of two parts. The young, open part only ever adds (Welford). The old, closed part knows at each of its
 * samples the moments from there to its end, so the oldest sample leaves by a step to the next one. When the closed part
 * is used up, the open one is closed: one pass from its newest sample to its oldest, once for each window's length of
 * samples. The two parts are joined by Chan's formula. Not done: taking a sample out by Welford's update in reverse. After
 * 1e9 has left a window of values around 1, the reverse keeps an error of ε·1e18 until it is computed anew; here
 * everything is sums of positive terms, and what has left has left no trace. The means are kept in two float64, the second
 * with what the first rounds off: else, with 1e9 + noise, each step would be off by 1e-7.
 *
 * Bound: there is no drift. Whatever ran through before, the variance is within 1e-12 (relative) of the exact one of the
 * window for up to 4096 samples, 1e9 + noise included, as if computed anew.
 *
 * A window by count is the last n rows that had a usable value; one by time ends at the newest time T seen and holds
 * T - t < time <= T. A feature counts only its own usable values in it. A sample that arrives late is put where its time
 * belongs, so the result does not depend on the order of arrival; older than the window, it is counted in `late` and not
 * learned. The window moves when a sample is learned, not by itself.
 *
 * Sources: B. P. Welford, 1962; T. F. Chan, G. H. Golub, R. J. LeVeque, 1979; K. Tangwongsan, M. Hirzel, S. Schneider,
 * "Low-latency sliding-window aggregation in worst-case constant time", 2017 (section 2: two stacks).
 * Cost: amortised 5 divisions a feature and sample, whatever the window; the closing pass comes at once (0.1 ms for 1,000
 * samples of 8 features). A sample that is late by k rows costs as much as k more.
 * Memory: 4 float64 a value of the window.
 *
 * @throws TypeError, RangeError for wrong options
 * @example
 * const r = new Rolling({ features: 1, last: 3 });
 * for (const x of [100, 1, 2, 3]) r.update([x]);
 * r.mean[0]; // 2
 * r.variance[0]; // 0.6666666666666666
 */
export class Rolling implements Statistic {
  readonly features: number;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** Usable values of each feature in the window. */
  readonly count: Float64Array;
  /** True for a window in time. */
  readonly byTime: boolean;
  version: number;
  /** Samples that came too late for the window: not learned. */
  late: number;
  /** Samples that left a window in time early, since it held `maxSamples`. */
  dropped: number;
  /** Samples in the window. */
  length: number;
  /** 0 for a window by count. */
  readonly #spanMs: number;
  readonly #maxLength: number;
  readonly #closedCount: Float64Array;
  readonly #openCount: Float64Array;
  readonly #openMean: Float64Array;
  readonly #openLow: Float64Array;
  readonly #openM2: Float64Array;
  /** A ring of rows. The moments are those from a sample of the closed part to the end of that part. */
  #values: Float64Array;
  #tailMean: Float64Array;
  #tailLow: Float64Array;
  #tailM2: Float64Array;
  #times: Float64Array;
  #capacity: number;
  /** Slot of the oldest sample. */
  #head: number;
  /** Samples of the closed part. */
  #closed: number;
  #frozen: boolean;

  constructor(options: RollingOptions & { features: number }) {
    requireKnown('Rolling', options, ['features', 'last', 'maxSamples']);
    const features = requirePositiveInteger('Rolling', 'features', options.features);
    const { spanMs, maxLength } = windowOf('Rolling', options);
    this.features = features;
    this.mean = new Float64Array(features);
    this.variance = new Float64Array(features);
    this.count = new Float64Array(features);
    this.byTime = spanMs > 0;
    this.version = 0;
    this.late = 0;
    this.dropped = 0;
    this.length = 0;
    this.#spanMs = spanMs;
    this.#maxLength = maxLength;
    this.#closedCount = new Float64Array(features);
    this.#openCount = new Float64Array(features);
    this.#openMean = new Float64Array(features);
    this.#openLow = new Float64Array(features);
    this.#openM2 = new Float64Array(features);
    this.#capacity = Math.min(maxLength, FIRST_CAPACITY);
    this.#values = new Float64Array(this.#capacity * features);
    this.#tailMean = new Float64Array(this.#capacity * features);
    this.#tailLow = new Float64Array(this.#capacity * features);
    this.#tailM2 = new Float64Array(this.#capacity * features);
    this.#times = new Float64Array(spanMs === 0 ? 0 : this.#capacity);
    this.#head = 0;
    this.#closed = 0;
    this.#frozen = false;
  }

  update(row: ArrayLike<number>, time = Number.NaN): void {
    if (this.#frozen) return;
    if (!hasUsable(row, this.features)) return;
    let place = this.length;
    if (!this.byTime) {
      if (this.length === this.#maxLength) this.#leave();
      place = this.length;
    } else {
      if (!Number.isFinite(time)) return;
      const found = this.#placeAt(time);
      if (found === undefined) return;
      place = found;
    }
    if (this.length === this.#capacity) this.#grow();
    if (place < this.length) this.#shiftFrom(place);
    const slot = this.#slot(place);
    if (this.byTime) this.#times[slot] = time;
    this.length++;
    const toOpen = place >= this.#closed;
    this.#write(row, slot, toOpen);
    if (!toOpen) {
      this.#closed++;
      this.#close(this.#closed);
    }
    this.#join();
    this.version++;
  }

  /** Samples whose time is over leave, though no new one has come. */
  advance(time: number): void {
    if (this.#frozen || !this.byTime || !Number.isFinite(time)) return;
    const before = this.length;
    while (this.length > 0 && this.#times[this.#head] <= time - this.#spanMs) this.#leave();
    if (this.length === before) return;
    this.#join();
    this.version++;
  }

  /**
   * Adds the window of another shard, for windows in time: both are brought to the newest time of the two, and the window
   * then holds what it would hold had all samples come here, in any order and any tree. Past `maxSamples` the oldest
   * leave, counted in `dropped`.
   *
   * By count it is not defined: which of two shards' samples were the last n is not known without their times.
   *
   * @throws TypeError for windows by count, another window or other features
   */
  merge(other: Rolling): void {
    if (!this.byTime || !other.byTime) {
      throw new TypeError(
        "Rolling.merge requires a window in time, such as last: '30s': by count the common order of the samples is unknown",
      );
    }
    const differ = (own: number, others: number, rule: string) => {
      if (own !== others) throw new TypeError(`Rolling.merge requires ${rule}, got ${others}`);
    };
    differ(this.features, other.features, `${this.features} features`);
    differ(this.#spanMs, other.#spanMs, `a window of ${this.#spanMs} ms`);
    differ(this.#maxLength, other.#maxLength, `maxSamples ${this.#maxLength}`);
    if (this.#frozen) return;
    this.version += other.version;
    this.late += other.late;
    this.dropped += other.dropped;
    if (other.length === 0) return;
    const window = this.length === 0 ? other.state() : this.#joinedWindow(other);
    this.#head = 0;
    this.#openCount.fill(0);
    this.#openMean.set(window.openMean);
    this.#openLow.set(window.openLow);
    this.#openM2.set(window.openM2);
    this.#restore(new StateReader(window, FORMAT));
  }

  nEff(feature: number): number {
    return this.count[feature];
  }

  /** The values of the feature leave the window; its samples stay, for the other features. */
  forget(feature: number): void {
    if (this.#frozen) return;
    for (let i = 0; i < this.length; i++) this.#values[this.#slot(i) * this.features + feature] = Number.NaN;
    for (const numbers of [this.#openCount, this.#openMean, this.#openLow, this.#openM2]) numbers[feature] = 0;
    this.#close(this.#closed);
    this.#join();
    this.version++;
  }

  /** M2 / (n - 1); NaN while n < 2. */
  unbiasedVariance(feature: number): number {
    const n = this.count[feature];
    return n < 2 ? Number.NaN : (this.variance[feature] * n) / (n - 1);
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** From now on nothing moves the statistics. */
  freeze(): this {
    this.#frozen = true;
    return this;
  }

  unfreeze(): this {
    this.#frozen = false;
    return this;
  }

  state(): RollingState {
    const { features, length } = this;
    const values: (number | null)[] = [];
    for (let i = 0; i < length; i++) {
      const from = this.#slot(i) * features;
      for (let j = 0; j < features; j++) {
        const x = this.#values[from + j];
        values.push(Number.isNaN(x) ? null : x);
      }
    }
    return {
      format: FORMAT,
      features,
      ...(this.byTime ? { lastMs: this.#spanMs, maxSamples: this.#maxLength } : { last: this.#maxLength }),
      version: this.version,
      ...(this.#frozen && { frozen: true as const }),
      late: this.late,
      dropped: this.dropped,
      values,
      ...(this.byTime && { times: Array.from({ length }, (_, i) => this.#times[this.#slot(i)]) }),
      closed: this.#closed,
      openMean: Array.from(this.#openMean),
      openLow: Array.from(this.#openLow),
      openM2: Array.from(this.#openM2),
      count: Array.from(this.count),
      mean: Array.from(this.mean),
      m2: Array.from(this.variance, (variance, j) => variance * this.count[j]),
    };
  }

  /** @throws StreamnormError STATE for anything that `state()` cannot have written */
  static from(state: unknown): Rolling {
    const reader = new StateReader(state, FORMAT);
    const features = reader.width();
    // before memory is taken for as many features as the state claims
    const openMean = reader.means('openMean', features);
    const bound = (n: number) => Number.isSafeInteger(n) && n >= 2;
    const rolling = reader.has('lastMs')
      ? new Rolling({
          features,
          last: `${reader.number('lastMs', (ms) => ms > 0, 'be > 0')}ms`,
          maxSamples: reader.number('maxSamples', bound, 'be a whole number >= 2'),
        })
      : new Rolling({ features, last: reader.number('last', bound, 'be a whole number >= 2') });
    rolling.version = reader.count('version');
    rolling.#frozen = reader.flag('frozen');
    rolling.late = reader.count('late');
    rolling.dropped = reader.count('dropped');
    rolling.#openMean.set(openMean);
    rolling.#openLow.set(reader.numbers('openLow', features));
    rolling.#openM2.set(reader.nonNegatives('openM2', features));
    rolling.#restore(reader);
    return rolling;
  }

  /** The samples of both in the order of their times, all of them closed. */
  #joinedWindow(other: Rolling): RollingState {
    const [own, theirs] = [this.state(), other.state()];
    const [ownTimes, theirTimes] = [own.times as number[], theirs.times as number[]];
    const { features } = this;
    const times: number[] = [];
    const values: (number | null)[] = [];
    const oldest = Math.max(ownTimes[this.length - 1], theirTimes[other.length - 1]) - this.#spanMs;
    for (let i = 0, k = 0; i < this.length || k < other.length; ) {
      const isOwn = k === other.length || ownTimes[i] <= theirTimes[k];
      const from = isOwn ? i++ : k++;
      const time = (isOwn ? ownTimes : theirTimes)[from];
      if (time <= oldest) continue;
      times.push(time);
      for (let j = 0; j < features; j++) values.push((isOwn ? own : theirs).values[from * features + j]);
    }
    const excess = Math.max(0, times.length - this.#maxLength);
    this.dropped += excess;
    const none = new Array<number>(features).fill(0);
    return {
      ...own,
      values: values.slice(excess * features),
      times: times.slice(excess),
      closed: times.length - excess,
      openMean: none,
      openLow: none,
      openM2: none,
    };
  }

  /** The window that was saved, or its newest part where this one is shorter. */
  #restore(reader: StateReader): void {
    const { features } = this;
    const values = reader.get<(number | null)[]>('values', (value) => {
      const known = (x: unknown) => x === null || (typeof x === 'number' && isUsable(x));
      if (Array.isArray(value) && value.length % features === 0 && value.every(known)) return value;
      return reader.fail('values', `be rows of ${features} usable numbers or nulls`);
    });
    const rows = values.length / features;
    const closed = reader.number('closed', (n) => Number.isSafeInteger(n) && n >= 0 && n <= rows, 'fit the values');
    let gone = Math.max(0, rows - this.#maxLength);
    if (this.byTime) {
      const times = reader.numbers('times', rows);
      if (times.some((t, i) => i > 0 && t < times[i - 1])) reader.fail('times', 'ascend');
      while (gone < rows && times[gone] <= times[rows - 1] - this.#spanMs) gone++;
      this.#reserve(rows - gone);
      this.#times.set(times.subarray(gone));
    } else {
      this.#reserve(rows - gone);
    }
    for (let i = gone * features; i < values.length; i++) {
      const x = values[i];
      this.#values[i - gone * features] = x ?? Number.NaN;
      if (x !== null && i >= closed * features) this.#openCount[i % features]++;
    }
    this.length = rows - gone;
    if (gone > closed) {
      this.#closeAll(); // the open part has lost some, too
    } else {
      this.#closed = closed - gone;
      this.#close(this.#closed);
    }
    this.#join();
  }

  /** Index in the window for a sample of this time, once the window has moved to it; undefined when it has no place. */
  #placeAt(time: number): number | undefined {
    const times = this.#times;
    let place = this.length;
    if (place > 0) {
      const newest = times[this.#slot(place - 1)];
      if (time <= newest - this.#spanMs) {
        this.late++;
        return undefined;
      }
      while (this.length > 0 && times[this.#head] <= time - this.#spanMs) this.#leave();
      place = this.length;
    }
    if (place === this.#maxLength) {
      this.dropped++;
      if (time < times[this.#head]) return undefined; // it would be the oldest: the one to leave
      this.#leave();
      place--;
    }
    while (place > 0 && times[this.#slot(place - 1)] > time) place--;
    return place;
  }

  /** The oldest sample leaves. */
  #leave(): void {
    if (this.#closed === 0) this.#closeAll();
    const from = this.#head * this.features;
    for (let j = 0; j < this.features; j++) {
      if (!Number.isNaN(this.#values[from + j])) this.#closedCount[j]--;
    }
    this.#head = this.#slot(1);
    this.length--;
    this.#closed--;
  }

  #closeAll(): void {
    this.#closed = this.length;
    this.#close(this.length);
    this.#openCount.fill(0);
    this.#openMean.fill(0);
    this.#openLow.fill(0);
    this.#openM2.fill(0);
  }

  /** Computes, for each of the `rows` oldest samples, the moments from there to the last of them. */
  #close(rows: number): void {
    const { features } = this;
    const [values, count] = [this.#values, this.#closedCount];
    const [tailMean, tailLow, tailM2] = [this.#tailMean, this.#tailLow, this.#tailM2];
    count.fill(0);
    let after = -1;
    for (let i = rows - 1; i >= 0; i--) {
      const from = this.#slot(i) * features;
      for (let j = 0; j < features; j++) {
        const x = values[from + j];
        const mean = after < 0 ? 0 : tailMean[after + j];
        const low = after < 0 ? 0 : tailLow[after + j];
        const m2 = after < 0 ? 0 : tailM2[after + j];
        if (Number.isNaN(x)) {
          tailMean[from + j] = mean;
          tailLow[from + j] = low;
          tailM2[from + j] = m2;
          continue;
        }
        const n = count[j] + 1;
        const delta = x - mean - low;
        const step = delta / n;
        const next = mean + step;
        const part = next - mean;
        const nextLow = low + (mean - (next - part) + (step - part));
        count[j] = n;
        tailMean[from + j] = next;
        tailLow[from + j] = nextLow;
        tailM2[from + j] = m2 + delta * (x - next - nextLow);
      }
      after = from;
    }
  }

  #write(row: ArrayLike<number>, slot: number, toOpen: boolean): void {
    const { features } = this;
    const [values, openCount] = [this.#values, this.#openCount];
    const [openMean, openLow, openM2] = [this.#openMean, this.#openLow, this.#openM2];
    const from = slot * features;
    for (let j = 0; j < features; j++) {
      const x = row[j];
      // Math.abs(null) is 0
      if (!(Math.abs(x) <= MAX_MAGNITUDE) || x === null) {
        values[from + j] = Number.NaN;
        continue;
      }
      values[from + j] = x + 0; // JSON has no -0
      if (!toOpen) continue;
      const n = openCount[j] + 1;
      const mean = openMean[j];
      const delta = x - mean - openLow[j];
      const step = delta / n;
      const next = mean + step;
      const part = next - mean;
      const low = openLow[j] + (mean - (next - part) + (step - part));
      openCount[j] = n;
      openMean[j] = next;
      openLow[j] = low;
      openM2[j] += delta * (x - next - low);
    }
  }

  /** The numbers of both parts together. */
  #join(): void {
    const { features, mean, variance, count } = this;
    const [closedCount, openCount] = [this.#closedCount, this.#openCount];
    const [openMean, openLow, openM2] = [this.#openMean, this.#openLow, this.#openM2];
    const [tailMean, tailLow, tailM2] = [this.#tailMean, this.#tailLow, this.#tailM2];
    const from = this.#head * features;
    for (let j = 0; j < features; j++) {
      const a = closedCount[j];
      const b = openCount[j];
      const n = a + b;
      count[j] = n;
      if (a === 0) {
        mean[j] = openMean[j] + openLow[j];
        variance[j] = n === 0 ? 0 : openM2[j] / n;
      } else if (b === 0) {
        mean[j] = tailMean[from + j] + tailLow[from + j];
        variance[j] = tailM2[from + j] / n;
      } else {
        const delta = openMean[j] - tailMean[from + j] + (openLow[j] - tailLow[from + j]);
        // from the nearer end, so that the mean stays between the two
        mean[j] =
          a > b
            ? tailMean[from + j] + (tailLow[from + j] + delta * (b / n))
            : openMean[j] + (openLow[j] - delta * (a / n));
        variance[j] = (tailM2[from + j] + openM2[j] + delta * delta * a * (b / n)) / n;
      }
    }
  }

  /** Slot of the i-th oldest sample. */
  #slot(i: number): number {
    const slot = this.#head + i;
    return slot < this.#capacity ? slot : slot - this.#capacity;
  }

  /** Moves the samples from `place` on one place up; the moments of the closed part, if it is among them, come after. */
  #shiftFrom(place: number): void {
    const { features } = this;
    for (let i = this.length; i > place; i--) {
      const [to, from] = [this.#slot(i), this.#slot(i - 1)];
      this.#times[to] = this.#times[from];
      this.#values.copyWithin(to * features, from * features, (from + 1) * features);
    }
  }

  #grow(): void {
    this.#reserve(Math.min(this.#capacity * 2, this.#maxLength));
  }

  /** Room for so many samples, the oldest in the first slot. */
  #reserve(capacity: number): void {
    if (capacity <= this.#capacity) return;
    const larger = (ring: Float64Array, width: number) => {
      const copy = new Float64Array(capacity * width);
      const head = this.#head * width;
      copy.set(ring.subarray(head));
      copy.set(ring.subarray(0, head), ring.length - head);
      return copy;
    };
    this.#values = larger(this.#values, this.features);
    this.#tailMean = larger(this.#tailMean, this.features);
    this.#tailLow = larger(this.#tailLow, this.features);
    this.#tailM2 = larger(this.#tailM2, this.features);
    if (this.byTime) this.#times = larger(this.#times, 1);
    this.#capacity = capacity;
    this.#head = 0;
  }
}

/**
 * Statistics of the last n samples (`last: 100`) or of the last t (`last: '30s'`), for `normalize`; see `Rolling`.
 *
 * @throws TypeError, RangeError for wrong options
 * @example of(100, 1, 2, 3, 4).pipe(normalize(rolling({ last: 3 }), { eps: 0 })) // NaN NaN -0.979… -0.674… 2.449…
 */
export function rolling<S = unknown>(
  options: RollingOptions & {
    /** Time of a sample in ms, when `last` is a time; default: the scheduler's time at arrival. */
    timeOf?: (sample: S) => number;
  },
): StatisticFactory<S> {
  requireKnown('rolling', options, ['last', 'maxSamples', 'timeOf']);
  const { timeOf, ...window } = options;
  windowOf('rolling', window);
  if (timeOf !== undefined) requireFunction('rolling', 'timeOf', timeOf);
  return {
    kind: 'rolling',
    create: (features) => new Rolling({ features, ...window }),
    settings: window,
    restore: Rolling.from,
    timeOf,
  };
}

function windowOf(where: string, { last, maxSamples }: RollingOptions): { spanMs: number; maxLength: number } {
  if (typeof last === 'string') {
    const most = maxSamples === undefined ? DEFAULT_MAX_SAMPLES : maxSamples;
    const holds = (n: number) => Number.isSafeInteger(n) && n >= 2;
    return {
      spanMs: durationMs(where, 'last', last),
      maxLength: requireNumber(where, 'maxSamples', most, holds, 'to be a whole number >= 2'),
    };
  }
  const holds = (n: number) => Number.isSafeInteger(n) && n >= 2;
  const maxLength = requireNumber(where, 'last', last, holds, "to be a whole number >= 2 or a time such as '30s'");
  if (maxSamples !== undefined) {
    throw new TypeError(`${where} takes maxSamples for a window in time, got ${shown(maxSamples)} with last ${last}`);
  }
  return { spanMs: 0, maxLength };
}

function hasUsable(row: ArrayLike<number>, features: number): boolean {
  for (let j = 0; j < features; j++) {
    const x = row[j];
    if (Math.abs(x) <= MAX_MAGNITUDE && x !== null) return true;
  }
  return false;
}
