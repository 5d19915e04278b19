/** Why samples are missing. */
export type HoleReason =
  /** The connection was lost and made anew. */
  | 'disconnected'
  /** Numbers of messages did not come. */
  | 'sequence'
  /** The other side began to count anew: what happened before is unknown. */
  | 'reset'
  /** More came while the stream was held than may be kept. */
  | 'overflow';

/** A hole in a feed: told once, before the first sample after it. */
export interface Hole {
  readonly reason: HoleReason;
  /** When the last message before it came, by the scheduler's clock, in ms. */
  readonly fromMs: number;
  /** When the first message after it came. */
  readonly toMs: number;
  /** Messages that are missing; undefined where nobody can know. */
  readonly missed: number | undefined;
}
