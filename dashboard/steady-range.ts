/** Shown while there is no data. */
const EMPTY = [-0.15, 1.15] as const;

/**
 * A y range that does not tremble: the former one stays while the data fits into it and fills at least three fifths of it;
 * else a new one with room on both sides.
 */
export function steadyRange(
  before: readonly [number, number] | undefined,
  low: number,
  high: number,
): readonly [number, number] {
  if (!(low <= high)) return before ?? EMPTY;
  if (before !== undefined && before[0] <= low && high <= before[1]) {
    if (high - low >= (before[1] - before[0]) * 0.6) return before;
  }
  // A constant curve gets room in proportion to its magnitude, or one unit around zero.
  const span = high - low || Math.abs(high) * 0.01 || 1;
  return [low - span * 0.15, high + span * 0.15];
}
