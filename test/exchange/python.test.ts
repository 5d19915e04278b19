import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Standardizer } from '../../src/core/standardizer.ts';
import { toSklearn } from '../../src/exchange/sklearn.ts';
import { toTorch } from '../../src/exchange/torch.ts';
import { expectClose } from '../support/close.ts';
import { learned, NAMES, ROWS } from './states.ts';

/** Another Python, such as one that has the package safetensors, may be given. */
const python = process.env.PYTHON ?? '/usr/bin/python3';
const script = fileURLToPath(new URL('evaluate.py', import.meta.url));
const missing = reasonWithout('torch, sklearn, pandas');

interface Answer {
  outputs: number[][];
  batches?: number;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'streamnorm-exchange-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { batchNorm, cumulative } = learned();
const more = [
  [0.5, 7, 4],
  [8, -3, 5.5],
];

test('PyTorch loads what toTorch wrote, and its eval outputs are those of transform', (context) => {
  if (missing !== undefined) return context.skip(missing);
  const plain = { ...batchNorm, weight: null, bias: null, eps: 1e-3 };
  const cases = [
    { state: batchNorm, prefix: 'bn1.', eps: 1e-5, affine: true, bytes: toTorch(batchNorm, { prefix: 'bn1.' }) },
    { state: plain, prefix: '', eps: 1e-3, affine: false, bytes: toTorch(plain) },
    { state: plain, prefix: '', eps: 1e-3, affine: true, bytes: toTorch(plain, { affine: true }) },
  ];
  const answers = ask(
    cases.map(({ bytes, prefix, eps, affine }, i) => {
      const file = written(`${i}.safetensors`, bytes);
      return { torch: file, prefix, features: 3, eps, affine, rows: ROWS };
    }),
  );
  answers.forEach(({ outputs, batches }, i) => {
    expectClose(outputs, BatchNorm.from({ ...cases[i].state, features: 3 }).transform(ROWS));
    expect(batches).toBe(2);
  });
}, 120_000);

test('in F32, to the digits that float32 has', (context) => {
  if (missing !== undefined) return context.skip(missing);
  const torch = written('f32.safetensors', toTorch(batchNorm, { dtype: 'F32' }));
  const [{ outputs }] = ask([{ torch, prefix: '', features: 3, eps: 1e-5, affine: true, rows: ROWS }]);
  expectClose(outputs, BatchNorm.from({ ...batchNorm, features: 3 }).transform(ROWS), 1e-5);
}, 120_000);

test('scikit-learn transforms by what toSklearn wrote, and goes on with partial_fit', (context) => {
  if (missing !== undefined) return context.skip(missing);
  const sklearn = written('scaler.json', toSklearn(cumulative));
  const named = written('named.json', toSklearn(cumulative, { features: NAMES }));
  const statistic = Cumulative.from(cumulative);
  const before = scored(statistic);
  for (const row of more) statistic.update(row);
  const answers = ask([
    { sklearn, rows: ROWS },
    { sklearn: named, rows: ROWS },
    { sklearn, rows: ROWS, partial_fit: more },
  ]);
  expectClose(
    answers.map(({ outputs }) => outputs),
    [before, before, scored(statistic)],
  );
}, 120_000);

function written(name: string, content: string | Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

function ask(requests: object[]): Answer[] {
  const { stdout, stderr, status } = spawnSync(python, [script], { input: JSON.stringify(requests), encoding: 'utf8' });
  if (status !== 0) throw new Error(`${python} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

function reasonWithout(packages: string): string | undefined {
  const names = packages.split(', ').map((name) => `'${name}'`);
  const code = `import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, [${names}])))`;
  const { status } = spawnSync(python, ['-c', code]);
  return status === 0
    ? undefined
    : `${python} has no ${packages}: apt-get install python3-torch python3-sklearn python3-pandas`;
}

function scored(statistic: Cumulative): number[][] {
  const standardizer = new Standardizer('test', statistic, { eps: 0 });
  return ROWS.map((row) => {
    const z = new Float64Array(3);
    standardizer.score(Float64Array.from(row), z);
    return [...z];
  });
}
