import { StreamnormError } from '../errors.ts';
import { FLAG } from './flags.ts';
import { MissingValue } from './missing-values.ts';
import { shown } from './parameter.ts';
import { RowCollector } from './row-collector.ts';
import { RowJudge } from './row-judge.ts';
import {
  type Arrival,
  arrivalOf,
  NO_CLOCK,
  type NormalizedRows,
  type PendingRows,
  type RowNormalizer,
  type StatisticsReport,
} from './row-normalizer.ts';
import type { StatisticState } from './state.ts';
import { isTime } from './usable-time.ts';

export interface QuarantineNormalizerOptions {
  readonly judge: RowJudge;
  /** Which of the judge's flags make a row a bad one. */
  readonly bad: number;
  /** Which flags of a row that is kept out have it left out of the output too. */
  readonly dropped: number;
  /** Whether a row that lacks a value refuses all that came with it. */
  readonly refusesMissing: boolean;
  /** Who must be told of the feature that a row lacks. */
  readonly names: readonly string[];
  /** How much older than the newest row one may be; undefined where times do not matter, or windows follow them. */
  readonly latenessMs: number | undefined;
  readonly maxAheadMs: number;
}

/**
 * Keeps bad rows out of a normalizer as a whole: they leave at once, NaN throughout, flagged `quarantined` and with why,
 * so that statistics, windows and their sizes are what they would be had these rows not come.
 *
 * Where all rows are good, which is the common case, they are only looked at.
 */
export class QuarantineNormalizer implements RowNormalizer {
  readonly features: number;
  readonly #inner: RowNormalizer;
  readonly #options: QuarantineNormalizerOptions;
  readonly #out: RowCollector;
  #newest: number;
  #bits: Uint16Array;

  constructor(inner: RowNormalizer, options: QuarantineNormalizerOptions) {
    this.features = inner.features;
    this.#inner = inner;
    this.#options = options;
    this.#out = new RowCollector(inner.features);
    this.#newest = Number.NEGATIVE_INFINITY;
    this.#bits = new Uint16Array(1);
  }

  get pending(): number {
    return this.#inner.pending;
  }

  get dueMs(): number {
    return this.#inner.dueMs;
  }

  push(data: Float64Array, rows: number, times: Float64Array, arrival = NO_CLOCK): NormalizedRows | undefined {
    if (this.#bits.length < rows) this.#bits = new Uint16Array(rows);
    const bits = this.#bits;
    if (!this.#judge(data, rows, times, arrival, bits)) {
      return this.#marked(this.#inner.push(data, rows, times, arrival));
    }
    for (let from = 0; from < rows; ) {
      let to = from;
      while (to < rows && bits[to] === 0) to++;
      if (to > from) this.#pushRun(data, from, to, times, arrival);
      for (; to < rows && bits[to] !== 0; to++) {
        const flags = bits[to] | FLAG.quarantined;
        this.#out.add(data, to, undefined, 0, times[to], flags, arrival.ids?.[to] ?? Number.NaN);
      }
      from = to;
    }
    return this.#marked(this.#out.take());
  }

  advance(elapsedMs: number): NormalizedRows | undefined {
    return this.#marked(this.#inner.advance(elapsedMs));
  }

  flush(): NormalizedRows | undefined {
    return this.#marked(this.#inner.flush());
  }

  cut(): NormalizedRows | undefined {
    return this.#marked(this.#inner.cut());
  }

  report(): StatisticsReport {
    return this.#inner.report();
  }

  capture(): () => StatisticsReport {
    return this.#inner.capture();
  }

  state(): StatisticState {
    return this.#inner.state();
  }

  pendingRows(): PendingRows {
    const newest = Number.isFinite(this.#newest) ? { newest: this.#newest } : {};
    return { ...this.#inner.pendingRows(), ...newest };
  }

  /** @throws StreamnormError STATE for what is no time */
  restore({ newest }: PendingRows): void {
    if (newest === undefined) return;
    if (!isTime(newest)) throw new StreamnormError('STATE', `the saved newest time is ${shown(newest)}`);
    this.#newest = newest;
  }

  /** Why each row is bad, 0 for a good one, to `bits`; false when all are good. Nothing has changed when it throws. */
  #judge(
    data: Float64Array,
    rows: number,
    times: Float64Array,
    { nowMs, keptOut }: Arrival,
    bits: Uint16Array,
  ): boolean {
    const { judge, bad, refusesMissing, latenessMs, maxAheadMs } = this.#options;
    const width = this.features;
    let newest = this.#newest;
    let any = false;
    for (let row = 0, from = 0; row < rows; row++, from += width) {
      const found = judge.judge(data, from);
      if (refusesMissing && (found & FLAG.missing) !== 0) this.#refuse(data, row);
      let flags = (found & bad) | (keptOut === undefined ? 0 : keptOut[row]);
      if (latenessMs !== undefined) {
        const time = times[row];
        if (!isTime(time) || (time > newest && time - maxAheadMs > nowMs)) flags |= FLAG.time;
        else if (time < newest - latenessMs) flags |= FLAG.late;
        else if (flags === 0 && time > newest) newest = time;
      }
      bits[row] = flags;
      if (flags !== 0) any = true;
    }
    this.#newest = newest;
    return any;
  }

  #refuse(data: Float64Array, row: number): never {
    const { names, judge } = this.#options;
    const name = names[judge.lacking(data, row * this.features)];
    throw new MissingValue(`row ${row} has no value of ${name} (missing: 'error')`, row);
  }

  #pushRun(data: Float64Array, from: number, to: number, times: Float64Array, arrival: Arrival): void {
    const done = this.#inner.push(
      data.subarray(from * this.features, to * this.features),
      to - from,
      times.subarray(from, to),
      arrivalOf(arrival, from, to),
    );
    if (done !== undefined) this.#out.addAll(done);
  }

  /** Marks the rows that were asked to be left out, those included that the windows found late. */
  #marked(rows: NormalizedRows | undefined): NormalizedRows | undefined {
    const { dropped } = this.#options;
    if (rows === undefined || dropped === 0) return rows;
    const { flags } = rows;
    for (let row = 0; row < flags.length; row++) {
      if ((flags[row] & FLAG.quarantined) !== 0 && (flags[row] & dropped) !== 0) flags[row] |= FLAG.dropped;
    }
    return rows;
  }
}

/** The same normalizer, if need be in one that keeps out the rows that `Arrival.keptOut` names, and no others. */
export function keepingOut(inner: RowNormalizer): QuarantineNormalizer {
  if (inner instanceof QuarantineNormalizer) return inner;
  return new QuarantineNormalizer(inner, {
    judge: new RowJudge('keepingOut', inner.features),
    bad: 0,
    dropped: 0,
    refusesMissing: false,
    names: [],
    latenessMs: undefined,
    maxAheadMs: 0,
  });
}

/** The rows that go out: those not `dropped`. The same rows where there are none of these. */
export function withoutDropped(rows: NormalizedRows): NormalizedRows | undefined {
  if (!rows.flags.some((flags) => (flags & FLAG.dropped) !== 0)) return rows;
  const { features, raw, z, times, flags, ids, keys, drifts = [] } = rows;
  const kept = new RowCollector(features);
  for (let row = 0; row < rows.rows; row++) {
    if ((flags[row] & FLAG.dropped) !== 0) continue;
    for (const drift of drifts) if (drift.row === row) kept.addDrift(drift);
    kept.add(raw, row, z, row * features, times[row], flags[row], ids?.[row] ?? Number.NaN);
  }
  const out = kept.take();
  if (out === undefined || keys === undefined) return out;
  return { ...out, keys: keys.filter((_, row) => (flags[row] & FLAG.dropped) === 0) };
}
