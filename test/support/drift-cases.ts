import { golden } from './golden.ts';
import { mulberry32 } from './strd.ts';

/** A stream of segments [count, base, scale], and where River's detectors find its changes. */
export interface DriftCase {
  name: string;
  seed: number;
  segments: [count: number, base: number, scale: number][];
  head: number[];
  page_hinkley: {
    threshold?: number;
    delta?: number;
    alpha?: number;
    min_instances?: number;
    mode?: 'up' | 'down';
    found: number[];
  }[];
  adwin: { delta?: number; clock?: number; max_buckets?: number; min_window_length?: number; found: number[] }[];
}

export const DRIFT_CASES: readonly DriftCase[] = golden<{ cases: DriftCase[] }>('drift/drift.json').cases;

/** The values of a stream; the rule is in `test/golden/drift/make.py`. */
export function driftValues({ seed, segments }: DriftCase): number[] {
  const next = mulberry32(seed);
  return segments.flatMap(([count, base, scale]) =>
    Array.from({ length: count }, () => base + scale * (next() / 2 ** 32)),
  );
}
