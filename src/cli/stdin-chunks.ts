import { fstatSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { StreamnormError } from '../errors.ts';

type Next = IteratorResult<Buffer, undefined>;

/** Standard input in chunks, which may be told to end. */
export class StdinChunks implements AsyncIterator<Buffer, undefined> {
  readonly #chunks: AsyncIterator<Buffer>;
  #stopped: boolean;
  #stop: (() => void) | undefined;

  /** @throws StreamnormError NO_INPUT for a folder, which Node takes for an empty input */
  constructor(stdin: Readable) {
    const { fd } = stdin as { fd?: unknown };
    if (typeof fd === 'number' && fstatSync(fd).isDirectory()) {
      throw new StreamnormError('NO_INPUT', 'standard input is a directory');
    }
    this.#chunks = stdin[Symbol.asyncIterator]();
    this.#stopped = false;
    this.#stop = undefined;
  }

  next(): Promise<Next> {
    if (this.#stopped) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#stop = () => resolve({ done: true, value: undefined });
      this.#chunks.next().then(
        (next) => resolve(next as Next),
        (cause: Error) => {
          reject(new StreamnormError('NO_INPUT', `standard input cannot be read: ${cause.message}`, { cause }));
        },
      );
    });
  }

  /** The end, though more may come. */
  stop(): void {
    this.#stopped = true;
    this.#stop?.();
  }
}
