import { FLAG } from './flags.ts';
import type { StatisticsReport } from './row-normalizer.ts';
import { isUsable } from './usable.ts';

export interface ProducerGuardOptions {
  /** Standard deviations from the mean that a value of a good row keeps within. */
  readonly maxZ: number;
  /** Rows that the statistics have learned before anything is judged by them. */
  readonly minSamples: number;
  /** Rows in a row, far from the statistics, ... */
  readonly releaseRows: number;
  /** ... and for how many ms, until a producer is taken to have moved; and how long a silent one still has a say. */
  readonly releaseMs: number;
  /** Producers that are remembered; of too many the longest silent is forgotten. */
  readonly maxProducers: number;
}

/** What the guard compares with: where the statistics stand. */
export type Reference = Pick<StatisticsReport, 'rows' | 'mean' | 'std'>;

/** Where a producer stands that is far from the statistics: over its newest rows, of which none was near. */
class Shift {
  readonly sinceMs: number;
  rows: number;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** Usable values of each feature, up to the span. */
  readonly counts: Float64Array;
  readonly #span: number;

  constructor(features: number, nowMs: number, span: number) {
    this.sinceMs = nowMs;
    this.rows = 0;
    this.mean = new Float64Array(features);
    this.variance = new Float64Array(features);
    this.counts = new Float64Array(features);
    this.#span = span;
  }

  /** Over all rows at first, then over about the last `span` of them. */
  add(data: Float64Array, from: number): void {
    this.rows++;
    for (let j = 0; j < this.mean.length; j++) {
      const x = data[from + j];
      if (!isUsable(x)) continue;
      this.counts[j] = Math.min(this.counts[j] + 1, this.#span);
      const delta = x - this.mean[j];
      this.mean[j] += delta / this.counts[j];
      this.variance[j] += (delta * (x - this.mean[j]) - this.variance[j]) / this.counts[j];
    }
  }
}

interface Known {
  lastMs: number;
  /** Undefined while its rows are near. */
  shift: Shift | undefined;
  /** Its shift has lasted long enough to be believed of it. */
  moved: boolean;
}

/**
 * Keeps a producer that has gone mad from moving the statistics that it shares with others.
 *
 * Idea: a row is far when a value of it is more than `maxZ` standard deviations from the mean. That alone would be a trap,
 * for a level that has really shifted would never be followed. So a far row is also compared with where the producers
 * stand: each at the mean of the statistics, unless its last `releaseRows` rows, over at least `releaseMs`, were all far;
 * then at the mean of these. The median of that is where the channel is, and rows within `maxZ` of it are let through. The
 * median moves when more than half of the producers have moved, and alike: one of two, or many that are each mad in a way
 * of its own, move nothing. One that is alone is believed after its `releaseRows` rows and `releaseMs`, since there is
 * nobody to ask. The spread is taken in the same way, so that another scale is followed as another level is.
 *
 * Who has been silent for `releaseMs` has no say. A feature without spread is not judged: there is no scale.
 *
 * Knows no clock: whoever asks tells the time. Cost: one look at each row while all are near; the median, of as many
 * numbers as there are producers, is made anew after as many messages. Memory: 3 float64 a feature for each producer that
 * is far, and nearly none for the others.
 *
 * Not done: to remember this in a state. After a restart a shift is to be seen anew, which takes `releaseMs`.
 *
 * @example
 * const guard = new ProducerGuard({ maxZ: 50, minSamples: 2, releaseRows: 100, releaseMs: 60_000, maxProducers: 10 });
 * const flags = new Uint16Array(2);
 * guard.judge('p1', Float64Array.of(1, 1e6), 2, { rows: 8, mean: [0], std: [1] }, 0, flags); // 1
 * flags[1]; // 4096
 */
export class ProducerGuard {
  readonly #options: ProducerGuardOptions;
  /** Heard within `releaseMs`, the one longest silent first. */
  readonly #active: Map<string, Known>;
  readonly #silent: Map<string, Known>;
  /** How many of the active have moved. */
  #moved: number;
  /** Where the channel is; made anew when it is old. */
  #centre: { readonly mean: Float64Array; readonly std: Float64Array } | undefined;
  #centreAge: number;

  constructor(options: ProducerGuardOptions) {
    this.#options = options;
    this.#active = new Map();
    this.#silent = new Map();
    this.#moved = 0;
    this.#centre = undefined;
    this.#centreAge = 0;
  }

  /**
   * Judges rows of one producer by the statistics before them.
   *
   * @param flags `FLAG.range` for a row that is to be kept out, 0 for the others
   * @returns how many are to be kept out
   */
  judge(
    producer: string,
    data: Float64Array,
    rows: number,
    reference: Reference,
    nowMs: number,
    flags: Uint16Array,
  ): number {
    const known = this.#hear(producer, nowMs);
    flags.fill(0, 0, rows);
    if (reference.rows < this.#options.minSamples) {
      this.#settle(known);
      return 0;
    }
    const width = reference.mean.length;
    let out = 0;
    let centre: { mean: ArrayLike<number>; std: ArrayLike<number> } | undefined;
    for (let row = 0, from = 0; row < rows; row++, from += width) {
      if (!this.#isFar(data, from, reference)) {
        this.#settle(known);
        continue;
      }
      known.shift ??= new Shift(width, nowMs, this.#options.releaseRows);
      known.shift.add(data, from);
      this.#believe(known, nowMs);
      centre ??= this.#centreOf(reference);
      if (centre !== undefined && !this.#isFar(data, from, reference, centre)) continue;
      flags[row] = FLAG.range;
      out++;
    }
    return out;
  }

  #isFar(
    data: Float64Array,
    from: number,
    { mean, std }: Reference,
    centre?: { mean: ArrayLike<number>; std: ArrayLike<number> },
  ): boolean {
    const { maxZ } = this.#options;
    for (let j = 0; j < mean.length; j++) {
      const [x, middle, spread] = [data[from + j], mean[j], std[j]];
      if (middle === null || spread === null || !(spread > 0) || !isUsable(x)) continue;
      const [at, within] = centre === undefined ? [middle, spread] : [centre.mean[j], Math.max(spread, centre.std[j])];
      if (Math.abs(x - at) > maxZ * within) return true;
    }
    return false;
  }

  #hear(producer: string, nowMs: number): Known {
    const { releaseMs, maxProducers } = this.#options;
    const known: Known = this.#active.get(producer) ??
      this.#silent.get(producer) ?? { lastMs: nowMs, shift: undefined, moved: false };
    if (this.#silent.delete(producer) && known.moved) this.#moved++;
    this.#active.delete(producer);
    this.#active.set(producer, known);
    known.lastMs = nowMs;
    for (const [name, other] of this.#active) {
      if (nowMs - other.lastMs <= releaseMs) break;
      this.#leave(name, other);
      this.#silent.set(name, other);
    }
    if (this.#active.size + this.#silent.size > maxProducers) {
      const [longest] = this.#silent.keys();
      if (longest !== undefined) this.#silent.delete(longest);
      else {
        const [name, other] = this.#active.entries().next().value as [string, Known];
        this.#leave(name, other);
      }
    }
    return known;
  }

  #leave(name: string, known: Known): void {
    this.#active.delete(name);
    if (known.moved) this.#moved--;
    this.#centre = undefined;
  }

  /** A row of it is near: it stands where the statistics do. */
  #settle(known: Known): void {
    if (known.moved) this.#moved--;
    if (known.moved) this.#centre = undefined;
    known.shift = undefined;
    known.moved = false;
  }

  #believe(known: Known, nowMs: number): void {
    const { releaseRows, releaseMs } = this.#options;
    const shift = known.shift as Shift;
    if (known.moved || shift.rows < releaseRows || nowMs - shift.sinceMs < releaseMs) return;
    known.moved = true;
    this.#moved++;
    this.#centre = undefined;
  }

  /** Undefined while it cannot be but where the statistics are. */
  #centreOf(reference: Reference): { mean: Float64Array; std: Float64Array } | undefined {
    const active = this.#active.size;
    if (2 * this.#moved <= active) return undefined;
    if (this.#centre !== undefined && ++this.#centreAge < active) return this.#centre;
    const shifts: Shift[] = [];
    for (const { moved, shift } of this.#active.values()) if (moved && shift !== undefined) shifts.push(shift);
    const width = reference.mean.length;
    const [mean, std] = [new Float64Array(width), new Float64Array(width)];
    for (let j = 0; j < width; j++) {
      const [middle, spread] = [reference.mean[j] ?? 0, reference.std[j] ?? 0];
      mean[j] = medianNear(
        // who has said nothing of a feature stands where the statistics do
        shifts.map((shift) => (shift.counts[j] > 0 ? shift.mean[j] : middle)),
        active,
        middle,
      );
      std[j] = medianNear(
        shifts.map((shift) => (shift.counts[j] > 0 ? Math.sqrt(shift.variance[j]) : spread)),
        active,
        spread,
      );
    }
    this.#centre = { mean, std };
    this.#centreAge = 0;
    return this.#centre;
  }
}

/** Median of `count` numbers: `values`, and `rest` for all others; of two in the middle the one nearer to `rest`. */
function medianNear(values: number[], count: number, rest: number): number {
  const all = [...values, ...new Array<number>(count - values.length).fill(rest)].sort((a, b) => a - b);
  const [lower, upper] = [all[(count - 1) >> 1], all[count >> 1]];
  return Math.abs(lower - rest) <= Math.abs(upper - rest) ? lower : upper;
}
