/** mulberry32: the same numbers in [0, 1) on every machine. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Rows whose features lie on very different scales. */
export function sampleRows(count: number, features: number, seed = 1): number[][] {
  const random = seeded(seed);
  return Array.from({ length: count }, () =>
    Array.from({ length: features }, (_, j) => (random() - 0.3) * 10 ** (j % 6)),
  );
}
