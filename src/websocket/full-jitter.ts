/** Bounds of a back-off. */
export interface BackOff {
  /** Most that the first wait can be, in ms; default 250. */
  readonly minDelayMs?: number | undefined;
  /** Most that any wait can be, in ms; default 30,000. */
  readonly maxDelayMs?: number | undefined;
}

export const MIN_DELAY_MS = 250;
export const MAX_DELAY_MS = 30_000;

/**
 * How long to wait before trying again: `random · min(maxDelayMs, minDelayMs · 2^attempt)`.
 *
 * Idea: the bound doubles, and the wait is drawn from the whole of [0, bound), so that clients that were cut off
 * together do not come back together. Of the usual schemes it asks least of the server.
 *
 * Source: M. Brooker, "Exponential Backoff And Jitter" ("full jitter"), AWS Architecture Blog, 2015,
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 * @param attempt failures before this one: 0, 1, …
 * @param random uniform in [0, 1)
 * @example fullJitter(3, 0.5) // 1000 (0.5 · 250 · 2³)
 */
export function fullJitter(attempt: number, random: number, bounds: BackOff = {}): number {
  const { minDelayMs = MIN_DELAY_MS, maxDelayMs = MAX_DELAY_MS } = bounds;
  return random * Math.min(maxDelayMs, minDelayMs * 2 ** attempt);
}
