// Normalizers compose: normalise, a layer W·x + b, sigmoid, and normalise what came out again, as PyTorch would with
// BatchNorm1d(2), Linear(2, 2), Sigmoid, BatchNorm1d(2) in training mode. npx tsx examples/two-layers.ts
import { from, map } from 'rxjs';
import { batchNorm } from 'streamnorm';

const weights = [
  [0.5, -0.25],
  [1.5, 0.75],
];
const bias = [0.1, -0.2];

const linear = map((x: number[]) => weights.map((row, i) => row.reduce((sum, w, j) => sum + w * x[j], bias[i])));
const sigmoid = map((x: number[]) => x.map((value) => 1 / (1 + Math.exp(-value))));

const samples = [
  [1, 1000],
  [2, 2000],
  [4, 1500],
  [3, 3000],
];

from(samples)
  .pipe(batchNorm({ size: 4 }), linear, sigmoid, batchNorm({ size: 4 }))
  .subscribe((row) => console.log(row.map((value) => value.toFixed(6)).join(' ')));
