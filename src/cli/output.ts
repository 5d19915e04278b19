import type { Writable } from 'node:stream';
import { StreamnormError } from '../errors.ts';

/** The reader of standard output has gone, as `head` does: the end, and no failure. */
export class BrokenPipe extends Error {
  override readonly name = 'BrokenPipe';
}

/** Standard output with back pressure: a write is over when there is room for the next. */
export class Output {
  readonly #stream: Writable;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  readonly #onError: (error: NodeJS.ErrnoException) => void;
  readonly #onDrain: () => void;

  constructor(stream: Writable) {
    this.#stream = stream;
    this.#failure = undefined;
    this.#wake = undefined;
    this.#onDrain = () => this.#wake?.();
    this.#onError = (error) => {
      const broken = error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED';
      this.#failure = broken
        ? new BrokenPipe('standard output was closed')
        : new StreamnormError('UNAVAILABLE', `standard output cannot be written: ${error.message}`, { cause: error });
      this.#wake?.();
    };
    stream.on('error', this.#onError);
    stream.on('drain', this.#onDrain);
  }

  /** @throws BrokenPipe when nobody reads any more */
  async write(bytes: Uint8Array | string): Promise<void> {
    if (this.#failure === undefined && !this.#stream.write(bytes)) await this.#woken();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits until everything has been handed on. */
  async finish(): Promise<void> {
    if (this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#stream.write('', () => resolve());
      });
      this.#wake = undefined;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
