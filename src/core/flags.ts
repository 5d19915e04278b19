/**
 * What a row can say about itself, as bits: rows are flagged without an object each. They have 16 bits for it.
 */
export const FLAG = {
  /** A feature was NaN, null, undefined or absent. */
  missing: 1,
  /** A feature was infinite or too large to be squared: it entered no statistic. */
  overflow: 2,
  /** A feature had no spread: its value is 0 (before weight and bias). */
  constant: 4,
  /** A feature had one value in its batch: the mean moved, the variance did not. */
  single: 8,
  /** A feature had no statistics yet. */
  notReady: 16,
  /** The sample had another shape than the stream: nothing was learned from it. */
  shape: 32,
  /** A value was cut to ±clip. */
  clipped: 64,
  /** The row had no usable time, or one too far ahead of the clock: nothing was learned from it. */
  time: 128,
  /** The weight of the sample was not one, or out of range: nothing was learned from it. */
  weight: 256,
  /** A record had fields beyond `maxFeatures`: they are NaN, and nothing was learned from them. */
  excess: 512,
  /** The first after a hole in the feed: what was before it may be old. */
  gap: 1024,
  /** All windows for it had closed: it is in none. */
  late: 2048,
  /** A feature was out of its `range`, or too far from the others for `producerGuard`. */
  range: 4096,
  /** The row was kept out of the statistics as a whole, and is NaN throughout. */
  quarantined: 8192,
  /** The row was asked to be left out: it is told of and counted, and goes to nobody. */
  dropped: 16384,
  /** The row left before its window was over: more was held than `maxSamples`. */
  early: 32768,
} as const;

export type FlagName = keyof typeof FLAG;

const NAMES = Object.keys(FLAG) as FlagName[];

/** The names of the bits set. */
export function flagNames(bits: number): FlagName[] {
  return bits === 0 ? [] : NAMES.filter((name) => (bits & FLAG[name]) !== 0);
}
