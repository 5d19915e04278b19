import type { Observable, SchedulerLike } from 'rxjs';
import { DriftGuard } from '../core/drift-guard.ts';
import type { FoundDrift } from '../core/drift-watch.ts';
import { FLAG, flagNames } from '../core/flags.ts';
import { GrowingShape } from '../core/growing-shape.ts';
import { lacksValue, type Missing, requireValues } from '../core/missing-values.ts';
import type { RowScale } from '../core/row-scale.ts';
import { type SampleShape, sampleShape } from '../core/sample-shape.ts';
import type { Standardizer } from '../core/standardizer.ts';
import { isWeight } from '../core/usable.ts';
import { connect } from './connect.ts';
import type { Detail, RowStatistics } from './detail.ts';
import type { DriftEvent } from './drift-event.ts';

export interface SampleScorerOptions<S> {
  readonly features: readonly string[] | undefined;
  /** Instead of `features`: fields of records become features as they appear. */
  readonly maxFeatures: number | undefined;
  readonly detail: boolean;
  readonly missing: Missing;
  /** Rows kept back until they can be normalised; undefined: none. */
  readonly maxHeld: number | undefined;
  readonly timeOf: ((sample: S) => number) | undefined;
  readonly weightOf: ((sample: S) => number) | undefined;
  readonly scheduler: SchedulerLike;
  /** Is told of changes, where the statistic is a `DriftGuard`. */
  readonly tellDrift: ((event: DriftEvent) => void) | undefined;
  standardizerFor(features: number): Standardizer;
}

/** A sample that was learned, and how it comes out. */
interface Scored<S> {
  readonly sample: S;
  readonly x: Float64Array;
  readonly z: Float64Array;
  readonly time: number;
  /** Columns of the fields of a record, where each has its own. */
  readonly present: readonly number[] | undefined;
  /** Flags that do not depend on the statistics. */
  readonly ownFlags: number;
  flags: number;
  /** Only for details. */
  scale: RowScale | undefined;
  version: number;
  nEff: number;
  /** What the detectors have found in it. */
  drifts: FoundDrift[] | undefined;
}

/** The path of `normalize` for all that is not one number out for each in, as fast as can be. */
export function scoreSamples<S>(
  where: string,
  source: Observable<S>,
  options: SampleScorerOptions<S>,
): Observable<S | Detail<S>> {
  const { maxHeld = 0 } = options;
  return connect<S, S | Detail<S>>(source, (subscriber) => {
    const scorer = new SampleScorer<S>(where, options);
    let held: Scored<S>[] = [];
    let first = 0;
    /** Rows leave in the order in which they came, so one that is not ready holds up all behind it. */
    const release = (most: number) => {
      while (first < held.length && !subscriber.closed) {
        const row = held[first];
        scorer.scoreAgain(row);
        if ((row.flags & FLAG.notReady) !== 0 && held.length - first <= most) return;
        // before it is emitted: the subscriber may push the next sample from within `next`
        if (++first * 2 > held.length) {
          held = held.slice(first);
          first = 0;
        }
        subscriber.next(scorer.emitted(row));
      }
    };
    return {
      next(sample) {
        const row = scorer.score(sample);
        if (row === undefined) return;
        const waits = (row.flags & FLAG.notReady) !== 0 || held.length > first;
        // nothing is held before the first sample that says what a row looks like, and what comes before it never is
        if (options.maxHeld === undefined || !waits || row.x.length === 0) {
          subscriber.next(scorer.emitted(row));
        } else {
          held.push(row);
          release(maxHeld);
        }
        if (row.drifts !== undefined) scorer.tell(row.drifts, row.time);
      },
      complete: () => release(0),
    };
  });
}

/** Reads samples by the form of the first, scores and learns them, and writes them back. */
class SampleScorer<S> {
  readonly #where: string;
  readonly #options: SampleScorerOptions<S>;
  #shape: SampleShape<S> | undefined;
  #growing: GrowingShape | undefined;
  #standardizer: Standardizer | undefined;
  /** Its statistic, where that is watched. */
  #guard: DriftGuard | undefined;
  /** Samples that the watch has not seen: those before the first of a known form, and those that were left out. */
  #samplesBefore: number;
  /** Of the sample in hand, unless rows are held. */
  #x: Float64Array;
  #z: Float64Array;

  constructor(where: string, options: SampleScorerOptions<S>) {
    this.#where = where;
    this.#options = options;
    this.#shape = undefined;
    this.#growing = undefined;
    this.#standardizer = undefined;
    this.#guard = undefined;
    this.#samplesBefore = 0;
    this.#x = new Float64Array(0);
    this.#z = new Float64Array(0);
  }

  /** Undefined for a row that is left out. */
  score(sample: S): Scored<S> | undefined {
    const { detail, missing, maxHeld, timeOf, weightOf, scheduler } = this.#options;
    if (this.#shape === undefined && !this.#open(sample)) {
      this.#samplesBefore++;
      return missing === 'dropRow' ? undefined : this.#shapeless(sample);
    }
    const shape = this.#shape as SampleShape<S>;
    const standardizer = this.#standardizer as Standardizer;
    const holds = maxHeld !== undefined;
    const x = holds ? new Float64Array(shape.width) : this.#x;
    const z = holds ? new Float64Array(shape.width) : this.#z;
    const fits = shape.read(sample, x, 0);
    const present = this.#growing?.present.slice();
    if (missing === 'error') this.#requireValues(x, present);
    const lacks =
      present === undefined
        ? missing === 'dropRow' && lacksValue(x, 0, x.length)
        : !fits || present.some((j) => Number.isNaN(x[j]));
    if (missing === 'dropRow' && lacks) {
      this.#samplesBefore++;
      return undefined;
    }
    const timed = detail || this.#guard !== undefined || standardizer.statistic.byTime !== false;
    const time = !timed ? Number.NaN : fits && timeOf !== undefined ? timeOf(sample) : scheduler.now();
    const weight: unknown = weightOf === undefined ? 1 : fits ? weightOf(sample) : 0;
    const learned = isWeight(weight) ? weight : 0;
    let ownFlags = fits ? 0 : FLAG.shape;
    if (learned !== weight) ownFlags |= FLAG.weight;
    if (timed && !Number.isFinite(time)) ownFlags |= FLAG.time;
    if (this.#growing?.excess === true) ownFlags |= FLAG.excess;
    // a field that a record does not have is absent, not missing
    if (present !== undefined && lacks) ownFlags |= FLAG.missing;
    const { flags, scale, version } = detail
      ? standardizer.stepWithScale(x, z, time, learned)
      : { flags: standardizer.step(x, z, time, learned), scale: undefined, version: 0 };
    // a subscriber may push the next sample before this one is told of
    const drifts = this.#guard?.watch.take()?.map((found) => ({ ...found, row: found.row + this.#samplesBefore }));
    return this.#note({ sample, x, z, time, present, ownFlags, flags: 0, scale, version, nEff: 0, drifts }, flags);
  }

  /** Tells of what was found in a sample of this time. */
  tell(found: readonly FoundDrift[], time: number): void {
    const { tellDrift } = this.#options;
    const names = this.#growing?.names ?? this.#shape?.names;
    const detector = this.#guard?.watch.kind ?? '';
    for (const { row, feature, ...drift } of found) {
      tellDrift?.({ ...drift, feature: names?.[feature] ?? feature, time, index: row, detector });
    }
  }

  /** By the statistics as they are now. */
  scoreAgain(row: Scored<S>): void {
    const standardizer = this.#standardizer;
    if (standardizer === undefined) return;
    if (this.#options.detail) row.scale = standardizer.scale();
    row.version = standardizer.statistic.version;
    this.#note(row, standardizer.score(row.x, row.z));
  }

  emitted(row: Scored<S>): S | Detail<S> {
    const { sample, z, time, present, flags, scale, version, nEff } = row;
    const value = this.#shape === undefined ? (Number.NaN as S) : this.#shape.write(sample, z, 0);
    if (!this.#options.detail || scale === undefined) return value;
    const names = this.#growing === undefined ? this.#shape?.names : present?.map((j) => this.#growing?.names[j] ?? '');
    const { mean, std, weight, bias } = present === undefined ? scale : ofColumns(scale, present);
    // not by spreading: it takes longer than the sample
    const stats: { -readonly [K in keyof RowStatistics]: RowStatistics[K] } = { version, time, mean, std };
    if (names !== undefined) stats.features = names;
    if (weight !== undefined) stats.weight = weight;
    if (bias !== undefined) stats.bias = bias;
    const ready = (flags & FLAG.notReady) === 0;
    return { sample, value, stats, nEff, ready, flags: flagNames(flags) };
  }

  #note(row: Scored<S>, flags: number): Scored<S> {
    const { statistic } = this.#standardizer as Standardizer;
    row.flags = (row.present === undefined ? flags : flags & ~FLAG.missing) | row.ownFlags;
    if (!this.#options.detail) return row;
    row.nEff = Number.POSITIVE_INFINITY;
    if (row.present !== undefined) for (const j of row.present) row.nEff = Math.min(row.nEff, statistic.nEff(j));
    else for (let j = 0; j < statistic.features; j++) row.nEff = Math.min(row.nEff, statistic.nEff(j));
    return row;
  }

  #open(sample: S): boolean {
    const { features, maxFeatures } = this.#options;
    if (maxFeatures === undefined) {
      this.#shape = sampleShape<S>(this.#where, sample, features);
    } else if (typeof sample === 'number' || Array.isArray(sample) || ArrayBuffer.isView(sample)) {
      throw new TypeError(`${this.#where} takes maxFeatures for records only: other samples have a fixed width`);
    } else if (typeof sample === 'object' && sample !== null) {
      this.#growing = new GrowingShape(maxFeatures);
      this.#shape = this.#growing as SampleShape<unknown> as SampleShape<S>;
    }
    if (this.#shape === undefined) return false;
    this.#standardizer = this.#options.standardizerFor(this.#shape.width);
    const { statistic } = this.#standardizer;
    this.#guard = statistic instanceof DriftGuard ? statistic : undefined;
    this.#x = new Float64Array(this.#shape.width);
    this.#z = new Float64Array(this.#shape.width);
    return true;
  }

  #requireValues(x: Float64Array, present: readonly number[] | undefined): void {
    const names = this.#growing?.names ?? this.#shape?.names;
    if (present === undefined) {
      requireValues(this.#where, { data: x, rows: 1, features: x.length }, names);
    } else {
      const data = Float64Array.from(present, (j) => x[j]);
      requireValues(
        this.#where,
        { data, rows: 1, features: data.length },
        present.map((j) => names?.[j] ?? ''),
      );
    }
  }

  /** A sample before any that says how many features there are. */
  #shapeless(sample: S): Scored<S> {
    if (this.#options.missing === 'error') this.#requireValues(Float64Array.of(Number.NaN), undefined);
    const none = new Float64Array(0);
    const flags = FLAG.shape | FLAG.notReady;
    const scale = { mean: [], std: [] };
    const time = this.#options.scheduler.now();
    return {
      sample,
      x: none,
      z: none,
      time,
      present: [],
      ownFlags: flags,
      flags,
      scale,
      version: 0,
      nEff: 0,
      drifts: undefined,
    };
  }
}

/** The numbers of the fields that a record has, in their order. */
function ofColumns(scale: RowScale, present: readonly number[]): RowScale {
  const pick = (values: readonly number[]) => present.map((j) => values[j]);
  return { mean: pick(scale.mean), std: pick(scale.std) };
}
