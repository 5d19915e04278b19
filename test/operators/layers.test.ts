import { from, map, type OperatorFunction, tap } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { expectClose } from '../support/close.ts';
import { collected } from '../support/collected.ts';
import { golden } from '../support/golden.ts';

// Normalise, W·x + b, sigmoid, normalise again: two normalizers in one pipe, against the same layers in PyTorch.

interface Stages {
  inputs: number[][];
  normalized: number[][];
  linear: number[][];
  activated: number[][];
  outputs: number[][];
}

interface Running {
  running_mean: number[];
  running_var: number[];
  num_batches_tracked: number;
}

const network = golden<{
  momentum: number;
  eps: number;
  steps: (Stages & { first: Running; second: Running })[];
  evaluation: Stages;
}>('layers.json');
// `weight` and `bias` are matrices here, so read beside the typed rest
const { weight, bias } = golden<{ weight: number[][]; bias: number[] }>('layers.json');

const linear = map((x: number[]) => weight.map((row, i) => row.reduce((sum, w, j) => sum + w * x[j], bias[i])));
const sigmoid = map((x: number[]) => x.map((value) => 1 / (1 + Math.exp(-value))));

describe('normalise → W·x + b → sigmoid → normalise again', () => {
  const size = network.steps[0].inputs.length;
  const options = { alpha: network.momentum, eps: network.eps };
  const first = new BatchNorm({ features: 4, ...options });
  const second = new BatchNorm({ features: 3, ...options });
  const running: { first: BatchNorm; second: BatchNorm }[] = [];
  const seen: Record<'normalized' | 'linear' | 'activated', number[][]> = { normalized: [], linear: [], activated: [] };
  const note = (stage: keyof typeof seen) => tap((row: number[]) => seen[stage].push(row));
  const rows = network.steps.flatMap(({ inputs }) => inputs);
  const outputs = collected(
    from(rows).pipe(
      batchNorm({ size, model: first }),
      note('normalized'),
      linear,
      note('linear'),
      sigmoid,
      note('activated'),
      batchNorm({ size, model: second }),
      tap(() => {
        const after = { first: BatchNorm.from(first.state()), second: BatchNorm.from(second.state()) };
        running[second.batches - 1] ??= after;
      }),
    ),
  );

  test.each(network.steps.map((_, i) => i))('batch %i, every stage', (i) => {
    const step = network.steps[i];
    const rowsOf = (all: number[][]) => all.slice(i * size, (i + 1) * size);
    expectClose(rowsOf(seen.normalized), step.normalized);
    expectClose(rowsOf(seen.linear), step.linear);
    expectClose(rowsOf(seen.activated), step.activated);
    expectClose(rowsOf(outputs), step.outputs);
  });

  test.each(network.steps.map((_, i) => i))('running statistics of both layers after batch %i', (i) => {
    expectRunning(running[i].first, network.steps[i].first);
    expectRunning(running[i].second, network.steps[i].second);
  });

  test('then each row at once, by the running statistics', () => {
    const evaluation = network.evaluation;
    const eachAlone = (bn: BatchNorm): OperatorFunction<number[], number[]> => map((row) => bn.transform([row])[0]);
    const normalized = collected(from(evaluation.inputs).pipe(eachAlone(first)));
    expectClose(normalized, evaluation.normalized);
    expectClose(collected(from(normalized).pipe(linear, sigmoid, eachAlone(second))), evaluation.outputs);
  });
});

function expectRunning(bn: BatchNorm, pytorch: Running): void {
  expectClose(bn.runningMean, pytorch.running_mean);
  expectClose(bn.runningVar, pytorch.running_var);
  expect(bn.batches).toBe(pytorch.num_batches_tracked);
}
