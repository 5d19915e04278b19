import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { KeyedEntry } from '../core/keyed-normalizer.ts';
import type { KeyedSnapshot } from '../core/keyed-snapshot.ts';
import { writeSyncedBy } from './replace-file.ts';

/*
 * The checkpoint of a channel with keys: lines of JSON, since a million keys are more than one text can hold.
 *
 *   {"format":"streamnorm.keyed-checkpoint/1", …}    what every checkpoint says
 *   ["AAPL",{…state},{…open window, if any}]         a key, the one unused for longest first
 *   {"checksum":"…"}                                 SHA-256 of all lines before
 */

export const KEYED_FORMAT = 'streamnorm.keyed-checkpoint/1';

/** Text that is made at a stretch, and so how long everything else waits: about 2 ms. */
const PIECE_CHARACTERS = 65_536;

/** Writes a file that is on disk when this resolves; where that fails it leaves none. The keys come bit by bit. */
export async function writeKeyed(file: string, header: object, keys: KeyedSnapshot<string>): Promise<void> {
  await writeSyncedBy(file, async (handle) => {
    const hash = createHash('sha256');
    let text = `${JSON.stringify(header)}\n`;
    for (;;) {
      const entry = keys.next();
      if (entry !== undefined) text += `${entry}\n`;
      if (entry === undefined || text.length >= PIECE_CHARACTERS) {
        hash.update(text);
        await handle.writeFile(text);
        text = '';
      }
      if (entry === undefined) break;
    }
    await handle.writeFile(`${JSON.stringify({ checksum: hash.digest('hex') })}\n`);
  });
}

/** True for a file that `writeKeyed` began. */
export async function isKeyed(file: string): Promise<boolean> {
  const start = `{"format":"${KEYED_FORMAT.replace(/\d+$/, '')}`;
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(start.length), 0, start.length, 0);
    return buffer.toString('latin1', 0, bytesRead) === start;
  } finally {
    await handle.close();
  }
}

/** The first line; undefined when the checksum does not hold, whatever the reason. */
export async function checkedHeader(file: string): Promise<Record<string, unknown> | undefined> {
  const hash: Hash = createHash('sha256');
  let header: string | undefined;
  let last: string | undefined;
  for await (const line of linesOf(file)) {
    if (last !== undefined) hash.update(`${last}\n`);
    header ??= line;
    last = line;
  }
  if (header === undefined || last === undefined) return undefined;
  if (last !== JSON.stringify({ checksum: hash.digest('hex') })) return undefined;
  return JSON.parse(header) as Record<string, unknown>;
}

/** The keys of a file whose checksum holds. */
export async function* keyedEntries(file: string): AsyncGenerator<KeyedEntry> {
  let isFirst = true;
  for await (const line of linesOf(file)) {
    if (!isFirst && line.startsWith('[')) yield JSON.parse(line) as KeyedEntry;
    isFirst = false;
  }
}

function linesOf(file: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
}
