import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyedEntry } from '../core/keyed-normalizer.ts';
import type { KeyedSnapshot } from '../core/keyed-snapshot.ts';
import type { MethodOptions } from '../core/methods.ts';
import type { PendingRows } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import { wrongField } from './checkpoint-form.ts';
import { checkedHeader, isKeyed, KEYED_FORMAT, keyedEntries, writeKeyed } from './keyed-checkpoint.ts';
import { newEpoch } from './new-epoch.ts';
import { syncDirectory, writeSynced } from './replace-file.ts';
import { StateLock } from './state-lock.ts';

/** Everything of a channel that must outlive the process. */
export interface Checkpoint {
  readonly format: 'streamnorm.checkpoint/1' | typeof KEYED_FORMAT;
  readonly channel: string;
  readonly features: readonly string[];
  readonly method: string;
  readonly options: MethodOptions;
  readonly epoch: string;
  /** Last row that the statistics hold. */
  readonly seq: number;
  /**
   * No row beyond this number has been sent. After a crash numbering goes on behind it, so that no number ever names two
   * rows; equal to `seq` after an orderly stop.
   */
  readonly seqLimit: number;
  /** Field of the key, of a channel with keys. */
  readonly key?: string;
  readonly state: StatisticState;
  /** Rows of the open window. */
  readonly pending: PendingRows;
  /** Last `seq` of each producer. */
  readonly producers: readonly (readonly [string, number])[];
  readonly savedAt: string;
}

/** A checkpoint as it was found. */
export interface LoadedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Why it is not the newest one, in one line. */
  readonly warning: string | undefined;
  /** What is kept of each key, of a channel with keys. */
  readonly keys: AsyncIterable<KeyedEntry> | undefined;
}

/** What a checkpoint must be of, to be used. */
export interface CheckpointOwner {
  readonly channel: string;
  readonly features: readonly string[];
  readonly method: string;
  /** Field of the key; undefined: the channel has no keys. */
  readonly key?: string | undefined;
}

const FORMAT = 'streamnorm.checkpoint/1';

/** The file is not what was written: another one may do. */
class Damaged extends StreamnormError {}

/**
 * Checkpoints of a server: one file a channel, each written whole or not at all, and the one before it beside it.
 *
 * Idea: the new file is written and synced under another name; then, in one step of this thread, it takes the place of
 * the former. So a checkpoint that had to be written at once (`saveNow`) is never replaced by an older one that was
 * still on its way. A checksum over the text finds what a disk has changed.
 */
export class CheckpointStore {
  readonly dir: string;
  readonly #lock: StateLock | undefined;
  /** Number of the last save begun; and, of each channel, of the last that is on disk. */
  #begun: number;
  readonly #onDisk: Map<string, number>;

  private constructor(dir: string, lock: StateLock | undefined) {
    this.dir = dir;
    this.#lock = lock;
    this.#begun = 0;
    this.#onDisk = new Map();
  }

  /** @throws StreamnormError STATE when the directory cannot be made, STATE_LOCKED when another process has it */
  static async open(dir: string): Promise<CheckpointStore> {
    try {
      await mkdir(dir, { recursive: true });
    } catch (cause) {
      throw new StreamnormError('STATE', `the state directory ${dir} cannot be used: ${(cause as Error).message}`, {
        cause,
      });
    }
    return new CheckpointStore(dir, await StateLock.take(dir));
  }

  /** Lets another process have the directory. */
  async close(): Promise<void> {
    await this.#lock?.release();
  }

  /**
   * The checkpoint of a channel; undefined when there is none. One that is damaged is put aside for the one before it,
   * whose rows get a new epoch: which numbers were given after it is not known.
   *
   * @throws StreamnormError STATE when both are damaged, or it is of a newer version, another channel, features or method
   */
  async load(owner: CheckpointOwner): Promise<LoadedCheckpoint | undefined> {
    const file = this.#file(owner.channel);
    const keysOf = (from: string) => (owner.key === undefined ? undefined : keyedEntries(from));
    try {
      const checkpoint = await read(file, owner);
      if (checkpoint === undefined) return undefined;
      const seqLimit = await readReserve(reserveOf(file), checkpoint);
      return { checkpoint: { ...checkpoint, seqLimit }, warning: undefined, keys: keysOf(file) };
    } catch (error) {
      if (!(error instanceof Damaged)) throw error;
      const former = await read(formerOf(file), owner).catch(() => undefined);
      if (former === undefined) throw error;
      const { epoch: _, ...kept } = former;
      renameSync(file, `${file}.damaged`);
      return {
        checkpoint: { ...kept, epoch: newEpoch() },
        warning: `${error.message}; it is now ${file}.damaged, and the checkpoint of ${former.savedAt} before it is used`,
        keys: keysOf(formerOf(file)),
      };
    }
  }

  /** Replaces the checkpoint of a channel: it is the former or the new one at every moment, also of a power cut. */
  async save(checkpoint: Checkpoint, keys?: KeyedSnapshot<string>): Promise<void> {
    const number = ++this.#begun;
    const file = this.#file(checkpoint.channel);
    const fresh = `${file}.new`;
    if (keys === undefined) await writeSynced(fresh, textOf(checkpoint));
    else await writeKeyed(fresh, { ...checkpoint, format: KEYED_FORMAT }, keys);
    if (!this.#takePlace(checkpoint.channel, number, fresh, file)) return;
    // after an orderly stop no number beyond it was sent
    if (keys !== undefined && checkpoint.seqLimit === checkpoint.seq) rmSync(reserveOf(file), { force: true });
    await syncDirectory(this.dir);
  }

  /** `save` for the moments that cannot wait. Of a channel with keys, whose checkpoint could take long: its numbers alone. */
  saveNow(checkpoint: Checkpoint): void {
    const number = ++this.#begun;
    const file = this.#file(checkpoint.channel);
    const fresh = `${file}.now`;
    const isKeyed = checkpoint.key !== undefined;
    const descriptor = openSync(fresh, 'w');
    try {
      writeFileSync(descriptor, isKeyed ? reserveText(checkpoint) : textOf(checkpoint));
      fsyncSync(descriptor);
    } catch (error) {
      rmSync(fresh, { force: true });
      throw error;
    } finally {
      closeSync(descriptor);
    }
    if (isKeyed) renameSync(fresh, reserveOf(file));
    else this.#takePlace(checkpoint.channel, number, fresh, file);
    const directory = openSync(this.dir, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }

  /** False when a newer one is there already. */
  #takePlace(channel: string, number: number, fresh: string, file: string): boolean {
    if (number < (this.#onDisk.get(channel) ?? 0)) {
      rmSync(fresh, { force: true });
      return false;
    }
    try {
      rmSync(formerOf(file), { force: true });
      linkSync(file, formerOf(file));
    } catch {
      // there is no former one yet, or the file system has no links: then there is one generation
    }
    renameSync(fresh, file);
    this.#onDisk.set(channel, number);
    return true;
  }

  #file(channel: string): string {
    return join(this.dir, `${channel}.json`);
  }
}

function formerOf(file: string): string {
  return `${file}.former`;
}

/** Row numbers that were kept free since the checkpoint of a channel with keys. */
function reserveOf(file: string): string {
  return `${file}.reserve`;
}

function reserveText({ epoch, seqLimit }: Checkpoint): string {
  return `${JSON.stringify({ epoch, seqLimit })}\n`;
}

/** The larger limit: a number that was sent is never given again. */
async function readReserve(file: string, { key, epoch, seqLimit }: Checkpoint): Promise<number> {
  if (key === undefined) return seqLimit;
  const text = await readFile(file, 'utf8').catch(() => '{}');
  try {
    const kept = JSON.parse(text) as Partial<Checkpoint>;
    return kept.epoch === epoch && Number.isSafeInteger(kept.seqLimit) && Number(kept.seqLimit) > seqLimit
      ? Number(kept.seqLimit)
      : seqLimit;
  } catch {
    throw new StreamnormError('STATE', `${file} is damaged; move it and the checkpoint beside it away to begin anew`);
  }
}

/** JSON with a checksum of all before it as its last field. */
function textOf(checkpoint: Checkpoint): string {
  const body = JSON.stringify(checkpoint).slice(0, -1);
  return `${body},"checksum":"${checksum(body)}"}\n`;
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function read(file: string, owner: CheckpointOwner): Promise<Checkpoint | undefined> {
  const refuse = (why: string): never => {
    throw new StreamnormError('STATE', `${file} ${why}; move it away to begin anew`);
  };
  const damaged = (why: string, cause?: unknown): never => {
    throw new Damaged('STATE', `${file} is damaged: ${why}; move it away to begin anew`, { cause });
  };
  const well = (read: Partial<Checkpoint>): Checkpoint => {
    const field = wrongField(read);
    return field === undefined ? (read as Checkpoint) : refuse(`has no valid ${field}`);
  };
  let keyed: boolean;
  let text = '';
  try {
    keyed = await isKeyed(file);
    if (!keyed) text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StreamnormError('STATE', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
  let saved: Partial<Checkpoint> | null | undefined;
  try {
    saved = keyed ? await checkedHeader(file) : (JSON.parse(text) as Partial<Checkpoint> | null);
  } catch (cause) {
    return damaged('it is not JSON', cause);
  }
  if (saved === undefined) return damaged('its checksum is another one');
  const format = saved?.format as unknown;
  if (saved === null || typeof format !== 'string') return damaged('it has no format');
  const wanted = keyed ? KEYED_FORMAT : FORMAT;
  if (format !== wanted) {
    return refuse(
      /^streamnorm\.(keyed-)?checkpoint\/\d+$/.test(format)
        ? `has format ${format}, which a newer version wrote; this one reads ${wanted}`
        : `has format ${format}, expected ${wanted}`,
    );
  }
  const { channel, features, method, key } = owner;
  if (saved.channel !== channel) return refuse(`belongs to channel ${String(saved.channel)}`);
  if (saved.method !== method) return refuse(`was saved by method ${String(saved.method)}, the config has ${method}`);
  if (!Array.isArray(saved.features) || saved.features.join('\0') !== features.join('\0')) {
    return refuse(`has the features ${String(saved.features)}, the config has ${features.join(',')}`);
  }
  if (saved.key !== key) {
    const has = (field: string | undefined) => (field === undefined ? 'no key' : `key '${field}'`);
    return refuse(`was saved with ${has(saved.key)}, the config has ${has(key)}`);
  }
  if (keyed) return well(saved);
  const [, body, sum] = /^(.*),"checksum":"([0-9a-f]{64})"\}\s*$/s.exec(text) ?? [];
  if (body === undefined || checksum(body) !== sum) return damaged('its checksum is another one');
  return well(saved);
}
