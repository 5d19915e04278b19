import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** What the compiler said when `dist/` could not be built, else empty. */
    buildFailure: string;
  }
}

/**
 * Brings `dist/` up to date once before a run. A build that fails must not keep the tests of the sources from running,
 * so it is handed on: `builtDist()` throws it in each test that needs `dist/`.
 */
export default function buildOnce({ provide }: TestProject): void {
  const script = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--if-changed'], { encoding: 'utf8' });
  provide('buildFailure', status === 0 ? '' : `${stdout}${stderr}` || `the build ended with ${status}`);
}
