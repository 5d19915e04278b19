/**
 * Makes `src/core/batch-kernel-code.ts`, WebAssembly as text, from `assembly/batch-kernel.ts`.
 *
 * The compiler is fetched for this alone: the code is in the repository, and who does not change it needs no compiler.
 * `--check` fails when the file is not what the source makes.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMPILER = 'assemblyscript@0.28.20';
const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'assembly/batch-kernel.ts');
const target = join(root, 'src/core/batch-kernel-code.ts');

const folder = mkdtempSync(join(tmpdir(), 'kernel-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const wasm = join(folder, 'batch-kernel.wasm');
const options = ['-O3', '--runtime', 'stub', '--noAssert', '--enable', 'simd', '--importMemory'];
const { status, error } = spawnSync(
  'npm',
  ['exec', '--yes', `--package=${COMPILER}`, '--', 'asc', source, ...options, '--outFile', wasm],
  { stdio: 'inherit', cwd: folder },
);
if (error) throw error;
if (status !== 0) process.exit(status ?? 1);

const hash = createHash('sha256').update(readFileSync(source)).digest('hex');
const code = `// Made by \`npm run build:kernel\` from assembly/batch-kernel.ts; not to be edited.

/** SHA-256 of the source. */
export const BATCH_KERNEL_SOURCE = '${hash}';

/** The WebAssembly module, base64. */
export const BATCH_KERNEL_CODE =
  '${readFileSync(wasm).toString('base64')}';
`;
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== code) {
    process.stderr.write(
      'src/core/batch-kernel-code.ts is not what assembly/batch-kernel.ts makes: npm run build:kernel\n',
    );
    process.exit(1);
  }
} else {
  writeFileSync(target, code);
}
