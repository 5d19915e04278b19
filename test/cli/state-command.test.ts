import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { importState } from '../../src/exchange/import-state.ts';
import { readSafetensors } from '../../src/exchange/safetensors.ts';
import { runCli } from './run-cli.ts';

const golden = (name: string) => fileURLToPath(new URL(`../golden/exchange/${name}`, import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'streamnorm-state-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = (name: string) => join(folder, name);

function written(name: string, content: string | Uint8Array): string {
  writeFileSync(path(name), content);
  return path(name);
}

const state = (...args: string[]) => runCli(['state', ...args]);

const bn = new BatchNorm({ features: ['x1', 'x2'], alpha: 0.5 });
bn.learn([
  { x1: 1, x2: 10 },
  { x1: 3, x2: 30 },
]);

describe('state convert', () => {
  test('PyTorch to own JSON, formats by ending and content', async () => {
    const out = path('bn.json');
    const done = await state('convert', golden('two-norms.safetensors'), out, '--prefix', '3.', '--features', 'a,b,c');
    expect(done).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({
      format: 'streamnorm.batchnorm/1',
      features: ['a', 'b', 'c'],
      alpha: 0.1,
      eps: 1e-5,
      batches: 3,
    });
  });

  test('own JSON to PyTorch: --prefix is that of OUT, where IN has none', async () => {
    const saved = written('own.json', JSON.stringify(bn.state()));
    for (const flag of ['--prefix', '--out-prefix']) {
      const out = path('own.safetensors');
      expect(await state('convert', saved, out, flag, 'bn1.')).toMatchObject({ code: 0, stderr: '' });
      expect([...readSafetensors(readFileSync(out)).tensors.keys()]).toContain('bn1.running_mean');
      expect(importState(readFileSync(out))).toEqual(bn.state());
    }
  });

  test('every format, by its ending, and back', async () => {
    const saved = written('own.json', JSON.stringify(bn.state()));
    for (const name of ['a.safetensors', 'a.keras.json', 'a.KERAS.safetensors', 'a.json']) {
      expect(await state('convert', saved, path(name))).toMatchObject({ code: 0 });
      expect(await state('convert', path(name), path('back.json'))).toMatchObject({ code: 0 });
      expect(JSON.parse(readFileSync(path('back.json'), 'utf8')), name).toEqual(bn.state());
    }
    expect(await state('convert', saved, path('a.sklearn.json'))).toMatchObject({
      code: 0,
      stderr: `streamnorm state convert: ${path('a.sklearn.json')} does not keep the rate, batches\n`,
    });
    expect(JSON.parse(readFileSync(path('a.sklearn.json'), 'utf8'))).toMatchObject({ feature_names_in_: ['x1', 'x2'] });
  });

  test('--from and --to go before endings and content', async () => {
    const scaler = written('scaler.txt', readFileSync(golden('scaler.sklearn.json')));
    expect(await state('convert', scaler, path('out.bin'), '--to', 'json')).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(path('out.bin'), 'utf8'))).toMatchObject({ format: 'streamnorm.cumulative/1' });
    expect(await state('convert', scaler, path('out.json'), '--from', 'keras')).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('"moving_mean" must be a list'),
    });
  });

  test('the options of a layer', async () => {
    const out = path('options.json');
    const flags = ['--retain', '0.75', '--eps', '1e-3', '--batch-size', '16'];
    expect(await state('convert', golden('plain.safetensors'), out, ...flags)).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ alpha: 0.25, eps: 1e-3, samples: 48 });
    expect(await state('convert', golden('cumulative.safetensors'), out, '--cumulative')).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ cumulative: true });
  });

  test('--affine, --no-affine, --dtype', async () => {
    const saved = written('own.json', JSON.stringify(bn.state()));
    const keys = async (...flags: string[]) => {
      expect(await state('convert', saved, path('f.safetensors'), ...flags)).toMatchObject({ code: 0 });
      return readSafetensors(readFileSync(path('f.safetensors'))).tensors;
    };
    expect((await keys()).has('weight')).toBe(false);
    expect((await keys('--affine')).has('weight')).toBe(true);
    expect((await keys('--no-affine')).has('weight')).toBe(false);
    expect((await keys('--dtype', 'F32')).get('running_var')?.dtype).toBe('F32');
  });

  test('one of the states of pipe --key', async () => {
    const keyed = written('keyed.json', JSON.stringify({ format: 'streamnorm.keyed/1', keys: [['k', bn.state()]] }));
    expect(await state('convert', keyed, path('one.json'), '--key', 'k')).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(path('one.json'), 'utf8'))).toEqual(bn.state());
    expect(await state('convert', keyed, path('one.json'))).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('keys "k": key must say which'),
    });
  });
});

describe('exit codes', () => {
  test('65 and the name of the file: it holds no usable state', async () => {
    const bad = written('bad.safetensors', new Uint8Array(4));
    expect(await state('show', bad)).toMatchObject({ code: 65, stderr: expect.stringContaining(`${bad}: `) });
    expect(await state('convert', golden('two-norms.safetensors'), path('x.json'))).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('the prefixes "0.", "3.": prefix must say which'),
    });
    expect(await state('convert', golden('plain.safetensors'), path('x.json'), '--features', 'a,b')).toMatchObject({
      code: 65,
    });
  });

  test('66: the file cannot be read', async () => {
    for (const file of [path('gone.json'), folder]) {
      expect(await state('show', file)).toMatchObject({ code: 66, stderr: expect.stringContaining('cannot be read') });
      expect(await state('convert', file, path('x.json'))).toMatchObject({ code: 66 });
    }
  });

  test('69: the file cannot be written', async () => {
    const to = join(folder, 'no-such-folder', 'x.json');
    expect(await state('convert', golden('plain.safetensors'), to)).toMatchObject({
      code: 69,
      stderr: expect.stringContaining('cannot be written'),
    });
  });

  test.each<[string, string[], string]>([
    [
      'OUT without a known ending',
      ['convert', golden('plain.safetensors'), 'x.h5'],
      'it must end in .keras.safetensors',
    ],
    ['momentum', ['show', golden('plain.safetensors'), '--momentum', '0.9'], '(--alpha 0.9), Keras'],
    ['two rates', ['show', golden('plain.safetensors'), '--alpha', '0.9', '--retain', '0.1'], 'exactly one rate'],
    [
      'a rate for a scaler',
      ['show', golden('scaler.sklearn.json'), '--alpha', '0.9'],
      '--alpha means nothing for sklearn',
    ],
    [
      'an option of writing',
      ['convert', golden('plain.safetensors'), 'x.json', '--dtype', 'F32'],
      '--dtype means nothing',
    ],
    ['alpha of 2', ['show', golden('plain.safetensors'), '--alpha', '2'], 'alpha in (0, 1], got 2'],
    [
      'a batch of one',
      ['show', golden('plain.safetensors'), '--batch-size', '1'],
      'batchSize to be a whole number >= 2',
    ],
    ['a name twice', ['show', 'gone.json', '--features', 'a,a'], 'features to differ'],
    ['text as a number', ['show', golden('plain.safetensors'), '--eps', 'small'], 'must be a number'],
    [
      'an unknown format',
      ['show', golden('plain.safetensors'), '--from', 'h5'],
      'Allowed choices are json, safetensors',
    ],
    ['an unknown flag', ['show', golden('plain.safetensors'), '--layer', 'a'], "unknown option '--layer'"],
    ['no OUT', ['convert', golden('plain.safetensors')], "missing required argument 'out'"],
  ])('2: %s', async (_, args, message) => {
    expect(await state(...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe('state show', () => {
  test('a layer', async () => {
    const saved = written('own.json', JSON.stringify({ ...bn.state(), weight: [1, 0.5] }));
    const { code, stdout } = await state('show', saved);
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        "file     json: streamnorm's own JSON",
        'state    streamnorm.batchnorm/1',
        'alpha    0.5',
        'eps      0.00001',
        'batches  1',
        'samples  2',
        '',
        'feature  mean      std  variance  weight',
        'x1          1  1.22474       1.5       1',
        'x2         10   10.025     100.5     0.5',
        '',
      ].join('\n'),
    );
  });

  test('a scaler with counts, one of them 0', async () => {
    const scaler = '{"mean_":[2,null],"var_":[4,null],"n_samples_seen_":[3,0],"feature_names_in_":["a","b\\u001b"]}';
    const { stdout } = await state('show', written('s.json', scaler));
    expect(stdout.split('\n').slice(-4)).toEqual([
      'feature  mean  std  variance  count',
      'a           2    2         4      3',
      'b\\u001b     -    -         -      0',
      '',
    ]);
  });

  test('a model of several layers needs to be told which', async () => {
    expect(await state('show', golden('two-norms.safetensors'))).toMatchObject({ code: 65 });
    expect(await state('show', golden('two-norms.safetensors'), '--prefix', '0')).toMatchObject({ code: 0 });
  });
});

test('help says what each format is and how its file is called', async () => {
  const { code, stdout } = await state('convert', '--help');
  expect(code).toBe(0);
  expect(stdout).toContain("safetensors       .safetensors       PyTorch's state_dict");
  expect(stdout).toContain('Exit codes: 0 done, 2 wrong options, 65');
  expect(stdout).not.toContain('momentum <');
});
