import { mergeStates } from '../core/merge-states.ts';
import { partitionOf } from '../nats/partition-of.ts';
import { type PartitionState, readState } from './channel-fold.ts';
import type { ChannelConfig } from './config/channel.ts';

/**
 * The states of new partitions from those of the old ones, whose windows are closed.
 *
 * With keys each key goes where its hash says. Without, partition i takes over old i, or all old ones that are i modulo
 * their new number, merged; further partitions begin from nothing. So the statistics of all partitions together stay what
 * they were. What producers have sent is remembered everywhere, since a producer may have a new partition.
 *
 * @param ends how many rows are out of each new partition
 * @throws TypeError when statistics cannot be merged, with the reason
 */
export function splitStates(
  config: ChannelConfig,
  snapshots: readonly (Uint8Array | undefined)[],
  partitions: number,
  ends: readonly number[],
): Uint8Array[] {
  const old = snapshots.map((snapshot) => snapshot && readState(snapshot, config));
  const known = old.filter((state) => state !== undefined);
  if (known.length === 0) return [];
  const nowMs = known.reduce((latest, state) => Math.max(latest, state.nowMs), 0);
  const producers = new Map<string, number>();
  for (const [producer, seq] of known.flatMap((state) => state.producers)) {
    producers.set(producer, Math.max(seq, producers.get(producer) ?? 0));
  }
  const made: PartitionState[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const own = old.filter((state, i) => state !== undefined && i % partitions === partition) as PartitionState[];
    const states = own.map(({ state }) => state).filter((state) => state !== null);
    made.push({
      format: 'streamnorm.partition/1',
      features: config.features,
      method: config.method,
      options: known[0].options,
      key: known[0].key,
      end: ends[partition],
      nowMs,
      dueMs: null,
      producers: Array.from(producers),
      duplicates: own.reduce((sum, { duplicates }) => sum + duplicates, 0),
      state: states.length === 0 ? null : mergeStates(states),
      pending: null,
      keys: known[0].keys === null ? null : keysOf(known, partition, partitions),
    });
  }
  return made.map((state) => new TextEncoder().encode(JSON.stringify(state)));
}

function keysOf(states: readonly PartitionState[], partition: number, partitions: number): PartitionState['keys'] {
  return states.flatMap(({ keys }) => keys ?? []).filter(([key]) => partitionOf(key, partitions) === partition);
}
