import { StreamnormError } from '../errors.ts';
import type { Limits } from './config/limits.ts';
import { KeyedBuckets } from './keyed-buckets.ts';
import { TokenBucket } from './token-bucket.ts';

/** What one producer may still send. */
export interface ProducerRate {
  /** @throws StreamnormError RATE with the time to wait, or without one for what never fits */
  takeBytes(bytes: number): void;
  /** @throws StreamnormError RATE, as above */
  takeRows(rows: number): void;
}

/** Rows and bytes a second of producers: of all with a token together, so that more connections are no way around. */
export class ProducerRates {
  readonly #limits: Limits;
  readonly #rows: KeyedBuckets;
  readonly #bytes: KeyedBuckets;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#rows = new KeyedBuckets(limits.maxRowsPerSecond, limits.maxRememberedAddresses);
    this.#bytes = new KeyedBuckets(limits.maxBytesPerSecond, limits.maxRememberedAddresses);
  }

  /** @param holder whose token it has; undefined for a connection that counts by itself */
  of(holder: string | undefined): ProducerRate {
    const { maxRowsPerSecond, maxBytesPerSecond } = this.#limits;
    const nowMs = performance.now();
    const alone = holder === undefined;
    const rows = alone ? new TokenBucket(maxRowsPerSecond, nowMs) : this.#rows.of(holder, nowMs);
    const bytes = alone ? new TokenBucket(maxBytesPerSecond, nowMs) : this.#bytes.of(holder, nowMs);
    return {
      takeRows: (amount) => takeFrom(rows, amount, maxRowsPerSecond, 'rows'),
      takeBytes: (amount) => takeFrom(bytes, amount, maxBytesPerSecond, 'bytes'),
    };
  }
}

function takeFrom(bucket: TokenBucket, amount: number, most: number, what: string): void {
  const waitMs = bucket.waitMs(amount, performance.now());
  if (waitMs === Number.POSITIVE_INFINITY) {
    throw new StreamnormError('RATE', `the message has ${amount} ${what}, and ${most} a second are allowed`);
  }
  if (waitMs > 0) {
    throw new StreamnormError('RATE', `more than ${most} ${what} a second`, { retryAfterMs: Math.ceil(waitMs) });
  }
  bucket.take(amount);
}
