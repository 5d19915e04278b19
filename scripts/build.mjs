/**
 * Builds `dist/`: the library and the command line by tsc, the dashboard by one esbuild call.
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
import { dirname, join } from 'node:path';
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
await bundleDashboard();
await writeConfigSchema();
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
  const { build } = await import('esbuild');
  try {
    await build({
      entryPoints: [join(from, 'main.ts')],
      outdir: to,
      bundle: true,
      minify: true,
      platform: 'browser',
      format: 'esm',
      target: 'es2022',
      legalComments: 'eof',
      logLevel: 'warning',
    });
  } catch {
    process.exit(1); // esbuild has printed what is wrong
  }
  for (const name of names.filter((name) => /\.(html|css|svg)$/.test(name)))
    copyFileSync(join(from, name), join(to, name));
  copyFileSync(require.resolve('uplot/dist/uPlot.min.css'), join(to, 'uPlot.min.css'));
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
