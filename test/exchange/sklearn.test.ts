import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { Frozen } from '../../src/core/frozen.ts';
import { Standardizer } from '../../src/core/standardizer.ts';
import type { Statistic } from '../../src/core/statistic.ts';
import { fromSklearn, toSklearn } from '../../src/exchange/sklearn.ts';
import { expectClose } from '../support/close.ts';
import { golden } from '../support/golden.ts';
import { EXPECTED, textOfFile, type WeightedCase } from './golden-files.ts';
import { expectRefused } from './refused.ts';
import { learned, NAMES, ROWS } from './states.ts';

const SCALER = { mean_: [2, 5], var_: [0.5, 4], scale_: [Math.SQRT1_2, 2], n_samples_seen_: 4 };

describe('scalers that scikit-learn fitted', () => {
  test.each(EXPECTED.sklearn.map((scaler) => [scaler.file, scaler] as const))('%s', (_, scaler) => {
    const state = fromSklearn(textOfFile(scaler.file));
    const learns = (scaler.with_mean ?? true) && (scaler.with_std ?? true);
    expect(state.format).toBe(learns ? 'streamnorm.cumulative/1' : 'streamnorm.frozen/1');
    expectClose(scored(statisticOf(state), scaler.evaluation), scaler.outputs);
  });

  test('names and one count, or a count for each feature', () => {
    expect(fromSklearn(textOfFile('scaler.sklearn.json'))).toMatchObject({ features: NAMES, count: [23, 23, 23] });
    const missing = fromSklearn(textOfFile('scaler-missing.sklearn.json'));
    expect(missing).toMatchObject({ features: 3, count: [17, 15, 17] });
  });

  const { cases } = golden<{
    cases: {
      name: string;
      chunks: number[][][];
      states: { mean_: number[]; var_: number[]; scale_: number[]; n_samples_seen_: number | number[] }[];
      transform: { inputs: number[][]; outputs: number[][] };
    }[];
  }>('standard-scaler.json');

  test.each(cases.slice(0, 2).map((scaler) => [scaler.name, scaler] as const))(
    'goes on learning as partial_fit does: %s',
    (_, { chunks, states, transform }) => {
      const statistic = Cumulative.from(fromSklearn(JSON.stringify(states[0])));
      for (const row of chunks.slice(1).flat()) statistic.update(row);
      const exported = JSON.parse(toSklearn(statistic.state()));
      const last = states.at(-1)!;
      for (const field of ['mean_', 'var_', 'scale_'] as const) expectClose(exported[field], last[field]);
      expect(exported.n_samples_seen_).toEqual(last.n_samples_seen_);
      expectClose(scored(statistic, transform.inputs), transform.outputs);
    },
  );
});

describe('weights of samples', () => {
  const weighted = EXPECTED.sklearn.find(({ file }) => file.includes('weighted')) as WeightedCase;
  const { rows, weights, more, more_weights, evaluation, more_outputs } = weighted;
  const learnedFrom = (statistic: Cumulative, samples: number[][], w: number[]) => {
    samples.forEach((row, i) => void statistic.update(row, undefined, w[i]));
    return statistic;
  };

  test('the count of a scaler is the sum of its weights, and so is that of what toSklearn writes', () => {
    const sum = weights.reduce((a, b) => a + b);
    const theirs = JSON.parse(textOfFile(weighted.file));
    const ours = JSON.parse(toSklearn(learnedFrom(new Cumulative({ features: 3 }), rows, weights).state()));
    expectClose([theirs.n_samples_seen_, ours.n_samples_seen_], [sum, sum]);
    for (const field of ['mean_', 'var_', 'scale_'] as const) expectClose(ours[field], theirs[field]);
  });

  test('goes on learning as partial_fit does', () => {
    const statistic = Cumulative.from(fromSklearn(textOfFile(weighted.file)));
    expectClose(scored(learnedFrom(statistic, more, more_weights), evaluation), more_outputs);
  });

  test('a weighted Cumulative comes back bit for bit', () => {
    const { state } = { state: learnedFrom(new Cumulative({ features: NAMES }), rows, weights).state() };
    expect(fromSklearn(toSklearn(state))).toEqual(state);
    const light = learnedFrom(
      new Cumulative({ features: 3 }),
      rows,
      weights.map((w) => w / 1000),
    ).state();
    expect(fromSklearn(toSklearn(light))).toEqual(light);
  });

  test('a sum of weights alone says nothing of how many they were: at least two, where it has a variance', () => {
    const text = JSON.stringify({ ...SCALER, n_samples_seen_: [0.25, 3.5] });
    expect(fromSklearn(text)).toMatchObject({ count: [2, 4], weight: [0.25, 3.5], m2: [0.125, 14] });
    expect(Cumulative.from(fromSklearn(text)).nEff(1)).toBe(4);
  });
});

describe('fromSklearn', () => {
  test('m2 is the variance times the count', () => {
    expect(fromSklearn(JSON.stringify(SCALER))).toEqual({
      format: 'streamnorm.cumulative/1',
      features: 2,
      version: 4,
      count: [4, 4],
      mean: [2, 5],
      m2: [2, 16],
    });
  });

  test('a scaler that does not say what it has seen is frozen', () => {
    expect(fromSklearn(JSON.stringify({ ...SCALER, n_samples_seen_: undefined }))).toMatchObject({
      format: 'streamnorm.frozen/1',
      mean: [2, 5],
      variance: [0.5, 4],
    });
    expect(fromSklearn('{"mean_":[2],"scale_":[3]}')).toMatchObject({ variance: [9] });
  });

  test('without centring the mean is 0, without scaling the variance is 1', () => {
    expect(fromSklearn(JSON.stringify({ ...SCALER, with_mean: false }))).toMatchObject({ mean: [0, 0] });
    expect(fromSklearn(JSON.stringify({ ...SCALER, mean_: null }))).toMatchObject({ mean: [0, 0] });
    expect(fromSklearn(JSON.stringify({ ...SCALER, with_std: false }))).toMatchObject({
      mean: [2, 5],
      variance: [1, 1],
    });
    expect(fromSklearn(JSON.stringify({ ...SCALER, var_: null, scale_: null }))).toMatchObject({ variance: [1, 1] });
  });

  test('null is a feature that has seen nothing, and only that', () => {
    const text = JSON.stringify({ mean_: [2, null], var_: [1, null], scale_: [1, null], n_samples_seen_: [4, 0] });
    expect(fromSklearn(text)).toMatchObject({ count: [4, 0], mean: [2, 0], m2: [4, 0] });
    expectRefused(() => fromSklearn(JSON.stringify({ ...SCALER, mean_: [2, null] })), '"mean_"[1] must be finite');
  });

  test('features names them, or checks their number', () => {
    expect(fromSklearn(JSON.stringify(SCALER), { features: ['a', 'b'] })).toMatchObject({ features: ['a', 'b'] });
    const named = JSON.stringify({ ...SCALER, feature_names_in_: ['p', 'q'] });
    expect(fromSklearn(named, { features: 2 })).toMatchObject({ features: ['p', 'q'] });
    expect(fromSklearn(named, { features: ['a', 'b'] })).toMatchObject({ features: ['a', 'b'] });
    expectRefused(() => fromSklearn(named, { features: ['a'] }), 'the scaler has 2 features, expected 1 ("a")');
    expect(() => fromSklearn(named, { prefix: 'a' } as never)).toThrow(
      /fromSklearn has no option 'prefix'; it has features/,
    );
  });

  test.each<[string, object, string]>([
    ['a negative variance', { var_: [1, -1] }, '"var_"[1] must be finite and >= 0, found -1'],
    ['a scale of 0', { scale_: [1, 0] }, '"scale_"[1] must be finite and > 0, found 0'],
    ['another length', { var_: [1] }, '"var_" has 1 values, expected 2'],
    ['no number', { mean_: ['2', 5] }, '"mean_"[0] must be finite, and small enough to be squared, found "2"'],
    ['a mean that is a number', { mean_: 2, with_mean: true }, '"mean_" must be a list of numbers'],
    ['another n_features_in_', { n_features_in_: 3 }, '"n_features_in_" must be 2, as many as the lists have, found 3'],
    ['counts of another length', { n_samples_seen_: [4] }, '"n_samples_seen_" has 1 values, expected 2'],
    ['a negative count', { n_samples_seen_: -1 }, '"n_samples_seen_" must be a count >= 0, found -1'],
    ['names of another length', { feature_names_in_: ['a'] }, 'the state has 2 features, expected 1 ("a")'],
    ['a name twice', { feature_names_in_: ['a', 'a'] }, 'feature_names_in_ requires features to differ'],
    ['names that are numbers', { feature_names_in_: [1, 2] }, '"feature_names_in_" must be a list of names'],
    ['with_mean that is text', { with_mean: 'yes' }, '"with_mean" must be true or false'],
    ['no mean to centre by', { with_mean: true, mean_: null }, 'has with_mean, but no mean_'],
    ['nothing to scale by', { with_std: true, var_: null, scale_: null }, 'has with_std, but no var_ or scale_'],
    ['nothing at all', { mean_: null, var_: null, scale_: null }, 'has none of mean_, var_, scale_'],
    ['no features', { mean_: [], var_: [], scale_: [] }, 'must be lists of numbers, at least one'],
    ['a width without lists', { mean_: 1, var_: 1, scale_: 1, n_features_in_: 2 ** 40 }, 'must be lists of numbers'],
    ['sums that overflow', { var_: [1e308, 1] }, 'm2 must be'],
  ])('refuses %s', (_, bad, message) => {
    expectRefused(() => fromSklearn(JSON.stringify({ ...SCALER, ...bad })), message);
  });
});

describe('toSklearn', () => {
  const { batchNorm, cumulative, ewma, frozen } = learned();

  test('a Cumulative: all attributes of the scaler', () => {
    const { mean, variance } = Cumulative.from(cumulative);
    expect(JSON.parse(toSklearn(cumulative, { features: NAMES }))).toMatchObject({
      mean_: [...mean],
      var_: [...variance],
      scale_: [...variance].map(Math.sqrt),
      n_samples_seen_: 5,
      n_features_in_: 3,
      feature_names_in_: NAMES,
      with_mean: true,
      with_std: true,
    });
  });

  test('counts that differ are a list, and what has seen nothing is null', () => {
    const statistic = new Cumulative({ features: 3 });
    for (const row of [
      [1, 2, Number.NaN],
      [3, Number.NaN, Number.NaN],
    ])
      statistic.update(row);
    expect(JSON.parse(toSklearn(statistic.state()))).toMatchObject({
      mean_: [2, 2, null],
      var_: [1, 0, null],
      scale_: [1, 1, null],
      n_samples_seen_: [2, 1, 0],
    });
    expect(fromSklearn(toSklearn(statistic.state()))).toEqual(statistic.state());
  });

  test('a feature without spread has scale_ 1, as scikit-learn has it', () => {
    const statistic = new Cumulative({ features: 1 });
    for (let i = 0; i < 10; i++) statistic.update([0.1]);
    expect(JSON.parse(toSklearn(statistic.state())).scale_).toEqual([1]);
  });

  test('an Ewma counts what it is worth', () => {
    const statistic = Ewma.from(ewma);
    expect(JSON.parse(toSklearn(ewma))).toMatchObject({
      mean_: [...statistic.mean],
      var_: [...statistic.variance],
      n_samples_seen_: Math.round(statistic.nEff(0)),
    });
  });

  test('a BatchNorm: scale_ holds eps, so that the output is the same', () => {
    const plain = { ...batchNorm, weight: null, bias: null, eps: 0.5 };
    const { scale_, var_, mean_, n_samples_seen_, feature_names_in_ } = JSON.parse(toSklearn(plain));
    expect([n_samples_seen_, feature_names_in_]).toEqual([5, NAMES]);
    expect(var_).toEqual((batchNorm as { runningVar: number[] } & typeof batchNorm).runningVar);
    expectClose(
      ROWS.map((row) => row.map((x, j) => (x - mean_[j]) / scale_[j])),
      BatchNorm.from({ ...plain, features: 3 }).transform(ROWS),
    );
  });

  test('a BatchNorm that debiases: the debiased numbers', () => {
    const plain = { ...batchNorm, weight: null, bias: null, debias: true, features: 3 };
    const { scale_, mean_ } = JSON.parse(toSklearn(plain));
    expectClose(
      ROWS.map((row) => row.map((x, j) => (x - mean_[j]) / scale_[j])),
      BatchNorm.from(plain).transform(ROWS),
    );
    const empty = { ...new BatchNorm({ features: 1, debias: true }).state() };
    expect(JSON.parse(toSklearn(empty))).toMatchObject({ mean_: [null], n_samples_seen_: 0 });
  });

  test('weight and bias are refused, unless they are left out knowingly', () => {
    expectRefused(() => toSklearn(batchNorm), 'a StandardScaler has no weight and bias; affine: false leaves them out');
    expect(JSON.parse(toSklearn(batchNorm, { affine: false }))).toMatchObject({ n_samples_seen_: 5 });
    expect(() => toSklearn({ ...batchNorm, weight: [1, 1, 1], bias: null })).not.toThrow();
  });

  test('a Frozen has seen nothing that partial_fit could go on from, and comes back', () => {
    expect(JSON.parse(toSklearn(frozen))).not.toHaveProperty('n_samples_seen_');
    expect(fromSklearn(toSklearn(frozen))).toEqual(frozen);
  });

  test('a variance that somebody has changed counts', () => {
    const changed = { ...JSON.parse(toSklearn(cumulative)), var_: [1, 1, 1] };
    expect(fromSklearn(JSON.stringify(changed))).toMatchObject({ m2: [5, 5, 5] });
  });

  test('wrong options', () => {
    expectRefused(() => toSklearn(cumulative, { features: ['a'] }), 'the state has 3 features, expected 1 ("a")');
    expect(() => toSklearn(cumulative, { features: ['a', 'a', 'b'] })).toThrow(TypeError);
    expect(() => toSklearn(cumulative, { prefix: 'a' } as never)).toThrow(/toSklearn has no option 'prefix'/);
  });
});

function statisticOf(state: ReturnType<typeof fromSklearn>): Statistic {
  return state.format === 'streamnorm.cumulative/1' ? Cumulative.from(state) : new Frozen(state);
}

function scored(statistic: Statistic, rows: number[][]): number[][] {
  const standardizer = new Standardizer('test', statistic, { eps: 0 });
  return rows.map((row) => {
    const z = new Float64Array(row.length);
    standardizer.score(Float64Array.from(row), z);
    return [...z];
  });
}
