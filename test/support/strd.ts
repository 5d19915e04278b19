import { golden } from './golden.ts';

type Data =
  | { kind: 'values'; values: number[] }
  | { kind: 'cycle'; lead: number[]; cycle: number[]; repeats: number }
  | { kind: 'noise'; seed: number; count: number; base: number; scale: number; shift: number }
  | { kind: 'cancelling'; seed: number; count: number; scale: number; order: 'pairs' | 'halves' };

export interface StrdCase {
  name: string;
  count: number;
  data: Data;
  head: number[];
  last: number;
  min: number;
  max: number;
  mean: number;
  biasedVariance: number;
  unbiasedVariance: number;
}

export const STRD_CASES: readonly StrdCase[] = golden<{ cases: StrdCase[] }>('strd.json').cases;

/** The values that a case describes; the rules are in the file's `about`. */
export function strdValues(data: Data): number[] {
  switch (data.kind) {
    case 'values':
      return data.values;
    case 'cycle':
      return [...data.lead, ...Array.from({ length: data.repeats }, () => data.cycle).flat()];
    case 'noise': {
      const next = mulberry32(data.seed);
      return Array.from({ length: data.count }, () => data.base + data.scale * ((next() >>> 12) + data.shift));
    }
    case 'cancelling': {
      const next = mulberry32(data.seed);
      const pairs = Array.from({ length: data.count / 2 }, () => {
        const large = next();
        return [large, -large + data.scale * (next() >>> 12)];
      });
      return data.order === 'pairs' ? pairs.flat() : [...pairs.map(([x]) => x), ...pairs.map(([, x]) => x)];
    }
  }
}

/** The public-domain generator of that name: unsigned 32-bit integers. */
export function mulberry32(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}
