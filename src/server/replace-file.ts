import { randomBytes } from 'node:crypto';
import { type FileHandle, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a file so that a reader finds the former content or the new one, never a part, whatever ends the process or the
 * machine meanwhile.
 *
 * Idea: the content is written and synced beside it, under a name of its own, and then renamed; a rename is one step,
 * and on disk once its directory is. The file keeps its mode, and stays behind the link that leads to it. What is no
 * regular file, such as `/dev/stdout`, has no former content: it is written to.
 */
export async function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  const former = await stat(file).catch(() => undefined);
  if (former !== undefined && !former.isFile()) {
    await writeFile(file, content);
    return;
  }
  const target = former === undefined ? file : await realpath(file);
  const fresh = `${target}.${randomBytes(6).toString('hex')}.new`;
  await writeSynced(fresh, content, former?.mode);
  try {
    await rename(fresh, target);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await syncDirectory(dirname(target));
}

/** Writes a file that is on disk when this resolves; where that fails it leaves none. */
export function writeSynced(file: string, content: string | Uint8Array, mode?: number): Promise<void> {
  return writeSyncedBy(file, (handle) => handle.writeFile(content), mode);
}

/** `writeSynced` in pieces, which `write` makes. */
export async function writeSyncedBy(
  file: string,
  write: (handle: FileHandle) => Promise<void>,
  mode?: number,
): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'w', mode);
    if (mode !== undefined) await handle.chmod(mode);
    await write(handle);
    await handle.sync();
  } catch (error) {
    await handle?.close();
    handle = undefined;
    // on a full disk half a file would take the place that the next one needs
    await rm(file, { force: true }).catch(() => {});
    throw error;
  } finally {
    await handle?.close();
  }
}

/** Makes the names of a directory last: a rename is only on disk once its directory is. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
