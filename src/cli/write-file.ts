import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StreamnormError } from '../errors.ts';
import { replaceFile } from '../server/replace-file.ts';

/** Fails before the work, not after it, when the file could not be written. */
export async function requireWritable(file: string): Promise<void> {
  // what is no regular file, such as /dev/stderr, is written in place
  const inPlace = await stat(file).then(
    (found) => !found.isFile(),
    () => false,
  );
  try {
    await access(inPlace ? file : dirname(file), constants.W_OK);
  } catch (cause) {
    throw cannotBeWritten(file, cause);
  }
}

/** Writes a file so that a reader finds the former one or the new one, never a part. */
export async function writeFile(file: string, content: string | Uint8Array): Promise<void> {
  await requireWritable(file);
  try {
    await replaceFile(file, content);
  } catch (cause) {
    throw cannotBeWritten(file, cause);
  }
}

export function writeJsonFile(file: string, value: unknown): Promise<void> {
  return writeFile(file, `${JSON.stringify(value)}\n`);
}

function cannotBeWritten(file: string, cause: unknown): StreamnormError {
  return new StreamnormError('UNAVAILABLE', `${file} cannot be written: ${(cause as Error).message}`, { cause });
}
