import { mergeStates } from '../core/merge-states.ts';
import { createNormalizer } from '../core/methods.ts';
import type { PendingRows, StatisticsReport } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import type { Broker } from '../nats/broker.ts';
import { CheckpointValues } from '../nats/checkpoint-values.ts';
import { readMeta, valuesOf } from '../nats/log-meta.ts';
import type { LogNames } from '../nats/log-names.ts';
import { type PartitionState, readState } from './channel-fold.ts';
import type { ChannelConfig } from './config/channel.ts';
import type { ChannelStatistics, KeyedState } from './keyed-channel.ts';

/** Where the statistics of partitions cannot be merged: those of each. */
export interface PartitionedState extends StatisticState {
  readonly format: 'streamnorm.partitions/1';
  /** Why they are not one. */
  readonly reason: string;
  readonly partitions: readonly (StatisticState | null)[];
}

/**
 * The statistics of a channel over all of its partitions: their checkpoints, merged as synchronised batch normalization
 * does (Chan), and refreshed at intervals. So they are as old as the checkpoints, and nothing that normalises waits for
 * them.
 */
export class GlobalStatistics implements ChannelStatistics {
  readonly #broker: Broker;
  readonly #names: LogNames;
  readonly #config: ChannelConfig;
  readonly #onFailure: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> | undefined;
  #revisions: string;
  #state: StatisticState;
  #report: StatisticsReport;
  /** Rows that wait in open windows. */
  pending: number;

  constructor(broker: Broker, names: LogNames, config: ChannelConfig, onFailure: (error: unknown) => void) {
    this.#broker = broker;
    this.#names = names;
    this.#config = config;
    this.#onFailure = onFailure;
    this.#timer = undefined;
    this.#refreshing = undefined;
    this.#revisions = '';
    const fresh = createNormalizer(config.method, config.features, config.options);
    this.#state = fresh.state();
    this.#report = fresh.report();
    this.pending = 0;
  }

  async start(everyMs: number): Promise<void> {
    await this.#refresh();
    this.#timer = setInterval(() => {
      this.#refreshing ??= this.#refresh()
        .catch((error) => this.#onFailure(error))
        .finally(() => {
          this.#refreshing = undefined;
        });
    }, everyMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#refreshing;
  }

  state(): StatisticState {
    return this.#state;
  }

  report(): StatisticsReport {
    return this.#report;
  }

  capture(): () => StatisticsReport {
    const report = this.#report;
    return () => report;
  }

  /** Rows go to the log: nothing is normalised, waits or closes here. */
  readonly dueMs = Number.POSITIVE_INFINITY;

  push(): undefined {}

  advance(): undefined {}

  flush(): undefined {}

  cut(): undefined {}

  pendingRows(): PendingRows {
    return { data: [], times: [] };
  }

  async #refresh(): Promise<void> {
    const { generation, partitions } = await readMeta(this.#broker, this.#names);
    const maxPayload = this.#broker.connection.info?.max_payload ?? 1_048_576;
    const stores = Array.from({ length: partitions }, (_, partition) => {
      return new CheckpointValues(valuesOf(this.#broker, this.#names), generation, partition, maxPayload);
    });
    const heads = await Promise.all(stores.map((store) => store.head()));
    const revisions = `${generation}: ${heads.map((head) => head?.revision ?? 0).join()}`;
    if (revisions === this.#revisions) return;
    const states: PartitionState[] = [];
    let keys = 0;
    for (const store of stores) {
      const saved = await store.load();
      if (saved === undefined) continue;
      const state = readState(saved.state, this.#config);
      keys += state.keys?.length ?? 0;
      // counted, and let go of before the next partition is read
      states.push(state.keys === null ? state : { ...state, keys: [] });
    }
    this.#take(states, keys);
    this.#revisions = revisions;
  }

  #take(states: readonly PartitionState[], keys: number): void {
    this.pending = states.reduce((sum, { pending }) => sum + (pending?.times.length ?? 0), 0);
    const { method, features, options } = this.#config;
    const known = states.map(({ state }) => state).filter((state) => state !== null);
    if (known.length === 0) {
      this.#takeKeys(states, keys);
      return;
    }
    try {
      this.#state = mergeStates(known);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      const state: PartitionedState = { format: 'streamnorm.partitions/1', reason: error.message, partitions: known };
      this.#state = state;
      return;
    }
    this.#report = createNormalizer(method, features, options, { state: this.#state, options }).report();
  }

  #takeKeys(states: readonly PartitionState[], keys: number): void {
    if (keys === 0) return;
    const rows = states.reduce((sum, { end }) => sum + end, 0);
    const none = new Array<null>(this.#config.features.length).fill(null);
    const state: KeyedState = { format: 'streamnorm.keyed/1', keys };
    this.#state = state;
    this.#report = { version: rows, rows, mean: none, std: none, batch: null };
  }
}
