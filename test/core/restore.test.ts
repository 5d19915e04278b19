import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { Frozen } from '../../src/core/frozen.ts';
import { Standardizer } from '../../src/core/standardizer.ts';
import type { Statistic } from '../../src/core/statistic.ts';
import { StreamnormError } from '../../src/errors.ts';
import { chunksOf } from '../support/batches.ts';
import { mulberry32 } from '../support/strd.ts';

/** Two features, one around 1e6; now and then a missing, infinite or late value. */
const next = mulberry32(5);
const STREAM = Array.from({ length: 1_300 }, (_, i) => {
  const missing = next() % 11 === 0 ? Number.NaN : next() % 97 === 0 ? Number.POSITIVE_INFINITY : next() / 2 ** 32;
  return { sample: [missing, 1e6 + (next() / 2 ** 32) * i], time: i * 100 - (next() % 500) };
});
const [BEFORE, AFTER] = [STREAM.slice(0, 300), STREAM.slice(300)];

describe('restored, the next 1,000 outputs are bit-identical to never having stopped', () => {
  test.each<[string, Statistic, (state: unknown) => Statistic]>([
    ['Cumulative', new Cumulative({ features: 2 }), Cumulative.from],
    ['Ewma by alpha', new Ewma({ features: 2, alpha: 0.1 }), Ewma.from],
    ['Ewma by retain', new Ewma({ features: 2, retain: 0.97 }), Ewma.from],
    ['Ewma by a count', new Ewma({ features: 2, halfLife: 7.5 }), Ewma.from],
    ['Ewma by time', new Ewma({ features: 2, halfLife: '3.3s' }), Ewma.from],
    ['Ewma, cumulative', new Ewma({ features: 2, cumulative: true }), Ewma.from],
    ['Frozen', new Frozen({ mean: [0.1, 1e6], std: [0.3, 7] }), (state) => new Frozen(state as never)],
  ])('%s', (_, statistic, from) => {
    for (const { sample, time } of BEFORE) statistic.update(sample, time);
    const restored = from(throughJson(statistic.state()));
    expect(restored.state()).toEqual(statistic.state());
    expect(outputs(restored)).toEqual(outputs(statistic));
    expect(restored.state()).toEqual(statistic.state());
  });

  test.each([
    ['alpha', { alpha: 0.1 }],
    ['retain', { retain: 0.93 }],
    ['cumulative', { cumulative: true }],
    ['debias', { alpha: 0.3, debias: true }],
    ['all options', { halfLife: 9, eps: 0.01, weight: [2, -0.1], bias: [0.3, 7], clip: 1.5, single: 'error' as const }],
    ['names', { features: ['a', 'b'] }],
    ['renorm and missing', { renorm: { rMax: 2, dMax: Number.POSITIVE_INFINITY }, missing: 'mean' as const }],
  ])('BatchNorm with %s', (_, options) => {
    const bn = new BatchNorm({ features: 2, ...options });
    for (const chunk of chunksOf(BEFORE, [7, 2, 16])) bn.learn(chunk.map(({ sample }) => sample));
    const restored = BatchNorm.from(throughJson(bn.state()));
    expect(restored.state()).toEqual(bn.state());
    for (const chunk of chunksOf(AFTER, [3, 10, 64])) {
      const samples = chunk.map(({ sample }) => sample);
      expect(restored.train(samples)).toEqual(bn.train(samples));
      expect(restored.transform(samples)).toEqual(bn.transform(samples));
    }
    expect(restored.state()).toEqual(bn.state());
  });

  test('a frozen BatchNorm comes back frozen', () => {
    const restored = BatchNorm.from(throughJson(new BatchNorm({ features: 1 }).freeze().state()));
    restored.learn([1, 3]);
    expect([restored.frozen, restored.batches]).toEqual([true, 0]);
  });
});

describe('the state is a deep copy', () => {
  test.each<[string, Statistic, (state: unknown) => Statistic]>([
    ['Cumulative', new Cumulative({ features: 2 }), Cumulative.from],
    ['Ewma', new Ewma({ features: 2, halfLife: '3s' }), Ewma.from],
  ])('%s: neither original nor restored see what the other learns', (_, statistic, from) => {
    for (const { sample, time } of BEFORE) statistic.update(sample, time);
    const state = statistic.state();
    const kept = JSON.stringify(state);
    const restored = from(state);
    restored.update([1, 2], 1e9);
    expect([JSON.stringify(statistic.state()), JSON.stringify(state)]).toEqual([kept, kept]);
    statistic.update([5, 6], 2e9);
    expect(JSON.stringify(state)).toBe(kept);
  });
});

describe('Frozen takes the numbers that the other would have normalised with', () => {
  test.each<[string, Statistic]>([
    ['Cumulative', new Cumulative({ features: 2 })],
    ['Ewma', new Ewma({ features: 2, halfLife: '3s' })],
  ])('%s', (_, statistic) => {
    for (const { sample, time } of BEFORE) statistic.update(sample, time);
    const frozen = new Frozen(throughJson(statistic.state()) as never);
    expect([[...frozen.mean], [...frozen.variance]]).toEqual([[...statistic.mean], [...statistic.variance]]);
  });

  test.each([false, true])('BatchNorm with debias %s', (debias) => {
    const bn = new BatchNorm({ features: 2, debias, eps: 0 });
    bn.learn(BEFORE.slice(0, 64).map(({ sample }) => sample));
    const frozen = new Standardizer('test', new Frozen(throughJson(bn.state()) as never), { eps: 0 });
    const z = new Float64Array(2);
    frozen.score(Float64Array.of(3, 4), z);
    const [expected] = bn.transform([[3, 4]]);
    expect(z[0]).toBeCloseTo(expected[0], 12);
    expect(z[1]).toBeCloseTo(expected[1], 12);
  });
});

describe('a state that state() cannot have written is refused, code STATE', () => {
  const cumulative = { ...new Cumulative({ features: 2 }).state() };
  const ewma = { ...new Ewma({ features: 2, alpha: 0.1 }).state() };
  const byTime = { ...new Ewma({ features: 2, halfLife: '1s' }).state() };
  const batchNorm = { ...new BatchNorm({ features: 2 }).state() };
  const named = { ...new BatchNorm({ features: ['a', 'b'] }).state() };

  test.each<[string, object, object, RegExp]>([
    [
      'another format',
      cumulative,
      { format: 'streamnorm.ewma/1' },
      /has format streamnorm.ewma\/1, expected streamnorm.cumulative\/1/,
    ],
    ['a newer version', cumulative, { format: 'streamnorm.cumulative/2' }, /a newer version wrote/],
    ['no format', cumulative, { format: undefined }, /has format undefined/],
    ['0 features', cumulative, { features: 0 }, /features must be a whole number >= 1/],
    ['more features than numbers', cumulative, { features: 2 ** 40 }, /mean must be an array of 1099511627776 numbers/],
    [
      'an infinite mean',
      cumulative,
      { mean: [0, Number.POSITIVE_INFINITY] },
      /mean must be usable means, found Infinity/,
    ],
    ['a mean too large to be squared', ewma, { mean: [0, 1e300] }, /mean must be usable means, found 1e\+300/],
    ['NaN, which JSON writes as null', ewma, { mean: [0, null] }, /mean must be usable means, found null/],
    ['a negative m2', ewma, { m2: [0, -1] }, /m2 must be >= 0, found -1/],
    ['a short vector', ewma, { weight: [0] }, /weight must be an array of 2 numbers/],
    ['alpha 0', ewma, { alpha: 0 }, /alpha must be in \(0, 1\]/],
    ['half-life 0', byTime, { halfLifeMs: 0 }, /halfLifeMs must be > 0/],
    ['a time that is text', byTime, { time: ['now', null] }, /time must be an array of 2 times or nulls/],
    ['a version that is no count', ewma, { version: 1.5 }, /version must be a whole number >= 0/],
    ['a negative variance', batchNorm, { runningVar: [1, -1] }, /runningVar must be >= 0, found -1/],
    ['no alpha', batchNorm, { alpha: undefined }, /alpha must be in \(0, 1\]/],
    ['a negative eps', batchNorm, { eps: -1 }, /eps must be >= 0/],
    [
      'an infinite weight',
      batchNorm,
      { weight: [1, Number.POSITIVE_INFINITY] },
      /weight must be finite, found Infinity/,
    ],
    ['batches that are text', batchNorm, { batches: '3' }, /batches must be a whole number >= 0/],
    ['frozen that is text', batchNorm, { frozen: 'yes' }, /frozen must be true or false/],
    ['single of another word', batchNorm, { single: 'skip' }, /single must be 'flag' or 'error'/],
    ['a clip of 0', batchNorm, { clip: 0 }, /clip must be > 0/],
    [
      'no features',
      batchNorm,
      { features: undefined },
      /features must be a whole number >= 1 or a list of different names/,
    ],
    ['the same name twice', named, { features: ['a', 'a'] }, /features must be .* a list of different names/],
    [
      'a name that is a prototype',
      named,
      { features: ['a', '__proto__'] },
      /features must be .* a list of different names/,
    ],
  ])('%s', (_, good, bad, message) => {
    const read =
      good === cumulative ? Cumulative.from : good === batchNorm || good === named ? BatchNorm.from : Ewma.from;
    expect(() => read(good)).not.toThrow();
    expectRefused(() => read({ ...good, ...bad }), message);
  });

  test.each([null, 5, 'text', []])('%j is no state', (state) => {
    for (const read of [Cumulative.from, Ewma.from, BatchNorm.from])
      expectRefused(() => read(state), /must be a JSON object/);
  });
});

function expectRefused(read: () => unknown, message: RegExp): void {
  expect(read).toThrow(StreamnormError);
  expect(read).toThrow(expect.objectContaining({ code: 'STATE', message: expect.stringMatching(message) }));
}

function throughJson(state: object): unknown {
  return JSON.parse(JSON.stringify(state));
}

function outputs(statistic: Statistic): number[][] {
  const standardizer = new Standardizer('test', statistic);
  const z = new Float64Array(2);
  return AFTER.map(({ sample, time }) => {
    const flags = standardizer.step(Float64Array.from(sample), z, time);
    return [...z, flags];
  });
}
