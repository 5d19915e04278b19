/** Reads on in a channel's history when it is told that there is more. */
export interface HistoryReader {
  pump(): void;
}

/** Longest time at a stretch; then everything else has its turn. */
const SLICE_MS = 5;
/** What comes in one chunk of a socket is told at once, but none of it later than this. */
const GATHER_MS = 1;

/**
 * Tells every reader that there is more to read.
 *
 * Idea: 10,000 readers take 150 ms, so the round is cut in slices. A block that comes meanwhile starts no second round
 * beside it, but one more after it: readers have a cursor, and those not reached yet find both blocks. For the same
 * reason a round begins when the turn of the event loop is over: messages that came together leave together, with one
 * system call a reader instead of one a message.
 */
export class FanOut {
  readonly #readers: Set<HistoryReader>;
  #round: Iterator<HistoryReader> | undefined;
  #more: boolean;
  /** When the first of what was not told yet came; undefined while there is none. */
  #sinceMs: number | undefined;

  constructor() {
    this.#readers = new Set();
    this.#round = undefined;
    this.#more = false;
    this.#sinceMs = undefined;
  }

  /** Returns what ends it. */
  add(reader: HistoryReader): () => void {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  announce(): void {
    this.#more = true;
    if (this.#round !== undefined) return;
    const nowMs = performance.now();
    if (this.#sinceMs === undefined) {
      this.#sinceMs = nowMs;
      queueMicrotask(() => this.begin());
    } else if (nowMs - this.#sinceMs > GATHER_MS) {
      this.begin();
    }
  }

  /** True while there is something that waits for the end of the turn. */
  get waits(): boolean {
    return this.#sinceMs !== undefined;
  }

  /** Tells what waits, now. */
  begin(): void {
    this.#sinceMs = undefined;
    if (this.#round === undefined && this.#more) this.#slice();
  }

  #slice(): void {
    const end = performance.now() + SLICE_MS;
    for (let told = 1; ; told++) {
      if (this.#round === undefined) {
        if (!this.#more) return;
        this.#more = false;
        this.#round = this.#readers.values();
      }
      const { done, value } = this.#round.next();
      if (done) {
        this.#round = undefined;
      } else {
        value.pump();
        if (told % 16 === 0 && performance.now() > end) {
          setImmediate(() => this.#slice());
          return;
        }
      }
    }
  }
}
