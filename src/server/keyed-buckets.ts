import { TokenBucket } from './token-bucket.ts';

/** One `TokenBucket` for each key. Of too many, the one longest not asked for is forgotten, hence full again. */
export class KeyedBuckets {
  readonly #perSecond: number;
  readonly #maxKeys: number;
  readonly #buckets: Map<string, TokenBucket>;
  /** Keys that were forgotten before their bucket was full again. */
  forgotten: number;

  constructor(perSecond: number, maxKeys: number) {
    this.#perSecond = perSecond;
    this.#maxKeys = maxKeys;
    this.#buckets = new Map();
    this.forgotten = 0;
  }

  of(key: string, nowMs: number): TokenBucket {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#perSecond, nowMs);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) {
      const [oldest, other] = this.#buckets.entries().next().value as [string, TokenBucket];
      if (!other.isFull(nowMs)) this.forgotten++;
      this.#buckets.delete(oldest);
    }
    return bucket;
  }
}
