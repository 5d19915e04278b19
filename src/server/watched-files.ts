import { unwatchFile, watchFile } from 'node:fs';

/**
 * Tells whenever one of the files has changed, until what is returned is called.
 *
 * It looks at them every `everyMs`: events of the file system do not follow the links under which orchestrators put
 * secrets.
 */
export function watchFiles(files: readonly string[], everyMs: number, changed: () => void): () => void {
  const each = Array.from(new Set(files));
  for (const file of each) watchFile(file, { interval: everyMs, persistent: false }, changed);
  return () => {
    for (const file of each) unwatchFile(file, changed);
  };
}
