const BUCKETS = 10;
const BUCKET_MS = 1000;

/** Events a second over the last ten seconds, in ten preallocated buckets; fewer while the meter is young. */
export class RateMeter {
  readonly #counts = new Float64Array(BUCKETS);
  readonly #startedAt: number;
  #bucket: number;

  constructor(now: number) {
    this.#startedAt = now;
    this.#bucket = Math.floor(now / BUCKET_MS);
  }

  add(now: number, count: number): void {
    this.#advance(now);
    this.#counts[this.#bucket % BUCKETS] += count;
  }

  perSecond(now: number): number {
    this.#advance(now);
    // The newest bucket is only begun, so the span reaches from the start of the oldest one to now.
    const span = now - Math.max(this.#startedAt, (this.#bucket - BUCKETS + 1) * BUCKET_MS);
    let sum = 0;
    for (const count of this.#counts) sum += count;
    return (sum * 1000) / Math.max(span, BUCKET_MS);
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / BUCKET_MS);
    if (bucket - this.#bucket >= BUCKETS) this.#counts.fill(0);
    else for (let b = this.#bucket + 1; b <= bucket; b++) this.#counts[b % BUCKETS] = 0;
    if (bucket > this.#bucket) this.#bucket = bucket;
  }
}
