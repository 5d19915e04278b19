import type { Host } from './host.ts';

const PROGRESS_EVERY_MS = 500;
const ERASE_LINE = '\r\x1b[K';

/** Lines on standard error, each with the name of its command, and a progress line below them on a terminal. */
export class Notices {
  readonly #stderr: Host['stderr'];
  readonly #prefix: string;
  readonly #showsProgress: boolean;
  #progressShown: boolean;
  #nextProgressMs: number;

  constructor(command: string, { stderr, stdout }: Pick<Host, 'stderr' | 'stdout'>) {
    this.#stderr = stderr;
    this.#prefix = `streamnorm ${command}: `;
    // where rows go to the same terminal the two would overwrite each other
    this.#showsProgress = stderr.isTTY === true && stdout.isTTY !== true;
    this.#progressShown = false;
    this.#nextProgressMs = 0;
  }

  get onTerminal(): boolean {
    return this.#showsProgress;
  }

  line(text: string): void {
    this.clear();
    this.#stderr.write(`${this.#prefix}${printable(text)}\n`);
  }

  /** Shows progress, at most every half second. `text` is called only then. */
  progress(nowMs: number, text: () => string): void {
    if (!this.#showsProgress || nowMs < this.#nextProgressMs) return;
    this.#nextProgressMs = nowMs + PROGRESS_EVERY_MS;
    this.#progressShown = true;
    this.#stderr.write(`${ERASE_LINE}${this.#prefix}${text()}`);
  }

  clear(): void {
    if (this.#progressShown) this.#stderr.write(ERASE_LINE);
    this.#progressShown = false;
  }
}

/** Input quoted in a message must not steer the terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, (c) =>
    JSON.stringify(c).slice(1, -1).replace(c, '?'),
  );
}
