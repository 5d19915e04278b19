import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { readSafetensors, writeSafetensors } from '../../src/exchange/safetensors.ts';
import { type Tensor, tensorNumbers, tensorOf } from '../../src/exchange/tensor.ts';
import { fromTorch, toTorch } from '../../src/exchange/torch.ts';
import { expectClose } from '../support/close.ts';
import { bytesOfFile, EXPECTED } from './golden-files.ts';
import { expectRefused } from './refused.ts';
import { learned, NAMES, ROWS } from './states.ts';

describe('files that PyTorch wrote', () => {
  test.each(EXPECTED.torch.map((layer) => [`${layer.file} ${layer.prefix}`, layer] as const))('%s', (_, layer) => {
    const rate = layer.momentum === null ? { cumulative: true } : { alpha: layer.momentum };
    const state = fromTorch(bytesOfFile(layer.file), { prefix: layer.prefix, eps: layer.eps, ...rate });
    expect(state).toMatchObject({
      format: 'streamnorm.batchnorm/1',
      features: 3,
      runningMean: layer.running_mean,
      runningVar: layer.running_var,
      batches: layer.num_batches_tracked,
      weight: layer.weight,
      bias: layer.bias,
    });
    expectClose(BatchNorm.from(state).transform(layer.evaluation), layer.outputs);
  });

  test('a file with one layer needs no prefix', () => {
    const bytes = bytesOfFile('sequential.safetensors');
    expect(fromTorch(bytes)).toEqual(fromTorch(bytes, { prefix: 'bn1.' }));
    expect(fromTorch(bytes)).toEqual(fromTorch(bytes, { prefix: 'bn1' }));
  });

  test('the defaults are those of PyTorch: alpha 0.1, eps 1e-5', () => {
    expect(fromTorch(bytesOfFile('plain.safetensors'))).toMatchObject({
      alpha: 0.1,
      eps: 1e-5,
      batches: 3,
      samples: 3,
    });
  });

  test('debias works on it: k is num_batches_tracked', () => {
    const { runningMean, runningVar, ...state } = fromTorch(bytesOfFile('plain.safetensors'), { alpha: 0.5 });
    const bn = BatchNorm.from({ ...state, runningMean, runningVar, eps: 0, debias: true });
    const start = 0.5 ** 3;
    const expected = ROWS[0].map(
      (x, j) => (x - runningMean[j] / (1 - start)) / Math.sqrt((runningVar[j] - start) / (1 - start)),
    );
    expectClose(bn.transform([ROWS[0]])[0], expected);
  });
});

describe('options', () => {
  const bytes = bytesOfFile('plain.safetensors');

  test('features gives names, or checks their number', () => {
    expect(fromTorch(bytes, { features: NAMES }).features).toEqual(NAMES);
    expect(fromTorch(bytes, { features: 3 }).features).toBe(3);
    expectRefused(() => fromTorch(bytes, { features: 2 }), 'the layer has 3 features, expected 2');
    expectRefused(() => fromTorch(bytes, { features: ['a', 'b'] }), 'has 3 features, expected 2 ("a", "b")');
  });

  test('a rate in each spelling', () => {
    expect(fromTorch(bytes, { retain: 0.75 }).alpha).toBe(0.25);
    expect(fromTorch(bytes, { halfLife: 1 }).alpha).toBe(0.5);
    expect(fromTorch(bytes, { cumulative: true })).toMatchObject({ cumulative: true });
    expect(fromTorch(bytes, { cumulative: true }).alpha).toBeUndefined();
  });

  test('batchSize counts the samples', () => {
    expect(fromTorch(bytes, { batchSize: 16 }).samples).toBe(48);
  });

  test.each<[string, object, RegExp]>([
    ['momentum', { momentum: 0.1 }, /fromTorch has no option 'momentum', since it has two opposite meanings/],
    ['two rates', { alpha: 0.1, retain: 0.9 }, /takes exactly one rate/],
    ['a typo', { Prefix: 'a' }, /fromTorch has no option 'Prefix'; it has prefix, features/],
    ['a negative eps', { eps: -1 }, /eps to be >= 0/],
    ['a rate by time', { halfLife: '3s' }, /halfLife to be a number/],
    ['a batch of one', { batchSize: 1 }, /batchSize to be a whole number >= 2, got 1/],
    ['a prefix that is no text', { prefix: 3 }, /prefix to be a text, got 3/],
    ['names twice', { features: ['a', 'a', 'b'] }, /features to differ/],
  ])('%s is wrong at once', (_, options, message) => {
    expect(() => fromTorch(new Uint8Array(0), options)).toThrow(message);
  });
});

describe('what cannot be used is refused by the name of its tensor', () => {
  const good: Record<string, Tensor> = {
    'bn.running_mean': tensorOf('F64', [2], [0, 1]),
    'bn.running_var': tensorOf('F64', [2], [1, 0]),
    'bn.num_batches_tracked': tensorOf('I64', [], [3]),
    'bn.weight': tensorOf('F64', [2], [1, 2]),
    'bn.bias': tensorOf('F64', [2], [0, 0]),
  };
  const vector = (...values: number[]) => tensorOf('F64', [values.length], values);
  const read = (bad: Record<string, Tensor | undefined>) => {
    const tensors = Object.entries({ ...good, ...bad }).filter(
      (entry): entry is [string, Tensor] => entry[1] !== undefined,
    );
    return fromTorch(writeSafetensors(new Map(tensors)));
  };

  test('the good one is not', () => {
    expect(read({})).toMatchObject({ runningMean: [0, 1], runningVar: [1, 0], batches: 3, samples: 3 });
  });

  test.each<[string, Record<string, Tensor | undefined>, string]>([
    ['NaN', { 'bn.running_mean': vector(0, Number.NaN) }, '"bn.running_mean"[1] must be finite'],
    [
      'infinity',
      { 'bn.running_var': vector(Infinity, 1) },
      '"bn.running_var"[0] must be finite and >= 0, found Infinity',
    ],
    [
      'a negative variance',
      { 'bn.running_var': vector(1, -0.5) },
      '"bn.running_var"[1] must be finite and >= 0, found -0.5',
    ],
    [
      'a mean too large to be squared',
      { 'bn.running_mean': vector(1e300, 0) },
      'small enough to be squared, found 1e+300',
    ],
    ['an infinite weight', { 'bn.weight': vector(1, -Infinity) }, '"bn.weight"[1] must be finite, found -Infinity'],
    ['NaN as a bias', { 'bn.bias': vector(Number.NaN, 1) }, '"bn.bias"[0] must be finite, found NaN'],
    ['another length', { 'bn.running_var': vector(1, 1, 1) }, '"bn.running_var" has 3 values, expected 2'],
    ['a weight of another length', { 'bn.weight': vector(1) }, '"bn.weight" has 1 values, expected 2'],
    [
      'a matrix',
      { 'bn.running_mean': tensorOf('F64', [1, 2], [0, 1]) },
      '"bn.running_mean" must have 1 dimension, it has 2',
    ],
    ['no variance', { 'bn.running_var': undefined }, 'the file has no tensor "bn.running_var"'],
    ['no mean', { 'bn.running_mean': undefined }, 'the file has no tensor running_mean; it has "bn.running_var"'],
    [
      'negative batches',
      { 'bn.num_batches_tracked': tensorOf('I64', [], [-1]) },
      'must be a whole number >= 0, found -1',
    ],
    [
      'half a batch',
      { 'bn.num_batches_tracked': tensorOf('F64', [], [0.5]) },
      'must be a whole number >= 0, found 0.5',
    ],
    ['two counts', { 'bn.num_batches_tracked': tensorOf('I64', [2], [1, 2]) }, 'must be one number, it has 2'],
    [
      'a type that is no number',
      { 'bn.bias': { dtype: 'BOOL', shape: [2], data: new Uint8Array(2) } },
      '"bn.bias" has dtype BOOL',
    ],
    [
      'no features',
      { 'bn.running_mean': vector(), 'bn.running_var': vector(), 'bn.weight': vector(), 'bn.bias': vector() },
      'no features',
    ],
  ])('%s', (_, bad, message) => {
    expectRefused(() => read(bad), message);
  });

  test('several layers and no prefix: the error lists them', () => {
    const bytes = bytesOfFile('two-norms.safetensors');
    expectRefused(() => fromTorch(bytes), 'running_mean under the prefixes "0.", "3.": prefix must say which');
    expectRefused(() => fromTorch(bytes, { prefix: 'bn9.' }), 'under the prefixes "0.", "3.", and not under "bn9."');
  });

  test('without num_batches_tracked, as PyTorch before 0.4.1 wrote, batches are 0', () => {
    expect(read({ 'bn.num_batches_tracked': undefined })).toMatchObject({ batches: 0, samples: 0 });
  });

  test('a tensor whose name only ends alike is no layer', () => {
    expect(read({ 'bn.my_running_mean': vector(1) }).features).toBe(2);
  });
});

describe('toTorch', () => {
  const { batchNorm, cumulative, ewma, frozen } = learned();
  const numbers = (bytes: Uint8Array) =>
    Object.fromEntries([...readSafetensors(bytes).tensors].map(([name, t]) => [name, [...tensorNumbers(t, name)]]));

  test('writes the keys of load_state_dict, num_batches_tracked as I64 of shape []', () => {
    const bytes = toTorch(batchNorm, { prefix: 'bn1.' });
    const { tensors, metadata } = readSafetensors(bytes);
    expect([...tensors.keys()].sort()).toEqual(
      ['bias', 'num_batches_tracked', 'running_mean', 'running_var', 'weight'].map((key) => `bn1.${key}`),
    );
    expect(tensors.get('bn1.num_batches_tracked')).toMatchObject({ dtype: 'I64', shape: [] });
    expect(metadata.get('format')).toBe('pt');
  });

  test('what PyTorch has no tensor for comes back from the metadata', () => {
    const state = { ...batchNorm, clip: 3, debias: true, single: 'error', varianceBatches: [2, 1, 2] };
    expect(fromTorch(toTorch(state, { prefix: 'a.b.' }))).toEqual(state);
  });

  test('options go before the metadata', () => {
    const bytes = toTorch(batchNorm);
    expect(fromTorch(bytes, { alpha: 0.5, eps: 0, features: ['a', 'b', 'c'], batchSize: 8 })).toEqual({
      ...batchNorm,
      alpha: 0.5,
      eps: 0,
      features: ['a', 'b', 'c'],
      samples: 16,
    });
    expect(fromTorch(bytes, { cumulative: true }).alpha).toBeUndefined();
    expect(fromTorch(bytes, { features: 3 }).features).toEqual(NAMES);
  });

  test('counts of the metadata hold only while the batches are the same', () => {
    const { tensors, metadata } = readSafetensors(toTorch(batchNorm));
    const later = new Map(tensors).set('num_batches_tracked', tensorOf('I64', [], [7]));
    expect(fromTorch(writeSafetensors(later, Object.fromEntries(metadata)))).toMatchObject({
      batches: 7,
      samples: 7,
      alpha: 0.3,
      features: NAMES,
    });
  });

  test('metadata of another layer do not count', () => {
    const { tensors, metadata } = readSafetensors(toTorch(batchNorm, { prefix: 'a.' }));
    const renamed = new Map([...tensors].map(([name, tensor]) => [name.replace('a.', 'b.'), tensor]));
    expect(fromTorch(writeSafetensors(renamed, Object.fromEntries(metadata)))).toMatchObject({
      features: 3,
      alpha: 0.1,
    });
  });

  test.each<[string, string, string]>([
    ['text', 'no JSON', '"streamnorm" is not JSON'],
    ['a list', '[]', '"streamnorm" must be a JSON object'],
    ['another alpha', '{"alpha":7}', 'alpha must be in (0, 1]'],
    ['another width', '{"features":["a"]}', '"streamnorm" was written for other features than the 3 of the layer'],
    ['a width of another kind', '{"features":{"length":3}}', 'was written for other features'],
    ['names that are numbers', '{"features":[1,2,3]}', 'features must be'],
    ['__proto__ as a name', '{"features":["a","b","__proto__"]}', 'features must be'],
    ['cumulative that is text', '{"cumulative":"yes"}', 'cumulative must be true or false'],
  ])('metadata that are %s are refused', (_, text, message) => {
    const { tensors } = readSafetensors(toTorch(batchNorm));
    expectRefused(() => fromTorch(writeSafetensors(tensors, { streamnorm: text })), message);
  });

  test('affine', () => {
    const state = { ...batchNorm, bias: null };
    expect(numbers(toTorch(state))).toMatchObject({ weight: [2, -1, 0.5], bias: [0, 0, 0] });
    expect(fromTorch(toTorch(state))).toEqual(state);
    expect(numbers(toTorch(state, { affine: false }))).not.toHaveProperty('weight');
    expect(numbers(toTorch(frozen, { affine: true }))).toMatchObject({ weight: [1, 1, 1], bias: [0, 0, 0] });
  });

  test('F32 rounds, and refuses what it cannot hold', () => {
    const bytes = toTorch({ ...batchNorm, runningMean: [0.1, 0, 0] }, { dtype: 'F32' });
    expect(fromTorch(bytes).runningMean[0]).toBe(Math.fround(0.1));
    expectRefused(
      () => toTorch({ ...batchNorm, runningMean: [1e39, 0, 0] }, { dtype: 'F32' }),
      'running_mean holds 1e+39',
    );
  });

  test('other states: the mean and biased variance that they normalise with, and their updates', () => {
    expect(numbers(toTorch(cumulative))).toEqual({
      running_mean: [...Cumulative.from(cumulative).mean],
      running_var: [...Cumulative.from(cumulative).variance],
      num_batches_tracked: [5],
    });
    expect(numbers(toTorch(frozen))).toEqual({
      running_mean: [1, 2, 3],
      running_var: [4, 0.25, 9],
      num_batches_tracked: [0],
    });
    expect(numbers(toTorch(ewma)).num_batches_tracked).toEqual([5]);
  });

  test("a feature that has seen nothing has PyTorch's start values", () => {
    const empty = { format: 'streamnorm.cumulative/1', features: 1, version: 0, count: [0], mean: [0], m2: [0] };
    expect(numbers(toTorch(empty))).toEqual({ running_mean: [0], running_var: [1], num_batches_tracked: [0] });
  });

  test('a state that cannot be, and wrong options', () => {
    expectRefused(() => toTorch({ ...batchNorm, runningVar: [1, -1, 1] }), 'runningVar must be >= 0');
    expectRefused(() => toTorch(null), 'a state must be a JSON object');
    expect(() => toTorch(batchNorm, { dtype: 'F16' as never })).toThrow(/dtype to be one of F64, F32, got 'F16'/);
    expect(() => toTorch(batchNorm, { eps: 1 } as never)).toThrow(/toTorch has no option 'eps'/);
  });
});
