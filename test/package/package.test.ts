import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builtDist } from '../support/built-dist.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const runtimePackages = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith('.json'));

/** A folder of somebody who installed the packed package: what it declares is there, and nothing else. */
let consumer: string;
let installed: string;

beforeAll(() => {
  builtDist();
  consumer = mkdtempSync(join(tmpdir(), 'streamnorm-consumer-'));
  installed = join(consumer, 'node_modules', manifest.name);
  mkdirSync(installed, { recursive: true });
  // without scripts: `prepare` would build a second time
  const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', consumer], root);
  run('tar', ['-xzf', join(consumer, JSON.parse(packed)[0].filename), '--strip-components=1', '-C', installed]);
  for (const name of runtimePackages) link(name);
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
});

afterAll(() => {
  if (consumer !== undefined) rmSync(consumer, { recursive: true, force: true });
});

test('holds what a user needs, and no sources or tests', () => {
  const files = readdirSync(installed);
  expect(files.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'data', 'dist', 'package.json']);
  expect(readdirSync(join(installed, 'data'))).toEqual(
    expect.arrayContaining(['README.md', 'suthaharan-multi-hop.csv']),
  );
});

test('declarations refer to .js files', () => {
  const declarations = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.d.ts'),
  );
  expect(declarations).not.toEqual([]);
  for (const file of declarations) {
    expect(readFileSync(join(installed, 'dist', file), 'utf8'), file).not.toMatch(
      /(?:from|import\()\s*['"]\.[^'"]*\.ts['"]/,
    );
  }
});

test.each(entries)('plain node imports %s, which exports something', (entry) => {
  const script = `const m = await import(${JSON.stringify(specifier(entry))}); console.log(Object.keys(m).length);`;
  expect(Number(run(process.execPath, ['--input-type=module', '-e', script]))).toBeGreaterThan(0);
});

test('package.json can be read through the package', () => {
  const script = `import m from '${manifest.name}/package.json' with { type: 'json' }; console.log(m.version);`;
  expect(run(process.execPath, ['--input-type=module', '-e', script]).trim()).toBe(manifest.version);
});

test('the schema of the config can be read through the package, and is the one that serve prints', () => {
  const script = `import s from '${manifest.name}/config.schema.json' with { type: 'json' }; console.log(JSON.stringify(s));`;
  const schema = JSON.parse(run(process.execPath, ['--input-type=module', '-e', script]));
  expect(schema.required).toEqual(['channels']);
  const printed = run(join(installed, manifest.bin.streamnorm), ['serve', '--print-schema']);
  expect(JSON.parse(printed)).toEqual(schema);
});

test('the command runs and tells its version', () => {
  const bin = join(installed, manifest.bin.streamnorm);
  accessSync(bin, constants.X_OK);
  expect(run(bin, ['--version']).trim()).toBe(manifest.version);
});

test.each(['nodenext', 'bundler'])('types resolve with moduleResolution %s', (resolution) => {
  link('@types/node'); // Node's own names are part of the server's types
  // every entry in one file: a missing declaration makes its namespace `any`, which `strict` does not report
  const lines = entries.map((entry, i) => [
    `import * as m${i} from '${specifier(entry)}';`,
    `const known${i}: 0 extends 1 & typeof m${i} ? never : true = true;`,
    `void known${i};`,
  ]);
  writeFileSync(join(consumer, 'consumer.ts'), lines.flat().join('\n'));
  const module = resolution === 'nodenext' ? 'nodenext' : 'esnext';
  const options = ['--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'es2023', '--lib', 'es2023,dom'];
  typeCheck([...options, '--types', 'node', '--module', module, '--moduleResolution', resolution, 'consumer.ts']);
});

// rxjs needs one of them, for its timers
test.each([
  ['a browser', 'es2023,dom', ''],
  ['Node', 'es2023', 'node'],
])('the types of "." need no more than %s has', (_, lib, types) => {
  link('@types/node');
  writeFileSync(join(consumer, 'plain.ts'), `export * from '${manifest.name}';`);
  const options = ['--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'es2023', '--lib', lib];
  typeCheck([...options, '--types', types, '--module', 'nodenext', 'plain.ts']);
});

test.each(['.', './websocket'])('%s bundles for the browser without Node built-ins or ws', async (entry) => {
  const { metafile } = await build({
    stdin: { contents: `export * from '${specifier(entry)}';`, resolveDir: consumer },
    bundle: true,
    platform: 'browser',
    format: 'esm',
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  // a built-in has failed the build by now: esbuild resolves none for a browser
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((input) => /node_modules\/ws\//.test(input))).toEqual([]);
  expect(inputs.filter((input) => /\/dist\//.test(input)).length).toBeGreaterThan(0);
});

function specifier(entry: string): string {
  return manifest.name + entry.slice(1);
}

/** The same version that the lock file gives; its own dependencies are found from where it really lies. */
function link(name: string): void {
  const path = join(consumer, 'node_modules', name);
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  symlinkSync(join(root, 'node_modules', name), path);
}

function run(command: string, args: string[], cwd = consumer): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** tsc writes what it finds to standard output, which a failed `execFileSync` does not show. */
function typeCheck(args: string[]): void {
  try {
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args]);
  } catch (error) {
    expect.fail(String((error as { stdout?: string }).stdout));
  }
}
