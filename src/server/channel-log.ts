import type { ChannelStatistics } from './keyed-channel.ts';
import type { Push } from './push.ts';

/** What a channel whose rows are normalised elsewhere has in place of a normalizer. */
export interface ChannelLog {
  /** Names the numbering of rows. */
  readonly epoch: string;
  /** Number of the row before the first one that will come. */
  readonly startSeq: number;
  /** Of all that normalise, together. */
  readonly statistics: ChannelStatistics;
  /** Takes rows; resolves when they cannot be lost any more. */
  push(push: Push): Promise<void>;
}
