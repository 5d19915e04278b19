import { describe, expect, test } from 'vitest';
import { METHOD_NAMES, METHOD_OPTIONS, METHODS, type Method, type OptionName } from '../../src/core/methods.ts';
import { StreamnormError } from '../../src/errors.ts';
import { DEFAULT_LIMITS } from '../../src/server/config/limits.ts';
import { parseConfig } from '../../src/server/config.ts';

function errorsOf(input: unknown): string[] {
  try {
    parseConfig(input);
  } catch (error) {
    expect(error).toBeInstanceOf(StreamnormError);
    expect((error as StreamnormError).code).toBe('CONFIG');
    const [title, ...lines] = (error as Error).message.split('\n');
    expect(title).toBe(`the config has ${lines.length} error${lines.length === 1 ? '' : 's'}:`);
    return lines.map((line) => line.trim());
  }
  throw new Error('the config was taken');
}

/** The errors of one channel, without its path. */
function channelErrors(channel: object): string[] {
  return errorsOf({ channels: { c: { features: ['x', 'y'], ...channel } } }).map((line) =>
    line.replace(/^channels\.c[:.]\s*/, ''),
  );
}

test('a config of a channel and its features takes defaults for all else', () => {
  const config = parseConfig({ channels: { btc: { features: ['bid', 'ask'] } } });
  expect(config).toEqual({
    listen: { host: '127.0.0.1', port: 8080, insecure: false, origins: [], trustedProxies: [] },
    auth: undefined,
    state: undefined,
    limits: DEFAULT_LIMITS,
    log: { level: 'info' },
    channels: new Map([
      [
        'btc',
        {
          ...{ features: ['bid', 'ask'], method: 'batch', options: {} },
          ...{ time: undefined, history: 10_000 },
        },
      ],
    ]),
  });
});

describe('a method that needs an option', () => {
  test('is refused without it', () => {
    expect(channelErrors({ method: 'rolling', clip: 2 })).toEqual([expect.stringContaining('requires last')]);
    expect(channelErrors({ method: 'rolling', last: 1 })).toEqual([expect.stringMatching(/^last: .*requires last/)]);
  });

  test('is judged with it in all others', () => {
    const lines = channelErrors({ method: 'rolling', last: 10, clip: -1, eps: -1 });
    expect(lines.map((line) => line.split(':')[0])).toEqual(['eps', 'clip']);
    const channel = { features: ['x'], method: 'rolling', last: '5s', maxSamples: 100, clip: 3 } as const;
    expect(parseConfig({ channels: { c: channel } }).channels.get('c')?.options).toMatchObject({ last: '5s', clip: 3 });
  });
});

test('a config from a JSON file is read whole', () => {
  const file = `{
    "listen": { "host": "0.0.0.0", "port": 9000, "insecure": true, "origins": ["https://example.com"] },
    "state": { "dir": "/var/lib/streamnorm", "every": "30s" },
    "limits": { "maxConnections": 5 },
    "channels": {
      "batches": { "features": ["x"], "size": 16, "within": "250ms", "retain": 0.99, "eps": 1e-3, "time": "at", "history": 5 },
      "at-once": { "features": ["x"], "method": "ewma", "halfLife": "5m", "clip": 8, "order": "learn-then-score" },
      "given": { "features": ["x"], "method": "frozen", "mean": [10], "std": [2] }
    }
  }`;
  const { listen, state, limits, channels } = parseConfig(JSON.parse(file));
  expect(listen).toEqual({
    host: '0.0.0.0',
    port: 9000,
    insecure: true,
    origins: ['https://example.com'],
    trustedProxies: [],
  });
  expect(state).toEqual({ dir: '/var/lib/streamnorm', everyMs: 30_000 });
  expect(limits).toEqual({ ...DEFAULT_LIMITS, maxConnections: 5 });
  expect(Object.fromEntries(channels)).toEqual({
    batches: {
      ...{ features: ['x'], method: 'batch', options: { size: 16, within: '250ms', retain: 0.99, eps: 1e-3 } },
      ...{ time: 'at', history: 5 },
    },
    'at-once': {
      ...{ features: ['x'], method: 'ewma', options: { halfLife: '5m', clip: 8, order: 'learn-then-score' } },
      ...{ time: undefined, history: 10_000 },
    },
    given: {
      ...{ features: ['x'], method: 'frozen', options: { mean: [10], std: [2] } },
      ...{ time: undefined, history: 10_000 },
    },
  });
});

test('every error is listed at once with its path, those of the schema and those of the numbers', () => {
  const lines = errorsOf({
    port: 1,
    listen: { port: 70_000, host: '0.0.0.0' },
    state: { dir: '', every: '5 apples' },
    limits: { maxConnections: 0, maxMesageBytes: 1 },
    channels: {
      'no spaces': { features: ['x'] },
      a: { features: ['x', 'x'], alpha: 7, history: -1 },
      b: { features: [], size: 0, clip: -1 },
      c: { features: ['x'], method: 'median' },
      d: { features: ['x'], alpha: 0.1, retain: 0.9 },
      e: { features: ['x', 'y'], weight: [1], colour: 'red' },
      f: { features: ['x'], method: 'ewma', within: '1s', size: 8 },
      g: 5,
    },
  });
  const paths = lines.map((line) => line.slice(0, line.indexOf(':')));
  expect(paths.toSorted()).toEqual(
    [
      ...['config', 'listen.port', 'listen', 'state.dir', 'state.every', 'limits.maxConnections', 'limits'],
      ...['channels.no spaces', 'channels.a.features', 'channels.a.alpha', 'channels.a.history'],
      ...['channels.b.features', 'channels.b.size', 'channels.b.clip', 'channels.c.method', 'channels.d'],
      ...['channels.e.weight', 'channels.e', 'channels.f.within', 'channels.f.size', 'channels.g'],
    ].toSorted(),
  );
  expect(lines).toContain('channels.a.alpha: BatchNorm requires alpha in (0, 1], got 7');
  expect(lines).toContain('channels.d: BatchNorm takes exactly one rate, got alpha and retain');
  expect(lines).toContain('channels.e.weight: BatchNorm requires weight to have 2 values, got 1');
  expect(lines.join()).toContain("channels.f.within: method ewma has no option 'within'; it has alpha");
  expect(lines.join()).toContain('"maxMesageBytes"');
  expect(lines.join()).toContain('"colour"');
});

test('momentum is refused with both its readings, wherever there is a rate', () => {
  for (const method of ['batch', 'ewma']) {
    const [line, ...more] = channelErrors({ method, momentum: 0.9 });
    expect(more).toEqual([]);
    expect(line).toContain('momentum: ');
    expect(line).toContain("PyTorch's momentum 0.9 weighs the new value (write alpha: 0.9)");
    expect(line).toContain("Keras's weighs the old one (write retain: 0.9)");
  }
});

test('momentum is unknown where there is no rate', () => {
  expect(channelErrors({ method: 'cumulative', momentum: 0.9 })).toEqual([
    "momentum: method cumulative has no option 'momentum'; it has eps, clip, order, weight, bias, missing, untilReady, prior, minSamples, quarantine, range, required, lateness, maxAhead, drift, driftDelta, driftThreshold, onDrift",
  ]);
});

describe('a channel is refused', () => {
  test.each<[string, object, string]>([
    [
      'with an option of another method',
      { method: 'cumulative', alpha: 0.1 },
      "alpha: method cumulative has no option 'alpha'",
    ],
    [
      'with a window beyond memory',
      { size: 1e9 },
      'size: batch requires size <= 8388608 with 2 features, got 1000000000',
    ],
    ['with a half-life in time where batches count', { halfLife: '5s' }, 'halfLife: BatchNorm counts batches'],
    ['that would refuse a lone row of a live feed', { single: 'error' }, 'single: a live feed cannot refuse'],
    ['with a feature called __proto__', { features: ['__proto__'] }, 'features.0: cannot be __proto__'],
    ['frozen without numbers', { method: 'frozen' }, 'frozen requires mean and variance or std'],
    [
      'frozen with numbers for other features',
      { method: 'frozen', mean: [1], std: [1] },
      'frozen has 1 features, expected 2',
    ],
    [
      'with a window that no timer can wait for',
      { within: '1000h' },
      'within: batch requires within to be at most 24 days',
    ],
    ['with a within that is no time', { within: true }, "within: must be a number of ms or a text such as '250ms'"],
  ])('%s', (_, channel, expected) => {
    expect(channelErrors(channel)[0]).toContain(expected);
  });
});

test('no channel, and no config at all, are errors', () => {
  expect(errorsOf({ channels: {} })).toEqual(['channels: at least one channel is required']);
  for (const input of [undefined, null, 5, 'x', []]) expect(errorsOf(input)[0]).toMatch(/^config: /);
  expect(errorsOf({ channels: [] })[0]).toMatch(/^channels: /);
});

test('a channel is refused for a name that could lead out of the state directory or pollute', () => {
  for (const name of ['..', '../x', '.hidden', 'a/b', '', 'ü', 'x'.repeat(65), '-x']) {
    expect(errorsOf({ channels: { [name]: { features: ['x'] } } })[0]).toContain(`channels.${name}: a name has`);
  }
  const polluting = JSON.parse('{"channels": {"__proto__": {"features": ["x"]}}}');
  expect(errorsOf(polluting)[0]).toContain('channels.__proto__: a name has');
  expect(
    parseConfig({ channels: { constructor: { features: ['toString'] } } }).channels.get('constructor'),
  ).toBeDefined();
});

test('a host that others can reach needs auth or insecure', () => {
  const channels = { c: { features: ['x'] } };
  for (const host of ['0.0.0.0', '::', '192.168.1.1', 'example.com']) {
    expect(errorsOf({ listen: { host }, channels })).toEqual([expect.stringMatching(/^listen: .*--insecure/)]);
    expect(parseConfig({ listen: { host, insecure: true }, channels }).listen.host).toBe(host);
    const auth = { tokens: [{ name: 'a', token: { env: 'A' }, out: ['*'] }] };
    expect(parseConfig({ listen: { host }, auth, channels }).listen.host).toBe(host);
  }
  for (const host of ['127.0.0.1', '::1', 'localhost'])
    expect(parseConfig({ listen: { host }, channels })).toBeTruthy();
});

test('a wrong option of the detectors is named, and one without a detector', () => {
  const channel = { features: ['x'], method: 'ewma', drift: 'adwin', driftDelta: 3, onDrift: 'reset' };
  expect(errorsOf({ channels: { c: channel } })).toEqual([
    'channels.c.driftDelta: ewma requires driftDelta in (0, 1), got 3',
  ]);
  const alone = { features: ['x'], method: 'rolling', last: 9, onDrift: 'reset' };
  expect(errorsOf({ channels: { c: alone } })).toEqual([
    "channels.c.onDrift: rolling takes onDrift with drift: 'adwin' or 'page-hinkley'",
  ]);
});

test('every option of every method can be written in the config', () => {
  const values: Record<OptionName, unknown> = {
    ...{
      size: 8,
      alpha: 0.2,
      retain: 0.8,
      halfLife: 4,
      cumulative: true,
      eps: 0.5,
      clip: 3,
      order: 'learn-then-score',
    },
    ...{ weight: [1, 2], bias: [0, 1], single: 'flag', debias: true, last: '5s', maxSamples: 50, unitVariance: true },
    ...{ mean: [0, 1], variance: [1, 2], std: [1, 2] },
    ...{ renorm: { rMax: 2, dMax: 4 }, missing: 'mean', untilReady: 'prior', minSamples: 8 },
    ...{
      within: '5s',
      every: '1s',
      gap: '2s',
      lateness: '100ms',
      maxAhead: '1m',
      prior: { mean: [0, 1], std: [1, 2] },
    },
    ...{ quarantine: 'drop', range: { x: [0, null] }, required: ['y'] },
    ...{ drift: 'page-hinkley', driftDelta: 0.5, driftThreshold: 9, onDrift: 'tell', fasterBy: 3, fasterRows: 50 },
  };
  /** What an option means nothing without. */
  const needed: Partial<Record<OptionName, readonly OptionName[]>> = {
    every: ['within'],
    lateness: ['quarantine'],
    maxAhead: ['lateness', 'quarantine'],
    range: ['quarantine'],
    required: ['quarantine'],
    untilReady: ['prior'],
    prior: ['untilReady'],
    driftDelta: ['drift'],
    driftThreshold: ['drift'],
    onDrift: ['drift'],
    fasterBy: ['drift'],
    fasterRows: ['drift'],
  };
  expect(Object.keys(values).toSorted()).toEqual(Object.keys(METHOD_OPTIONS).toSorted());
  const core: Partial<Record<Method, object>> = { frozen: { mean: [0, 1], std: [1, 2] }, rolling: { last: '5s' } };
  for (const method of METHOD_NAMES) {
    for (const name of METHODS[method].options) {
      const others: OptionName[] = [...(needed[name] ?? [])];
      if (name === 'maxSamples' && method === 'batch') others.push('gap');
      const beside = Object.fromEntries(others.map((other) => [other, values[other]]));
      const given = {
        ...core[method],
        ...beside,
        ...(name.startsWith('faster') && { onDrift: 'faster' }),
        [name]: values[name],
        ...(name === 'variance' && { std: undefined }),
      };
      const { channels } = parseConfig({ channels: { c: { features: ['x', 'y'], method, ...given } as never } });
      expect([method, channels.get('c')?.options]).toEqual([method, expect.objectContaining({ [name]: values[name] })]);
    }
  }
});
