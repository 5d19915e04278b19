import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { expectClose } from '../support/close.ts';
import { golden } from '../support/golden.ts';

interface Golden {
  inputs: Record<string, { features: number; batches: number[][][]; evaluation: number[][] }>;
  cases: {
    name: string;
    input: string;
    momentum: number | null;
    eps: number;
    weight: number[] | null;
    bias: number[] | null;
    steps: { outputs: number[][]; running_mean: number[]; running_var: number[]; num_batches_tracked: number }[];
    evaluation: { outputs: number[][] };
  }[];
}

const { inputs, cases } = golden<Golden>('batchnorm.json');

describe('PyTorch BatchNorm1d', () => {
  test.each(cases.map((pytorch) => [pytorch.name, pytorch] as const))('%s', (_, pytorch) => {
    const { features, batches, evaluation } = inputs[pytorch.input];
    const { momentum, eps, weight, bias } = pytorch;
    const rate = momentum === null ? { cumulative: true } : { alpha: momentum };
    const bn = new BatchNorm({ features, ...rate, eps, weight, bias });
    pytorch.steps.forEach((step, i) => {
      expectClose(bn.train(batches[i]), step.outputs);
      expectClose(bn.runningMean, step.running_mean);
      expectClose(bn.runningVar, step.running_var);
      expect(bn.batches).toBe(step.num_batches_tracked);
    });
    expectClose(bn.transform(evaluation), pytorch.evaluation.outputs);
  });

  test('learn moves the statistics as train does', () => {
    const { features, batches } = inputs.three;
    const trained = new BatchNorm({ features });
    const learned = new BatchNorm({ features });
    for (const batch of batches) {
      trained.train(batch);
      learned.learn(batch);
    }
    expect(learned.state()).toEqual(trained.state());
  });
});

describe('the sensor recording in batches of 64', () => {
  const sensors = golden<{
    csv: string;
    features: string[];
    size: number;
    momentum: number;
    eps: number;
    rows: number;
    batches: { index: number; outputs: number[][] }[];
    running_mean: number[];
    running_var: number[];
    num_batches_tracked: number;
    sum: number[];
    sumOfSquares: number[];
    sampledRows: { every: number; outputs: number[][] };
  }>('sensors.json');
  const rows = readRows(sensors.csv, sensors.features);
  const bn = new BatchNorm({ features: sensors.features.length, alpha: sensors.momentum, eps: sensors.eps });
  const outputs: number[][] = [];
  for (let from = 0; from < rows.length; from += sensors.size) {
    outputs.push(...bn.train(rows.slice(from, from + sensors.size)));
  }

  test('running statistics and number of batches are those of PyTorch', () => {
    expect([rows.length, bn.batches]).toEqual([sensors.rows, sensors.num_batches_tracked]);
    expectClose(bn.runningMean, sensors.running_mean);
    expectClose(bn.runningVar, sensors.running_var);
  });

  // steady windows magnify the rounding of PyTorch's own mean, hence 1e-11
  test('outputs are those of PyTorch, the odd last batch included', () => {
    for (const { index, outputs: expected } of sensors.batches) {
      expectClose(outputs.slice(index * sensors.size, index * sensors.size + expected.length), expected, 1e-11);
    }
    const sampled = outputs.filter((_, i) => i % sensors.sampledRows.every === 0);
    expectClose(sampled, sensors.sampledRows.outputs, 1e-11);
  });

  test('the sum of all outputs is 0, and of their squares that of PyTorch', () => {
    sensors.sumOfSquares.forEach((squares, j) => {
      expect(Math.abs(outputs.reduce((sum, row) => sum + row[j], 0))).toBeLessThan(1e-8);
      const sum = outputs.reduce((total, row) => total + row[j] * row[j], 0);
      expectClose(sum, squares, 1e-11);
    });
  });
});

function readRows(csv: string, features: readonly string[]): number[][] {
  const lines = readFileSync(new URL(`../../${csv}`, import.meta.url), 'utf8')
    .trim()
    .split(/\r?\n/);
  const header = lines[0].split(',');
  const columns = features.map((feature) => header.indexOf(feature));
  return lines.slice(1).map((line) => {
    const fields = line.split(',');
    return columns.map((column) => Number(fields[column]));
  });
}
