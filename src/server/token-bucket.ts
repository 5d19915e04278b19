/**
 * A rate with bursts: the bucket fills with `perSecond`, holds one second's worth and starts full; what is not in it
 * cannot be taken. The clock is the caller's, and must not go back.
 */
export class TokenBucket {
  readonly #perSecond: number;
  #level: number;
  #atMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#level = perSecond;
    this.#atMs = nowMs;
  }

  /** ms until `amount` can be taken; 0 now, Infinity when it is more than the bucket holds. Takes nothing. */
  waitMs(amount: number, nowMs: number): number {
    this.#fill(nowMs);
    if (amount > this.#perSecond) return Number.POSITIVE_INFINITY;
    return amount <= this.#level ? 0 : ((amount - this.#level) / this.#perSecond) * 1_000;
  }

  /** To be asked for `waitMs` before. */
  take(amount: number): void {
    this.#level -= amount;
  }

  isFull(nowMs: number): boolean {
    this.#fill(nowMs);
    return this.#level >= this.#perSecond;
  }

  #fill(nowMs: number): void {
    this.#level = Math.min(this.#perSecond, this.#level + ((nowMs - this.#atMs) / 1_000) * this.#perSecond);
    this.#atMs = nowMs;
  }
}
