import { type FileHandle, open } from 'node:fs/promises';
import { StreamnormError } from '../errors.ts';

const NEWLINE = 10;

/** A file of the lines that were kept out, as they came, so that nothing is lost. It has the header of CSV. */
export class Rejects {
  readonly #file: string;
  readonly #handle: FileHandle;
  #head: Buffer | undefined;
  #lines: Buffer[];

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
    this.#head = undefined;
    this.#lines = [];
  }

  /** @throws StreamnormError UNAVAILABLE when it cannot be written */
  static async open(file: string): Promise<Rejects> {
    try {
      return new Rejects(file, await open(file, 'w'));
    } catch (cause) {
      throw cannotWrite(file, cause);
    }
  }

  /** What comes before the first line, if there is one. */
  head(bytes: Buffer): void {
    this.#head = Buffer.from(bytes);
  }

  add(line: Uint8Array): void {
    // the memory it lies in is used again
    this.#lines.push(Buffer.from(line));
    if (line[line.length - 1] !== NEWLINE) this.#lines.push(Buffer.from([NEWLINE]));
  }

  /** Writes what was added. */
  async write(): Promise<void> {
    if (this.#lines.length === 0) return;
    // lines may be bad before the header has been passed on
    const bytes = Buffer.concat(this.#head === undefined ? this.#lines : [this.#head, ...this.#lines]);
    this.#head = undefined;
    this.#lines = [];
    try {
      await this.#handle.writeFile(bytes);
    } catch (cause) {
      throw cannotWrite(this.#file, cause);
    }
  }

  async close(): Promise<void> {
    await this.write();
    await this.#handle.close();
  }
}

function cannotWrite(file: string, cause: unknown): StreamnormError {
  return new StreamnormError('UNAVAILABLE', `${file} cannot be written: ${(cause as Error).message}`, { cause });
}
