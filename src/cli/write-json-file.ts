import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StreamnormError } from '../errors.ts';

/** Fails before the work, not after it, when the file could not be written. */
export async function requireWritable(file: string): Promise<void> {
  try {
    await access(dirname(file), constants.W_OK);
  } catch (cause) {
    throw new StreamnormError('UNAVAILABLE', `${file} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** Writes JSON so that a reader finds the former file or the new one, never a part. */
export async function writeJsonFile(file: string, value: unknown): Promise<void> {
  const { default: writeFileAtomic } = await import('write-file-atomic');
  try {
    await writeFileAtomic(file, `${JSON.stringify(value)}\n`);
  } catch (cause) {
    throw new StreamnormError('UNAVAILABLE', `${file} cannot be written: ${(cause as Error).message}`, { cause });
  }
}
