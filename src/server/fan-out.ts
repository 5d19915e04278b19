/** Reads on in a channel's history when it is told that there is more. */
export interface HistoryReader {
  pump(): void;
}

/** Longest time at a stretch; then everything else has its turn. */
const SLICE_MS = 5;

/**
 * Tells every reader that there is more to read.
 *
 * Idea: 10,000 readers take 150 ms, so the round is cut in slices. A block that comes meanwhile starts no second round
 * beside it, but one more after it: readers have a cursor, and those not reached yet find both blocks.
 */
export class FanOut {
  readonly #readers: Set<HistoryReader>;
  #round: Iterator<HistoryReader> | undefined;
  #more: boolean;

  constructor() {
    this.#readers = new Set();
    this.#round = undefined;
    this.#more = false;
  }

  /** Returns what ends it. */
  add(reader: HistoryReader): () => void {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  announce(): void {
    this.#more = true;
    if (this.#round === undefined) this.#slice();
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
