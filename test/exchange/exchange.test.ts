import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BatchNormState } from '../../src/core/batch-norm.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { Frozen } from '../../src/core/frozen.ts';
import { exportState } from '../../src/exchange/export-state.ts';
import { FORMAT_NAMES, type Format, formatOf } from '../../src/exchange/format.ts';
import { importState } from '../../src/exchange/import-state.ts';
import { lostBy } from '../../src/exchange/lost-by.ts';
import { fromJson, toJson } from '../../src/exchange/own-json.ts';
import { expectClose } from '../support/close.ts';
import { bytesOfFile, EXPECTED, textOfFile } from './golden-files.ts';
import { expectRefused, expectResultOrRefusal } from './refused.ts';
import { anyBatchNorm, anyCumulative, anyEwma, anyFrozen, learned, NAMES, ROWS } from './states.ts';

const STATES = learned();

describe('export then import gives the same state, bit for bit', () => {
  const all = { BatchNorm: anyBatchNorm, Cumulative: anyCumulative, Ewma: anyEwma, Frozen: anyFrozen };
  const kept: [Format, keyof typeof all][] = [
    ...(Object.keys(all) as (keyof typeof all)[]).map((kind): [Format, keyof typeof all] => ['json', kind]),
    ['safetensors', 'BatchNorm'],
    ['keras', 'BatchNorm'],
    ['keras-safetensors', 'BatchNorm'],
    ['sklearn', 'Cumulative'],
    ['sklearn', 'Frozen'],
  ];
  test.each(kept)('property: %s of a %s', (format, kind) => {
    fc.assert(
      fc.property(all[kind], (state) => {
        const content = exportState(state, format);
        // toEqual tells 0 from -0
        expect(importState(content)).toEqual(state);
        const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
        expect(importState(bytes, { format })).toEqual(state);
        expect(exportState(importState(bytes), format)).toEqual(content);
      }),
    );
  });

  test('names travel with a state that only counts its features', () => {
    const named = importState(exportState(STATES.cumulative, 'json'), { features: NAMES });
    expect(named).toEqual({ ...STATES.cumulative, features: NAMES });
    for (const format of ['json', 'sklearn'] as const) expect(importState(exportState(named, format))).toEqual(named);
    expect(Cumulative.from(named).state()).toEqual(named);
    const frozen = importState(exportState(STATES.frozen, 'json'), { features: NAMES });
    expect(frozen).toEqual({ ...STATES.frozen, names: NAMES });
  });

  test('names beside a state, as they were written before it had any, still load', () => {
    for (const state of [STATES.cumulative, STATES.ewma]) {
      expect(importState(JSON.stringify({ ...state, names: NAMES }))).toEqual({ ...state, features: NAMES });
    }
  });

  test('weight, bias and eps of given statistics come out again', () => {
    const { weight, bias } = STATES.batchNorm as BatchNormState;
    const frozen = new Frozen(STATES.batchNorm).state();
    expect(frozen).toMatchObject({ weight, bias, eps: 1e-5 });
    expect(importState(exportState(frozen, 'json'))).toEqual(frozen);
    expect(importState(exportState(frozen, 'safetensors'))).toMatchObject({ weight, bias });
    expectRefused(() => exportState(frozen, 'sklearn'), 'a StandardScaler has no weight and bias');
  });
});

describe('the format is found out from the content', () => {
  test.each<[string, string | Uint8Array, Format]>([
    ['own JSON', toJson(STATES.ewma), 'json'],
    ['PyTorch', bytesOfFile('two-norms.safetensors'), 'safetensors'],
    ['Keras as JSON', '\n {"moving_mean":[1],"moving_variance":[1]}', 'keras'],
    ['Keras in safetensors', exportState(STATES.batchNorm, 'keras-safetensors'), 'keras-safetensors'],
    ['scikit-learn', textOfFile('scaler-without-std.sklearn.json'), 'sklearn'],
    ['bytes of JSON', new TextEncoder().encode(toJson(STATES.ewma)), 'json'],
    ['bytes of JSON with a byte order mark', new TextEncoder().encode(`\ufeff${toJson(STATES.ewma)}`), 'json'],
    ['a format that a name only mentions', '{"mean_":[1],"var_":[1],"feature_names_in_":["\\"format\\":"]}', 'sklearn'],
  ])('%s', (_, content, expected) => {
    expect(formatOf(content)).toBe(expected);
    if (expected !== 'safetensors') expect(() => importState(content)).not.toThrow();
  });

  test.each<[string, string | Uint8Array, string]>([
    ['an unknown object', '{"a":1}', 'JSON of no known format: it has none of the fields format, moving_mean, mean_'],
    ['a list', '[]', 'the content must be a JSON object'],
    ['text', 'hello', 'the content is not JSON'],
    ['nothing', '', 'the content is not JSON'],
    ['no bytes', new Uint8Array(0), 'the content is not JSON'],
    ['zeros', new Uint8Array(64), "must begin with '{'"],
    ['a picture', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0), 'header claims'],
  ])('%s is refused', (_, content, message) => {
    expectRefused(() => importState(content), message);
  });
});

describe('own JSON', () => {
  test.each(Object.entries(STATES))('%s: what state() returned, and what JSON.stringify made of it', (_, state) => {
    expect(fromJson(toJson(state))).toEqual(state);
    expect(fromJson(JSON.stringify(state))).toEqual(state);
  });

  test('-0 stays -0, which JSON.stringify loses', () => {
    const { mean } = fromJson(toJson({ ...STATES.frozen, mean: [-0, 0, 1] })) as { mean: number[] } & object;
    expect(Object.is(mean[0], -0)).toBe(true);
  });

  test('a state of pipe --key, and a checkpoint of serve', () => {
    const keyed = JSON.stringify({
      format: 'streamnorm.keyed/1',
      keys: [
        ['a', STATES.ewma],
        ['b', STATES.frozen],
      ],
    });
    expect(fromJson(keyed, { key: 'b' })).toEqual(STATES.frozen);
    expectRefused(() => fromJson(keyed), 'the file has states for the keys "a", "b": key must say which');
    expectRefused(() => fromJson(keyed, { key: 'c' }), 'for the keys "a", "b", and none for "c"');
    expectRefused(() => fromJson(toJson(STATES.ewma), { key: 'a' }), 'one state, and none by key');
    expectRefused(() => fromJson('{"format":"streamnorm.keyed/1","keys":{}}'), '"keys" must be a list');
    const checkpoint = { format: 'streamnorm.checkpoint/1', features: NAMES, method: 'ewma', state: STATES.ewma };
    expect(fromJson(JSON.stringify(checkpoint))).toEqual({ ...STATES.ewma, features: NAMES });
  });

  test.each<[string, string, string]>([
    ['no format', '{"mean":[1]}', 'the state has no format, expected streamnorm.batchnorm, streamnorm.cumulative'],
    ['another format', '{"format":"river/1"}', 'the state has the format "river/1", expected'],
    ['a format that is a property', '{"format":"constructor"}', 'the state has the format "constructor"'],
    ['a newer version', '{"format":"streamnorm.ewma/2"}', 'which a newer version wrote'],
    ['a field twice', '{"format":"streamnorm.frozen/1","format":"x"}', 'the state has the field "format" twice'],
    ['1e12 features', '{"format":"streamnorm.cumulative/1","features":1e12,"mean":[]}', 'mean must be an array of'],
    [
      'a frozen mean that is text',
      '{"format":"streamnorm.frozen/1","features":1,"mean":"1","variance":[1]}',
      'mean must be',
    ],
    [
      'names of another length',
      '{"format":"streamnorm.frozen/1","features":1,"mean":[1],"variance":[1],"names":[]}',
      'names',
    ],
    [
      'names that are text',
      '{"format":"streamnorm.frozen/1","features":1,"mean":[1],"variance":[1],"names":"a"}',
      'list of field names',
    ],
    ['text behind the JSON', `${JSON.stringify(STATES.frozen)}x`, 'the state is not JSON'],
    ['brackets without end', '['.repeat(1e6), 'nested more than 32 levels deep'],
  ])('%s is refused', (_, text, message) => {
    expectRefused(() => fromJson(text), message);
  });
});

describe('from one program to another', () => {
  const centred = EXPECTED.sklearn.filter((scaler) => !('with_mean' in scaler) && !('with_std' in scaler));
  test.each(centred.map((scaler) => [scaler.file, scaler] as const))(
    'a layer with eps 0 gives what the StandardScaler gave: %s',
    (_, scaler) => {
      for (const format of ['safetensors', 'keras', 'keras-safetensors'] as const) {
        const layer = importState(exportState(importState(textOfFile(scaler.file)), format), { eps: 0 });
        expectClose(BatchNorm.from(layer).transform(scaler.evaluation), scaler.outputs);
      }
    },
  );

  test.each(EXPECTED.torch.filter(({ weight }) => weight === null).map((layer) => [layer.file, layer] as const))(
    'a StandardScaler gives what the layer of PyTorch gave: %s',
    (_, { file, prefix, eps, evaluation, outputs }) => {
      const scaler = JSON.parse(exportState(importState(bytesOfFile(file), { prefix, eps }), 'sklearn'));
      const scaled = evaluation.map((row) => row.map((x, j) => (x - scaler.mean_[j]) / scaler.scale_[j]));
      expectClose(scaled, outputs);
    },
  );

  test('what is lost is said', () => {
    const { batchNorm, cumulative, ewma, frozen } = STATES;
    expect(lostBy(batchNorm, 'safetensors')).toEqual([]);
    expect(lostBy({ ...batchNorm, clip: 3, debias: true } as never, 'keras')).toEqual(['clip', 'debias']);
    expect(lostBy(batchNorm, 'sklearn')).toEqual(['the rate', 'batches', 'weight and bias']);
    expect(lostBy(cumulative, 'sklearn')).toEqual([]);
    expect(lostBy(cumulative, 'safetensors')).toEqual(['the count of samples']);
    expect(lostBy(ewma, 'keras')).toEqual(['the rate', 'times and weights', 'the count of samples']);
    expect(FORMAT_NAMES.map((format) => lostBy(frozen, format).length)).toEqual([0, 0, 0, 0, 0]);
    expect(Object.values(STATES).map((state) => lostBy(state, 'json').length)).toEqual([0, 0, 0, 0]);
  });
});

describe('wrong options throw at once', () => {
  test.each<[string, () => unknown, RegExp]>([
    [
      'an unknown format to read',
      () => importState('{}', { format: 'h5' as never }),
      /format to be one of json, safetensors/,
    ],
    [
      'an unknown format to write',
      () => exportState(STATES.ewma, 'h5' as never),
      /format to be one of json, safetensors/,
    ],
    [
      'text as safetensors',
      () => importState('{}', { format: 'safetensors' }),
      /requires bytes for safetensors, got '\{\}'/,
    ],
    ['no content', () => importState(undefined as never), /importState requires a Uint8Array or an ArrayBuffer/],
    [
      'an option of another format',
      () => importState(toJson(STATES.ewma), { alpha: 0.1 }),
      /fromJson has no option 'alpha'/,
    ],
    [
      'an option of writing',
      () => exportState(STATES.ewma, 'json', { prefix: 'a' }),
      /exportState to json has no option 'prefix'/,
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(message);
  });
});

describe('property: damaged content is read or refused, and nothing else', () => {
  const contents = FORMAT_NAMES.flatMap((format) =>
    Object.values(STATES)
      .filter((state) => format !== 'sklearn' || state !== STATES.batchNorm)
      .map((state) => {
        const content = exportState(state, format);
        return { format, bytes: typeof content === 'string' ? new TextEncoder().encode(content) : content };
      }),
  );
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  // what stands in JSON, so that more than the first brackets are tested
  const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(...Buffer.from('0123456789-e.,:[]{}"ntf ')));

  test('bytes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...contents),
        fc.array(fc.tuple(place, byte), { minLength: 1, maxLength: 6 }),
        ({ format, bytes }, damages) => {
          const damaged = Uint8Array.from(bytes);
          for (const [at, value] of damages) damaged[Math.floor(at * damaged.length)] = value;
          expectResultOrRefusal(() => importState(damaged, { format }));
          expectResultOrRefusal(() => importState(damaged));
          expectResultOrRefusal(() => importState(damaged.subarray(0, Math.floor(damages[0][0] * damaged.length))));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('fields of JSON', () => {
    const texts = contents.filter(({ format }) => format !== 'safetensors' && format !== 'keras-safetensors');
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(
        -1,
        0,
        1e300,
        2 ** 53,
        0.5,
        [],
        [null, null, null],
        [1, 2, 3],
        [-1, 0, 1],
        ['a', 'b', '__proto__'],
        true,
        {},
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.array(fc.tuple(place, value), { minLength: 1, maxLength: 3 }),
        ({ format, bytes }, changes) => {
          const fields = JSON.parse(new TextDecoder().decode(bytes));
          const inner = fields.streamnorm ?? fields;
          for (const [at, changed] of changes) {
            for (const object of [fields, inner]) {
              const names = Object.keys(object);
              object[names[Math.floor(at * names.length)]] = changed;
            }
          }
          expectResultOrRefusal(() => importState(JSON.stringify(fields), { format }));
        },
      ),
      { numRuns: 3000 },
    );
  });
});

test('what comes in is what its class takes', () => {
  const rows = ROWS.map((row) => [...row]);
  const { batchNorm, cumulative, ewma, frozen } = STATES;
  expect(
    BatchNorm.from(importState(toJson(batchNorm))).train(rows.map(([x1, x2, x3]) => ({ x1, x2, x3 }))),
  ).toHaveLength(5);
  expect(Cumulative.from(importState(toJson(cumulative))).state()).toEqual(cumulative);
  expect(Ewma.from(importState(toJson(ewma))).state()).toEqual(ewma);
  expect(Frozen.from(importState(toJson(frozen))).state()).toEqual(frozen);
});

test('of given statistics a clip is lost in all formats but our own', () => {
  const frozen = { ...new Frozen({ mean: [1], std: [2] }).state(), clip: 3 };
  expect(lostBy(frozen, 'json')).toEqual([]);
  for (const format of ['safetensors', 'keras', 'sklearn'] as const) expect(lostBy(frozen, format)).toEqual(['clip']);
});
