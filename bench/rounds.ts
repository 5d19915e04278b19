/** How two things compare, measured in turns so that a machine whose speed drifts treats both alike. */
export interface Comparison {
  /** Median of our rounds. */
  ours: number;
  reference: number;
  /** Median of ours / reference, round by round. */
  ratio: number;
  rounds: number;
}

/** Runs ours, reference, ours, reference, …; the first round warms up and does not count. */
export async function alternate(
  rounds: number,
  ours: () => number | Promise<number>,
  reference: () => number | Promise<number>,
): Promise<Comparison> {
  const pairs: [number, number][] = [];
  for (let round = 0; round <= rounds; round++) {
    const a = await ours();
    const b = await reference();
    if (round > 0) pairs.push([a, b]);
  }
  return {
    ours: median(pairs.map(([a]) => a)),
    reference: median(pairs.map(([, b]) => b)),
    ratio: median(pairs.map(([a, b]) => a / b)),
    rounds,
  };
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
