/** Of a second; the rest is for messages that the network pushes together. */
const MARGIN = 1.1;

/**
 * Holds sending to a rate: at most `perSecond` in any 1.1 s, since who counts them does so where they arrive. Knows no
 * clock: whoever asks tells the time. Memory: `perSecond` numbers.
 */
export class SendPacer {
  readonly #perSecond: number;
  /** When the last ones were sent, the oldest first. */
  readonly #sent: number[];

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#sent = [];
  }

  /** How long to wait before the next one may be sent; 0: now. */
  waitMs(nowMs: number): number {
    if (this.#sent.length < this.#perSecond) return 0;
    return Math.max(0, this.#sent[0] + 1_000 * MARGIN - nowMs);
  }

  sent(nowMs: number): void {
    this.#sent.push(nowMs);
    if (this.#sent.length > this.#perSecond) this.#sent.shift();
  }
}
