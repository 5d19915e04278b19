import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';

/** The folder `dist/`, which is as new as the sources; throws what the compiler said when they do not compile. */
export function builtDist(): string {
  const failure = inject('buildFailure');
  if (failure !== '') throw new Error(`dist/ could not be built:\n${failure}`);
  return fileURLToPath(new URL('../../dist/', import.meta.url));
}
