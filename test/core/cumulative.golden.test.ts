import { describe, expect, test } from 'vitest';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Standardizer } from '../../src/core/standardizer.ts';
import { rowsOf } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';
import { golden } from '../support/golden.ts';

interface ScalerState {
  mean_: number[];
  var_: number[];
  scale_: number[];
  n_samples_seen_: number | number[];
}

const { cases } = golden<{
  cases: {
    name: string;
    chunks: number[][][];
    states: ScalerState[];
    transform: { inputs: number[][]; outputs: number[][] };
  }[];
}>('standard-scaler.json');

/** Two roundings of the mean, relative to it. */
const ROUNDING = 2 * Number.EPSILON;

describe.each(cases.map((scaler) => [scaler.name, scaler] as const))('scikit-learn StandardScaler: %s', (_, scaler) => {
  const features = scaler.states[0].mean_.length;

  test('partial_fit, batch by batch', () => {
    const cumulative = new Cumulative({ features });
    const summary = new BatchSummary(features);
    scaler.chunks.forEach((chunk, i) => {
      cumulative.updateBatch(summary.of(rowsOf(chunk, features)));
      expectState(cumulative, scaler.states[i]);
    });
  });

  // each sample rounds the mean once, which a spread of 1e-12 of the mean can see
  test('partial_fit, sample by sample', () => {
    const cumulative = new Cumulative({ features });
    scaler.chunks.forEach((chunk, i) => {
      for (const sample of chunk) cumulative.update(sample);
      expectState(cumulative, scaler.states[i], ROUNDING);
    });
  });

  test('transform, where scikit-learn gives x - mean for a constant feature and we give 0', () => {
    const cumulative = new Cumulative({ features });
    const summary = new BatchSummary(features);
    for (const chunk of scaler.chunks) cumulative.updateBatch(summary.of(rowsOf(chunk, features)));
    const standardizer = new Standardizer('test', cumulative, { eps: 0 });
    const { scale_, var_ } = scaler.states.at(-1)!;
    const constant = scale_.map((scale, j) => scale === 1 && var_[j] < 1e-12);
    scaler.transform.inputs.forEach((sample, row) => {
      const z = new Float64Array(features);
      standardizer.score(Float64Array.from(sample), z);
      const expected = scaler.transform.outputs[row].map((y, j) => (constant[j] && !Number.isNaN(y) ? 0 : y));
      expectClose(z, expected);
    });
  });

  function expectState(cumulative: Cumulative, state: ScalerState, roundings = 0): void {
    const { mean_, var_, n_samples_seen_ } = state;
    expectClose(cumulative.mean, mean_);
    const counts = typeof n_samples_seen_ === 'number' ? mean_.map(() => n_samples_seen_) : n_samples_seen_;
    expect([...cumulative.count]).toEqual(counts);
    var_.forEach((variance, j) => {
      // the rounding noise that scikit-learn itself takes for constant
      const noise = (counts[j] * Number.EPSILON * mean_[j]) ** 2;
      const shift = roundings * Math.abs(mean_[j]) * Math.sqrt(variance);
      const tolerance = 1e-12 * variance + noise + shift;
      expect(Math.abs(cumulative.variance[j] - variance), `variance of column ${j}`).toBeLessThanOrEqual(tolerance);
    });
  }
});
