/** Counts what a peer should not do too often. */
export class PerMinute {
  readonly #most: number;
  #count: number;
  #endMs: number;

  constructor(most: number) {
    this.#most = most;
    this.#count = 0;
    this.#endMs = 0;
  }

  /** Counts one more; false when that is one too many for this minute. */
  allows(): boolean {
    const nowMs = performance.now();
    if (nowMs >= this.#endMs) {
      this.#count = 0;
      this.#endMs = nowMs + 60_000;
    }
    return ++this.#count <= this.#most;
  }
}
