import type { DriftWatch } from './drift-watch.ts';
import { FLAG } from './flags.ts';
import {
  type Arrival,
  emptyRows,
  type NormalizedRows,
  orNull,
  type PendingRows,
  type RowNormalizer,
  rowDrifts,
  type StatisticsReport,
} from './row-normalizer.ts';
import type { Standardizer } from './standardizer.ts';
import type { StatisticState } from './state.ts';
import type { Statistic } from './statistic.ts';

/** Each row at once by the statistics of the rows before it: a `Standardizer` on a stream of rows. */
export class SampleNormalizer implements RowNormalizer {
  readonly features: number;
  readonly pending: number;
  readonly dueMs: number;
  readonly standardizer: Standardizer;
  readonly #x: Float64Array;
  readonly #z: Float64Array;
  readonly #watch: DriftWatch | null;
  #afterGap: boolean;

  /** @param watch that of the statistic, where that is a `DriftGuard` */
  constructor(standardizer: Standardizer, watch: DriftWatch | null = null) {
    this.standardizer = standardizer;
    this.features = standardizer.statistic.features;
    this.pending = 0;
    this.dueMs = Number.POSITIVE_INFINITY;
    this.#x = new Float64Array(this.features);
    this.#z = new Float64Array(this.features);
    this.#watch = watch;
    this.#afterGap = false;
  }

  /** True where it knows more than its statistic does. */
  get watches(): boolean {
    return this.#watch !== null;
  }

  push(data: Float64Array, rows: number, times: Float64Array, arrival?: Arrival): NormalizedRows | undefined {
    if (rows === 0) return undefined;
    const width = this.features;
    const ids = arrival?.ids?.slice(0, rows);
    const weights = arrival?.weights;
    // a lone row needs no views, and its small arrays cost less than one piece of memory
    if (rows === 1) {
      const [z, flags] = [new Float64Array(width), new Uint16Array(1)];
      flags[0] = this.standardizer.stepWeighted(data, z, times[0], weights?.[0]) | this.#gap();
      return this.#watched({
        rows,
        features: width,
        raw: data.slice(0, width),
        z,
        times: times.slice(0, 1),
        flags,
        ids,
      });
    }
    const out = emptyRows(rows, width);
    out.raw.set(data.subarray(0, rows * width));
    out.times.set(times.subarray(0, rows));
    // moved through one row of memory: two views a row would cost more than the statistics
    const [x, z] = [this.#x, this.#z];
    for (let row = 0, from = 0; row < rows; row++, from += width) {
      for (let j = 0; j < width; j++) x[j] = data[from + j];
      out.flags[row] = this.standardizer.stepWeighted(x, z, times[row], weights?.[row]);
      for (let j = 0; j < width; j++) out.z[from + j] = z[j];
    }
    out.flags[0] |= this.#gap();
    return this.#watched(ids === undefined ? out : { ...out, ids });
  }

  advance(): undefined {}

  flush(): undefined {}

  cut(): undefined {
    this.#afterGap = true;
    this.standardizer.cut();
  }

  report(): StatisticsReport {
    return reportOf(this.standardizer.statistic);
  }

  capture(): () => StatisticsReport {
    const { features, mean, variance, count, version } = this.standardizer.statistic;
    // one plain array: a copy of each would be nine objects, kept for every row of a history
    const kept = new Array<number>(3 * features);
    for (let j = 0, i = 0; j < features; j++) {
      kept[i++] = mean[j];
      kept[i++] = variance[j];
      kept[i++] = count[j];
    }
    return () => {
      const of = (place: number) => Float64Array.from({ length: features }, (_, j) => kept[3 * j + place]);
      return reportOf({ mean: of(0), variance: of(1), count: of(2), version });
    };
  }

  state(): StatisticState {
    return this.standardizer.statistic.state();
  }

  pendingRows(): PendingRows {
    return { data: [], times: [], ...(this.#afterGap && { gap: true as const }) };
  }

  /** With the drifts that these rows showed. */
  #watched(out: NormalizedRows): NormalizedRows {
    const watch = this.#watch;
    if (watch === null) return out;
    const drifts = rowDrifts(watch, watch.rows - out.rows);
    if (drifts !== undefined) out.drifts = drifts;
    return out;
  }

  #gap(): number {
    if (!this.#afterGap) return 0;
    this.#afterGap = false;
    return FLAG.gap;
  }
}

/** What statistics say of themselves. */
export function reportOf({
  mean,
  variance,
  count,
  version,
}: Pick<Statistic, 'mean' | 'variance' | 'count' | 'version'>): StatisticsReport {
  return {
    version,
    rows: count.reduce((most, n) => (n > most && n < Number.POSITIVE_INFINITY ? n : most), 0),
    mean: Array.from(mean, (x, j) => (count[j] > 0 ? orNull(x) : null)),
    std: Array.from(variance, (x, j) => (count[j] >= 2 ? orNull(Math.sqrt(x)) : null)),
    batch: null,
  };
}
