import { readFileSync } from 'node:fs';

const folder = new URL('../golden/exchange/', import.meta.url);

interface Evaluated {
  file: string;
  evaluation: number[][];
  outputs: number[][];
}

export interface TorchCase extends Evaluated {
  prefix: string;
  momentum: number | null;
  eps: number;
  running_mean: number[];
  running_var: number[];
  num_batches_tracked: number;
  weight: number[] | null;
  bias: number[] | null;
}

export interface SklearnCase extends Evaluated {
  with_mean?: boolean;
  with_std?: boolean;
}

/** Of a scaler that learned weighted samples: which, and what it says after more of them. */
export interface WeightedCase extends SklearnCase {
  rows: number[][];
  weights: number[];
  more: number[][];
  more_weights: number[];
  more_outputs: number[][];
}

/** What PyTorch and scikit-learn make of the files of test/golden/exchange. */
export const EXPECTED: { torch: TorchCase[]; sklearn: SklearnCase[] } = JSON.parse(
  readFileSync(new URL('expected.json', folder), 'utf8'),
);

export function bytesOfFile(name: string): Uint8Array {
  return readFileSync(new URL(name, folder));
}

export function textOfFile(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8');
}
