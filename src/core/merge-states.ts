import { BatchNorm } from './batch-norm.ts';
import { Cumulative } from './cumulative.ts';
import { Ewma } from './ewma.ts';
import { MinMax } from './min-max.ts';
import { Robust } from './robust.ts';
import { Rolling } from './rolling.ts';
import type { StatisticState } from './state.ts';

interface Mergeable<S> {
  merge(other: S): unknown;
  state(): StatisticState;
}

const merging =
  <S extends Mergeable<S>>(kind: { from(state: unknown): S }) =>
  (into: StatisticState, added: StatisticState): StatisticState => {
    const merged = kind.from(into);
    merged.merge(kind.from(added));
    return merged.state();
  };

const BY_FORMAT: Readonly<Record<string, (into: StatisticState, added: StatisticState) => StatisticState>> = {
  'streamnorm.batchnorm': merging(BatchNorm),
  'streamnorm.cumulative': merging(Cumulative),
  'streamnorm.ewma': merging(Ewma),
  'streamnorm.min-max': merging(MinMax),
  'streamnorm.robust': merging(Robust),
  'streamnorm.rolling': merging(Rolling),
  // given numbers are the same everywhere
  'streamnorm.frozen': (into) => into,
};

/**
 * One state of the states of shards: as if one statistic had learned all that they have, where that is defined (see `merge`
 * of each). It is what synchronised batch normalization computes over its replicas (Chan, Golub, LeVeque 1983).
 *
 * @param states at least one, all of the same kind and options
 * @throws TypeError when they cannot be merged, with the reason; StreamnormError STATE for a damaged one among
 *   several; one alone comes back as it is, unread
 * @example
 * const [a, b] = [[1, 2, 3], [10]].map((values) => {
 *   const shard = new Cumulative({ features: 1 });
 *   for (const x of values) shard.update([x]);
 *   return shard.state();
 * });
 * Cumulative.from(mergeStates([a, b])).mean[0]; // 4
 */
export function mergeStates(states: readonly StatisticState[]): StatisticState {
  const [first, ...rest] = states;
  if (first === undefined) throw new TypeError('mergeStates requires at least one state');
  const merge = BY_FORMAT[first.format.split('/')[0]];
  if (merge === undefined) throw new TypeError(`mergeStates cannot merge states of the format ${first.format}`);
  return rest.reduce((into, added) => {
    if (added.format !== first.format) {
      throw new TypeError(`mergeStates requires states of one kind, got ${first.format} and ${added.format}`);
    }
    return merge(into, added);
  }, first);
}
