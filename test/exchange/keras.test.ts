import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { fromKeras, toKeras, toKerasTensors } from '../../src/exchange/keras.ts';
import { writeSafetensors } from '../../src/exchange/safetensors.ts';
import { tensorOf } from '../../src/exchange/tensor.ts';
import { expectClose } from '../support/close.ts';
import { expectRefused } from './refused.ts';
import { learned, NAMES, ROWS } from './states.ts';

const LAYER = { gamma: [2, 1], beta: [0, -1], moving_mean: [3, 10], moving_variance: [4, 0.25] };

test('a layer as JSON: momentum is retain, its defaults are 0.99 and 1e-3', () => {
  expect(fromKeras(JSON.stringify(LAYER))).toEqual({
    format: 'streamnorm.batchnorm/1',
    features: 2,
    alpha: 1 - 0.99,
    eps: 1e-3,
    runningMean: [3, 10],
    runningVar: [4, 0.25],
    batches: 0,
    samples: 0,
    weight: [2, 1],
    bias: [0, -1],
  });
});

test("its output is Keras's: gamma·(x - mean)/√(variance + 1e-3) + beta", () => {
  const bn = BatchNorm.from(fromKeras(JSON.stringify(LAYER)));
  const rows = [
    [5, 11],
    [3, 10],
  ];
  const expected = rows.map((row) =>
    row.map(
      (x, j) =>
        (LAYER.gamma[j] * (x - LAYER.moving_mean[j])) / Math.sqrt(LAYER.moving_variance[j] + 1e-3) + LAYER.beta[j],
    ),
  );
  expectClose(bn.transform(rows), expected);
});

test('a layer as safetensors', () => {
  const tensors = Object.entries(LAYER).map(
    ([key, values]) => [`model/bn/${key}`, tensorOf('F64', [2], values)] as const,
  );
  const bytes = writeSafetensors(new Map(tensors));
  expect(fromKeras(bytes)).toEqual(fromKeras(JSON.stringify(LAYER)));
  expect(fromKeras(bytes, { prefix: 'model/bn' })).toEqual(fromKeras(bytes));
  expectRefused(
    () => fromKeras(bytes, { prefix: 'bn' }),
    'moving_mean under the prefix "model/bn/", and not under "bn"',
  );
});

test('without gamma and beta; with momentum and epsilon as get_config calls them', () => {
  const text = JSON.stringify({ moving_mean: [3], moving_variance: [4], gamma: null, momentum: 0.75, epsilon: 0.5 });
  expect(fromKeras(text)).toMatchObject({ weight: null, bias: null, alpha: 0.25, eps: 0.5 });
  expect(fromKeras(text, { retain: 0.5, eps: 0 })).toMatchObject({ alpha: 0.5, eps: 0 });
});

test('batchSize turns biased variances into unbiased ones, and back', () => {
  const state = fromKeras(JSON.stringify(LAYER), { batchSize: 5 });
  expect(state.runningVar).toEqual([5, 0.3125]);
  expect(JSON.parse(toKeras(state, { batchSize: 5 })).moving_variance).toEqual([4, 0.25]);
  expect(JSON.parse(toKeras(state)).moving_variance).toEqual([5, 0.3125]);
});

test('a Keras layer that has learned the same batches has the converted variance, but for the start value', () => {
  // one batch: Keras has 0.99·1 + 0.01·biased, streamnorm 0.99·1 + 0.01·unbiased
  const column = ROWS.map(([x]) => x);
  const mean = column.reduce((sum, x) => sum + x, 0) / 5;
  const biased = column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 5;
  const bn = new BatchNorm({ features: 1, retain: 0 });
  bn.learn(column.map((x) => [x]));
  const { runningVar } = fromKeras(JSON.stringify({ moving_mean: [mean], moving_variance: [biased] }), {
    batchSize: 5,
  });
  expectClose(runningVar, bn.runningVar);
});

describe('toKeras', () => {
  const { batchNorm, cumulative } = learned();

  test('writes momentum as what weighs the old value', () => {
    expect(JSON.parse(toKeras(batchNorm))).toMatchObject({
      gamma: [2, -1, 0.5],
      beta: [0, 1, -0.25],
      momentum: 0.7,
      epsilon: 1e-5,
    });
  });

  test('comes back bit for bit', () => {
    expect(fromKeras(toKeras(batchNorm))).toEqual(batchNorm);
    expect(fromKeras(toKerasTensors(batchNorm, { prefix: 'bn/' }))).toEqual(batchNorm);
  });

  test('a momentum that somebody has changed counts', () => {
    const changed = { ...JSON.parse(toKeras(batchNorm)), momentum: 0.5, epsilon: 0.25 };
    expect(fromKeras(JSON.stringify(changed))).toEqual({ ...batchNorm, alpha: 0.5, eps: 0.25 });
  });

  test('a cumulative rate has no momentum, and comes back', () => {
    const { alpha: _, ...rest } = batchNorm as { alpha: number } & typeof batchNorm;
    const state = { ...rest, cumulative: true };
    expect(JSON.parse(toKeras(state)).momentum).toBeUndefined();
    expect(fromKeras(toKeras(state))).toEqual(state);
    const changed = { ...JSON.parse(toKeras(state)), momentum: 0.75 };
    expect(fromKeras(JSON.stringify(changed))).toEqual({ ...rest, alpha: 0.25 });
  });

  test('affine', () => {
    expect(JSON.parse(toKeras({ ...batchNorm, bias: null }))).not.toHaveProperty('beta');
    expect(JSON.parse(toKeras(batchNorm, { affine: false }))).not.toHaveProperty('gamma');
    expect(JSON.parse(toKeras(cumulative, { affine: true }))).toMatchObject({ gamma: [1, 1, 1], beta: [0, 0, 0] });
  });

  test('another state: its mean and biased variance, whatever the batch size', () => {
    const { mean, variance } = Cumulative.from(cumulative);
    const expected = { moving_mean: [...mean], moving_variance: [...variance] };
    expect(JSON.parse(toKeras(cumulative))).toEqual(expected);
    expect(JSON.parse(toKeras(cumulative, { batchSize: 2 }))).toEqual(expected);
  });
});

describe('what cannot be used is refused by the name of its field', () => {
  test.each<[string, object, string]>([
    ['no mean', { moving_mean: undefined }, '"moving_mean" must be a list of numbers'],
    ['a mean that is a number', { moving_mean: 3 }, '"moving_mean" must be a list of numbers'],
    [
      'null in a mean',
      { moving_mean: [3, null] },
      '"moving_mean"[1] must be finite, and small enough to be squared, found null',
    ],
    [
      'text in a mean',
      { moving_mean: [3, '4'] },
      '"moving_mean"[1] must be finite, and small enough to be squared, found "4"',
    ],
    ['a negative variance', { moving_variance: [4, -1] }, '"moving_variance"[1] must be finite and >= 0, found -1'],
    ['another length', { moving_variance: [4] }, '"moving_variance" has 1 values, expected 2'],
    ['a short gamma', { gamma: [1] }, '"gamma" has 1 values, expected 2'],
    ['a list in beta', { beta: [1, [2]] }, '"beta"[1] must be finite, found a value of another kind'],
    ['no features', { moving_mean: [], moving_variance: [], gamma: null, beta: null }, 'the layer has no features'],
    ['momentum 1', { momentum: 1 }, '"momentum" must be in [0, 1), found 1'],
    ['a negative epsilon', { epsilon: -1 }, '"epsilon" must be finite and >= 0, found -1'],
  ])('%s', (_, bad, message) => {
    expectRefused(() => fromKeras(JSON.stringify({ ...LAYER, ...bad })), message);
  });

  test.each<[string, string, string]>([
    ['not JSON', '{"moving_mean":', 'the Keras layer is not JSON'],
    ['NaN, which Python writes', '{"moving_mean":[NaN],"moving_variance":[1]}', 'the Keras layer is not JSON'],
    ['an overflow', '{"moving_mean":[1e999],"moving_variance":[1]}', 'found Infinity'],
    [
      'a field twice',
      '{"moving_mean":[1],"moving_variance":[1],"moving_mean":[2]}',
      'has the field "moving_mean" twice',
    ],
    ['a list', '[1]', 'the Keras layer must be a JSON object'],
  ])('%s', (_, text, message) => {
    expectRefused(() => fromKeras(text), message);
  });

  test('wrong options', () => {
    expect(() => fromKeras('{}', { momentum: 0.99 } as never)).toThrow(/two opposite meanings/);
    expect(() => toKeras(learned().frozen, { batchSize: 0 })).toThrow(/batchSize to be a whole number >= 2, got 0/);
    expect(() => fromKeras(JSON.stringify(LAYER), { features: NAMES })).toThrow(/has 2 features, expected 3/);
  });
});
