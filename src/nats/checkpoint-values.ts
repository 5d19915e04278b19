import { StreamnormError } from '../errors.ts';
import type { Checkpoint, SavedCheckpoint } from './port.ts';
import type { Values } from './values.ts';

/** The head of a checkpoint: JSON before the state, or before nothing when the state lies in chunks. */
interface Manifest {
  readonly format: 'streamnorm.log-checkpoint/1';
  readonly source: number;
  readonly savedAt: string;
  /** Bytes of the state. */
  readonly bytes: number;
  /** Where they are, when not in this value itself. */
  readonly chunks?: { readonly name: string; readonly count: number };
}

const FORMAT = 'streamnorm.log-checkpoint/1';
/** Beside the state: the manifest, headers and what the broker needs. */
const ROOM_BYTES = 2_048;

/**
 * Checkpoints of one partition, of any size: a state that is too large for one message goes in chunks first, and under a
 * manifest that names them last. The manifest alone is replaced by compare-and-swap.
 *
 * Chunks are named by the revision that they are meant to replace. So once a manifest is in place, chunks meant to replace
 * an earlier one can never come to be used, and are removed; those meant to replace the new one are left alone, since a
 * successor may be writing them.
 */
export class CheckpointValues {
  readonly #values: Values;
  readonly #key: string;
  readonly #maxBytes: number;
  /** Chunks may lie about: of the checkpoint before, or of one that was never finished. */
  #chunks: boolean;

  /** @param maxPayload bytes that the broker takes in a message */
  constructor(values: Values, generation: number, partition: number, maxPayload: number) {
    this.#values = values;
    this.#key = `${generation}.${partition}`;
    this.#maxBytes = maxPayload - ROOM_BYTES;
    this.#chunks = true;
  }

  /** @throws StreamnormError STATE for one that is damaged; UNAVAILABLE when it is being replaced: load again */
  async load(): Promise<(SavedCheckpoint & { savedAt: string }) | undefined> {
    const value = await this.#values.get(this.#manifestKey);
    if (value === undefined) return undefined;
    const { revision, data } = value;
    const end = data.indexOf(10);
    const manifest = readManifest(data.subarray(0, end), this.#key);
    const { source, savedAt, bytes, chunks } = manifest;
    const parts: Uint8Array[] = [];
    if (chunks === undefined) parts.push(data.subarray(end + 1));
    for (let i = 0; i < (chunks?.count ?? 0); i++) {
      const chunk = await this.#values.get(this.#chunkKey(chunks?.name ?? '', i));
      if (chunk === undefined) {
        throw new StreamnormError(
          'UNAVAILABLE',
          `chunk ${i} of checkpoint ${this.#key} at revision ${revision} is gone`,
        );
      }
      parts.push(chunk.data);
    }
    const state = joined(parts);
    if (state.length !== bytes) {
      throw new StreamnormError('STATE', `the checkpoint ${this.#key} has ${state.length} bytes, expected ${bytes}`);
    }
    return { source, state, revision, savedAt };
  }

  /** What the last checkpoint is of, without its state. */
  async head(): Promise<{ source: number; savedAt: string; revision: number } | undefined> {
    const value = await this.#values.get(this.#manifestKey);
    if (value === undefined) return undefined;
    const { source, savedAt } = readManifest(value.data.subarray(0, value.data.indexOf(10)), this.#key);
    return { source, savedAt, revision: value.revision };
  }

  /** @throws StreamnormError FENCED */
  async save(revision: number, { source, state }: Checkpoint): Promise<number> {
    const head = { format: FORMAT, source, savedAt: new Date().toISOString(), bytes: state.length } as const;
    if (state.length <= this.#maxBytes) {
      const saved = await this.#values.put(this.#manifestKey, joined([line(head), state]), revision);
      await this.#removeChunks(revision, undefined);
      return saved;
    }
    this.#chunks = true;
    const name = `${revision}-${Math.random().toString(36).slice(2, 12)}`;
    const count = Math.ceil(state.length / this.#maxBytes);
    for (let i = 0; i < count; i++) {
      const chunk = state.subarray(i * this.#maxBytes, (i + 1) * this.#maxBytes);
      await this.#values.put(this.#chunkKey(name, i), chunk, 0);
    }
    const saved = await this.#values.put(this.#manifestKey, line({ ...head, chunks: { name, count } }), revision);
    await this.#removeChunks(revision, name);
    return saved;
  }

  /** Removes all chunks that were meant to replace `revision` or one before it, but those of `kept`. */
  async #removeChunks(revision: number, kept: string | undefined): Promise<void> {
    if (!this.#chunks) return;
    try {
      const prefix = `chunk.${this.#key}.`;
      const names = new Set<string>();
      for (const key of await this.#values.keys(`${prefix}>`)) names.add(key.slice(prefix.length).split('.')[0]);
      for (const name of names) {
        if (name !== kept && Number(name.split('-')[0]) <= revision) await this.#values.clear(`${prefix}${name}.>`);
      }
      this.#chunks = kept !== undefined;
    } catch {
      // they only take room, and the next checkpoint comes by
    }
  }

  get #manifestKey(): string {
    return `manifest.${this.#key}`;
  }

  #chunkKey(name: string, i: number): string {
    return `chunk.${this.#key}.${name}.${i}`;
  }
}

function line(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(manifest)}\n`);
}

function readManifest(data: Uint8Array, key: string): Manifest {
  let manifest: Partial<Manifest>;
  try {
    manifest = JSON.parse(new TextDecoder().decode(data)) as Partial<Manifest>;
  } catch (cause) {
    throw new StreamnormError('STATE', `the checkpoint ${key} cannot be read`, { cause });
  }
  if (manifest?.format !== FORMAT) {
    throw new StreamnormError('STATE', `the checkpoint ${key} has format ${manifest?.format}, expected ${FORMAT}`);
  }
  return manifest as Manifest;
}

/** One piece of memory. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const all = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
