import { readFileSync } from 'node:fs';

/** Version of the package; the path holds from `src/server` and from `dist/server`. */
export function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}
