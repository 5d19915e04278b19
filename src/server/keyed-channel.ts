import type { KeyedNormalizer } from '../core/keyed-normalizer.ts';
import type { Arrival, NormalizedRows, PendingRows, RowNormalizer, StatisticsReport } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';

/** The state of all keys together, where no key is named: how many there are. */
export interface KeyedState extends StatisticState {
  readonly format: 'streamnorm.keyed/1';
  readonly keys: number;
}

/** What a channel asks of its statistics, of all rows or of each key. */
export interface ChannelStatistics extends Omit<RowNormalizer, 'features' | 'push'> {
  /** @param keys of the rows, where the channel has keys */
  push(
    data: Float64Array,
    rows: number,
    times: Float64Array,
    arrival: Arrival,
    keys?: readonly string[],
  ): NormalizedRows | undefined;
}

/** The statistics of a channel with keys, where no key is named. */
export class AllKeys implements ChannelStatistics {
  readonly #keyed: KeyedNormalizer;
  readonly #rows: () => number;

  /** @param rows that all keys have learned since the process began */
  constructor(keyed: KeyedNormalizer, rows: () => number) {
    this.#keyed = keyed;
    this.#rows = rows;
  }

  get pending(): number {
    return this.#keyed.pending;
  }

  get dueMs(): number {
    return this.#keyed.dueMs;
  }

  push(
    data: Float64Array,
    rows: number,
    times: Float64Array,
    arrival: Arrival,
    keys: readonly string[] = [],
  ): NormalizedRows | undefined {
    return this.#keyed.push(keys, data, rows, times, arrival.elapsedMs, arrival);
  }

  advance(elapsedMs: number): NormalizedRows | undefined {
    return this.#keyed.advance(elapsedMs);
  }

  flush(): NormalizedRows | undefined {
    return this.#keyed.flush();
  }

  cut(): NormalizedRows | undefined {
    return this.#keyed.cut();
  }

  report(): StatisticsReport {
    const none = new Array<null>(this.#keyed.features).fill(null);
    const rows = this.#rows();
    return { version: rows, rows, mean: none, std: none, batch: null };
  }

  capture(): () => StatisticsReport {
    return () => this.report();
  }

  state(): KeyedState {
    return { format: 'streamnorm.keyed/1', keys: this.#keyed.size };
  }

  pendingRows(): PendingRows {
    return { data: [], times: [] };
  }
}
