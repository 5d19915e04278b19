import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new folder on the disk, gone with the test. */
export function stateDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'streamnorm-state-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
