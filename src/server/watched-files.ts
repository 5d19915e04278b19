import { stat } from 'node:fs/promises';

/** What tells that files hold something else than before. */
export type FileStamps = readonly string[];

/** To be taken before the files are read: what changes while they are read is then noticed later. */
export function stampsOf(files: readonly string[]): Promise<FileStamps> {
  return Promise.all(files.map(stampOf));
}

/**
 * Tells whenever one of the files is not as it was, until what is returned is called; the next look waits until what was
 * told is done.
 *
 * It looks at them every `everyMs`: events of the file system do not follow the links under which orchestrators put
 * secrets. And it is given how they were: `fs.watchFile` compares with what it finds at its own first look, and would
 * never tell of what changed between the reading and that.
 */
export function watchFiles(
  files: readonly string[],
  stamps: FileStamps,
  everyMs: number,
  changed: () => Promise<void>,
): () => void {
  let last = stamps;
  let timer: NodeJS.Timeout;
  let stopped = false;
  const look = async () => {
    const now = await stampsOf(files);
    if (stopped) return;
    if (now.some((stamp, i) => stamp !== last[i])) {
      last = now;
      await changed();
    }
    if (!stopped) wait();
  };
  const wait = () => {
    timer = setTimeout(look, everyMs).unref();
  };
  wait();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

async function stampOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}
