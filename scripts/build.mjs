/**
 * Builds `dist/`: the library by tsc, the dashboard and the command line by an esbuild call each.
 *
 * Everything is made in a folder beside `dist/` and takes its place at the end. So a broken build leaves the former
 * one alone, nobody meets half a `dist/`, and nothing that a source file no longer makes stays behind.
 *
 * `--if-changed` does nothing when `dist/` is newer than all that it is made from.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);

/** What `dist/` depends on; the lock file stands for the compiler and for what the dashboard bundles. */
const inputs = [
  'src',
  'dashboard',
  'scripts/build.mjs',
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
  'package-lock.json',
];

if (process.argv.includes('--if-changed') && upToDate()) process.exit(0);

const fresh = join(root, `.dist-${process.pid}`);
process.on('exit', () => rmSync(fresh, { recursive: true, force: true }));

const started = new Date();
compile();
pointDeclarationsAtJs();
await writeConfigSchema();
writeLicences([await bundleDashboard(), await bundleCommandLine()]);
const bin = join(fresh, 'cli/main.js');
if (existsSync(bin)) chmodSync(bin, 0o755);
takePlace();

function upToDate() {
  if (!existsSync(dist)) return false;
  const built = statSync(dist).mtimeMs;
  return inputs.every((input) => newest(join(root, input)) < built);
}

/** Folders count too: removing or renaming a file changes only its folder's time. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function compile() {
  const packageFile = require.resolve('typescript/package.json');
  const tsc = join(dirname(packageFile), require(packageFile).bin.tsc);
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', fresh];
  const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit', cwd: root });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** tsc rewrites `./x.ts` to `./x.js` in the code it writes but, as of 7.0, not in the declarations. */
function pointDeclarationsAtJs() {
  for (const name of readdirSync(fresh, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue;
    const file = join(fresh, name);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/(\b(?:from|import)\s*\(?\s*['"]\.{1,2}\/[^'"]*)\.ts(?=['"])/g, '$1.js'));
  }
}

/**
 * Bundles the command line in place: reading some 400 small files takes more of its start than all else together. What
 * is loaded late or not at all stays outside, and the library's entries are not touched.
 */
async function bundleCommandLine() {
  const folder = join(fresh, 'cli');
  const bundle = await bundled({
    entryPoints: [join(folder, 'main.js')],
    outdir: folder,
    allowOverwrite: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['pino', 'prom-client', '@nats-io/*', 'bufferutil', 'utf-8-validate'],
    // packages in CommonJS require what Node has
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
  });
  const made = new Set(Object.keys(bundle.outputs).map((file) => resolve(root, file)));
  for (const name of readdirSync(folder)) if (!made.has(join(folder, name))) rmSync(join(folder, name));
  return bundle;
}

/** What esbuild made of what; it prints what is wrong. */
async function bundled(options) {
  const { build } = await import('esbuild');
  const common = { absWorkingDir: root, bundle: true, metafile: true, logLevel: 'warning' };
  try {
    return (await build({ ...common, ...options })).metafile;
  } catch {
    process.exit(1);
  }
}

/** The licences of the packages whose code is in the bundles ask to go with it. */
function writeLicences(bundles) {
  const folders = new Map();
  for (const input of bundles.flatMap((bundle) => Object.keys(bundle?.inputs ?? {}))) {
    const [, folder, name] = input.match(/^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//) ?? [];
    if (folder !== undefined) folders.set(name, resolve(root, folder));
  }
  const texts = [...folders].sort().map(([name, folder]) => {
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} is bundled and has no licence file`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  writeFileSync(join(fresh, 'THIRD-PARTY-LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));
}

/** Bundles everything the page needs: it must work on a machine that reaches nothing but the server. */
async function bundleDashboard() {
  const from = join(root, 'dashboard');
  const names = existsSync(from) ? readdirSync(from) : [];
  if (!names.includes('main.ts')) {
    console.warn('build: dashboard/main.ts does not exist, so dist/ has no dashboard');
    return;
  }
  const to = join(fresh, 'dashboard');
  mkdirSync(to);
  const bundle = await bundled({
    entryPoints: [join(from, 'main.ts')],
    outdir: to,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    legalComments: 'eof',
  });
  for (const name of names.filter((name) => /\.(html|css|svg)$/.test(name)))
    copyFileSync(join(from, name), join(to, name));
  copyFileSync(require.resolve('uplot/dist/uPlot.min.css'), join(to, 'uPlot.min.css'));
  return bundle;
}

/** For editors, and for whoever makes configurations by program. */
async function writeConfigSchema() {
  const { configJsonSchema } = await import(pathToFileURL(join(fresh, 'server/config-json-schema.js')).href);
  writeFileSync(join(fresh, 'config.schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
}

/** `dist/` is dated at the start: what was saved while the build ran is newer than it. */
function takePlace() {
  const former = `${fresh}-former`;
  if (existsSync(dist)) renameSync(dist, former);
  renameSync(fresh, dist);
  utimesSync(dist, started, started);
  rmSync(former, { recursive: true, force: true });
}
