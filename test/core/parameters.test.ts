import { asyncScheduler } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { adwin } from '../../src/core/adwin.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Ewma, ewma } from '../../src/core/ewma.ts';
import { Frozen, frozen } from '../../src/core/frozen.ts';
import { batchBy } from '../../src/operators/batch-by.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { denormalize } from '../../src/operators/denormalize.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { type Options, TAKERS } from '../support/option-takers.ts';

interface Rule {
  takers: string[];
  good: unknown[];
  bad: unknown[];
  /** What every message about this option says besides its value. */
  says: RegExp;
}

const RATED = ['BatchNorm', 'Ewma', 'ewma', 'batchNorm', 'movingStats'];
const STANDARDIZING = ['normalize', 'normalize(frozen)'];
const READING = ['batchBy', 'batchNorm', 'batchStats', ...STANDARDIZING, 'denormalize', 'quarantine'];
const circular: Options = {};
circular.self = circular;

const RULES: Record<string, Rule> = {
  alpha: {
    takers: RATED,
    good: [1, 1e-9],
    bad: [0, -0.1, 1.5, Number.NaN, '0.1', null, true, 1n, circular],
    says: /alpha in \(0, 1\]/,
  },
  retain: {
    takers: RATED,
    good: [0, 0.999],
    bad: [1, -0.1, 2, Number.NaN, '0.9', null, []],
    says: /retain in \[0, 1\)/,
  },
  halfLife: {
    takers: RATED,
    good: [1, 0.5, 1e9],
    bad: [0, -1, Number.NaN, Number.POSITIVE_INFINITY, null, {}, '10', '-3s', '3 days'],
    says: /halfLife to be/,
  },
  cumulative: { takers: RATED, good: [true, false], bad: [1, 'yes', null], says: /cumulative to be true or absent/ },
  features: {
    takers: READING,
    good: [['a', 'b']],
    bad: [[], 3, 'a', [1], ['a', 'a'], ['__proto__']],
    says: /features? /,
  },
  eps: {
    takers: ['BatchNorm', 'batchNorm', ...STANDARDIZING, 'denormalize'],
    good: [0, 1e-3],
    bad: [-1, Number.NaN, Number.POSITIVE_INFINITY, '1'],
    says: /eps to be >= 0|eps/,
  },
  clip: {
    takers: ['BatchNorm', 'batchNorm', ...STANDARDIZING],
    good: [3, Number.POSITIVE_INFINITY],
    bad: [0, -1, Number.NaN, '3'],
    says: /clip to be > 0/,
  },
  order: {
    takers: STANDARDIZING,
    good: ['learn-then-score'],
    bad: ['learn', 1, true],
    says: /order to be one of score-then-learn, learn-then-score/,
  },
  single: {
    takers: ['BatchNorm', 'batchNorm'],
    good: ['flag', 'error'],
    bad: ['skip', 1, true],
    says: /single to be one of flag, error/,
  },
  weight: {
    takers: ['BatchNorm'],
    good: [[1, 2], Float64Array.of(1, 2), null],
    bad: [[1], [1, 2, 3], [1, Number.NaN], [1, Number.POSITIVE_INFINITY], 5, 'ab'],
    says: /weight to /,
  },
  renorm: {
    takers: ['BatchNorm', 'batchNorm'],
    good: [{}, { rMax: 1, dMax: 0 }, { rMax: Number.POSITIVE_INFINITY }],
    bad: [{ rMax: 0.5 }, { dMax: -1 }, { rMax: '3' }, { r: 3 }, 3, true, null, []],
    says: /renorm/,
  },
  missing: {
    takers: ['BatchNorm', 'batchNorm', ...STANDARDIZING],
    good: ['nan', 'error', 'dropRow', 'mean'],
    bad: ['zero', 0, true],
    says: /missing to be one of nan, error, dropRow, mean/,
  },
  untilReady: {
    takers: STANDARDIZING,
    good: ['null', 'hold', 'pass'],
    bad: ['drop', 0, null, true],
    says: /untilReady to be one of null, hold, pass, prior/,
  },
  minSamples: {
    takers: STANDARDIZING,
    good: [1, 2.5, 1e6],
    bad: [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5', null],
    says: /minSamples to be >= 1/,
  },
  maxHeld: {
    takers: ['normalize(hold)'],
    good: [1, 1e6],
    bad: [0, -1, 1.5, Number.POSITIVE_INFINITY, '9', null],
    says: /maxHeld to be a whole number >= 1/,
  },
  maxFeatures: {
    takers: ['normalize(records)'],
    good: [1, 500],
    bad: [0, -1, 1.5, Number.POSITIVE_INFINITY, '9', null, 'all'],
    says: /maxFeatures to be a whole number >= 1/,
  },
  weightOf: { takers: STANDARDIZING, good: [() => 1], bad: [5, 'w', {}], says: /weightOf to be a function/ },
  onDrift: {
    takers: ['normalize(drift)'],
    good: ['tell', 'reset', { faster: 2 }, { faster: 1.5, rows: 9 }],
    bad: ['forget', 0, null, true, {}, { faster: 1 }, { faster: 2, rows: 0 }, { slower: 3 }],
    says: /onDrift/,
  },
  drift: { takers: STANDARDIZING, good: [adwin()], bad: [5, 'adwin', {}, null], says: /drift to be a detector/ },
  tellDrift: {
    takers: ['normalize(drift)'],
    good: [() => {}],
    bad: [5, 'log', {}],
    says: /tellDrift to be a function/,
  },
  onBad: { takers: ['quarantine'], good: [() => {}], bad: [5, 'log', {}], says: /onBad to be a function/ },
  lateness: {
    takers: ['quarantine(time)'],
    good: [0, 5, '30s'],
    bad: [-5, Number.NaN, '5', {}],
    says: /lateness to be/,
  },
  maxAhead: {
    takers: ['quarantine(time)'],
    good: [0, 5, '30s'],
    bad: [-5, Number.NaN, '5', {}],
    says: /maxAhead to be/,
  },
  bias: { takers: ['BatchNorm'], good: [[1, 2], null], bad: [[1], [1, Number.NaN], 5, true], says: /bias to / },
  debias: {
    takers: ['BatchNorm', 'batchNorm', 'movingStats'],
    good: [true, false],
    bad: ['yes', 1, 0],
    says: /debias to be true or false/,
  },
  detail: {
    takers: ['batchNorm', ...STANDARDIZING],
    good: [true, false],
    bad: ['yes', 1],
    says: /detail to be true or false/,
  },
  size: {
    takers: ['batchBy', 'batchNorm'],
    good: [1, 1e6],
    bad: [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '64', null],
    says: /size to be a whole number >= 1/,
  },
  within: {
    takers: ['batchBy', 'batchNorm'],
    good: [5, '250ms', '1.5s', '5m', '2h'],
    bad: [0, -5, Number.NaN, '5', '5d', 's', {}, '600h'],
    says: /within to be/,
  },
  scheduler: {
    takers: ['batchBy', 'batchNorm', ...STANDARDIZING, 'quarantine'],
    good: [asyncScheduler],
    bad: [5, {}, 'async', { now: Date.now }],
    says: /scheduler to have now and schedule/,
  },
  timeOf: { takers: ['ewma', 'quarantine'], good: [() => 0], bad: [5, 't', {}], says: /timeOf to be a function/ },
  model: {
    takers: ['batchNorm'],
    good: [new BatchNorm({ features: 2 })],
    bad: [{}, 5, new Ewma({ features: 1 }), null],
    says: /model to be a BatchNorm/,
  },
};

const named = (taker: string) => new RegExp(`^${taker.replace(/\(.*/, '')}\\b`, 'i');

describe.each(Object.entries(RULES))('%s', (option, { takers, good, bad, says }) => {
  test.each(takers)('of %s', (taker) => {
    const { take, good: base } = TAKERS[taker];
    for (const value of good) expect(() => take({ ...base, [option]: value }), String(value)).not.toThrow();
    for (const value of bad) {
      const error = thrownBy(() => take({ ...base, [option]: value }));
      expect(error instanceof TypeError || error instanceof RangeError, `${String(error)} is a parameter error`).toBe(
        true,
      );
      expect(error.message).toMatch(named(taker));
      expect(error.message).toMatch(says);
      expect(error.message).toContain(shownValue(value));
    }
  });
});

describe.each(Object.entries(TAKERS))('%s', (taker, { take, good }) => {
  test('accepts good options', () => expect(() => take(good)).not.toThrow());

  test('throws for an option it does not have, naming those it has', () => {
    const { message } = thrownBy(() => take({ ...good, aplha: 0.1 }));
    expect(message).toMatch(named(taker));
    expect(message).toMatch(/has no option 'aplha'; it has \w+/);
    expect(message).not.toMatch(/momentum/);
  });

  test.each([5, 'fast', null])('throws for options that are %j', (options) => {
    expect(thrownBy(() => take(options as never)).message).toMatch(
      /requires options to be an object|requires features|has no option/,
    );
  });
});

describe.each(RATED)('the rate of %s', (taker) => {
  const { take, good } = TAKERS[taker];

  test('is exactly one: two throw, and both are named', () => {
    const { message } = thrownBy(() => take({ ...good, alpha: 0.1, retain: 0.9 }));
    expect(message).toMatch(named(taker));
    expect(message).toContain('takes exactly one rate, got alpha and retain');
    expect(thrownBy(() => take({ ...good, halfLife: 3, cumulative: true })).message).toContain(
      'halfLife and cumulative',
    );
  });

  test.each([0.1, 0.9, null, '0.1'])('momentum %j throws and explains both readings', (momentum) => {
    const { message } = thrownBy(() => take({ ...good, momentum }));
    const value = typeof momentum === 'string' ? `'${momentum}'` : momentum;
    expect(message).toMatch(named(taker));
    expect(message).toContain(`PyTorch's momentum ${value} weighs the new value (write alpha: ${value})`);
    expect(message).toContain(`Keras's weighs the old one (write retain: ${value})`);
  });
});

test.each(['BatchNorm', 'batchNorm', 'movingStats'])('%s counts batches: a half-life in time throws', (taker) => {
  const { take, good } = TAKERS[taker];
  expect(thrownBy(() => take({ ...good, halfLife: '30s' })).message).toMatch(/counts batches: .* got '30s'$/);
});

test.each<[string, () => unknown, RegExp]>([
  ['batchBy without a bound', () => batchBy({}), /^batchBy requires size, within or gap, else a window never closes$/],
  [
    'model beside its options',
    () => batchNorm({ model: new BatchNorm({ features: 1 }), alpha: 0.2, eps: 1 }),
    /^batchNorm takes model or alpha, eps, not both/,
  ],
  [
    'model of other features',
    () => batchNorm({ model: new BatchNorm({ features: ['a', 'b'] }), features: ['b', 'a'] }),
    /^batchNorm has a model of the features a, b/,
  ],
  [
    'features 0',
    () => new BatchNorm({ features: 0 }),
    /^BatchNorm requires features to be a whole number >= 1, got 0$/,
  ],
  ['no features', () => new BatchNorm({} as never), /^BatchNorm requires features: their number or their names$/],
  [
    'normalize by text',
    () => normalize('ewma' as never),
    /^normalize requires a statistic such as ewma\(\) or cumulative\(\), got 'ewma'$/,
  ],
  ['normalize by nothing', () => normalize(undefined as never), /^normalize requires a statistic .* got undefined$/],
  [
    'denormalize by a factory',
    () => denormalize(ewma()),
    /^denormalize requires a statistic that has numbers: .* got ewma\(\)$/,
  ],
  ['denormalize by nothing', () => denormalize(null as never), /^denormalize requires .* got null$/],
  [
    'denormalize a BatchNorm with eps',
    () => denormalize(new BatchNorm({ features: 1 }), { eps: 1 }),
    /^denormalize takes eps from the BatchNorm/,
  ],
  [
    'frozen of nothing',
    () => frozen({} as never),
    /^frozen requires \{ mean, variance \}, \{ mean, std \} or a saved state, got \{\}$/,
  ],
  [
    'frozen of different lengths',
    () => new Frozen({ mean: [1, 2], std: [1] }),
    /^frozen requires as many variances as means, at least one, got 1 and 2$/,
  ],
  [
    'frozen of a negative variance',
    () => new Frozen({ mean: [1], variance: [-2] }),
    /^frozen requires finite variances >= 0, got -2$/,
  ],
  ['frozen of a negative std', () => new Frozen({ mean: [1], std: [-2] }), /^frozen requires std >= 0, got -2$/],
  [
    'frozen of an infinite mean',
    () => new Frozen({ mean: [Number.POSITIVE_INFINITY], std: [1] }),
    /^frozen requires finite means, got Infinity$/,
  ],
])('%s throws at once', (_, call, message) => expect(call).toThrow(message));

function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  return expect.fail('nothing was thrown');
}

/** Part of how a value looks in a message. */
function shownValue(value: unknown): string {
  if (Array.isArray(value)) return value.includes('__proto__') ? '__proto__' : '';
  return typeof value === 'object' && value !== null ? '' : String(value);
}
