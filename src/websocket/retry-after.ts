/** No server is waited for longer than this, and timers hold 2^31 ms at most. */
const LONGEST_MS = 3_600_000;

/**
 * Milliseconds asked for by an HTTP `Retry-After` (RFC 9110 §10.2.3: seconds or a date), at most an hour.
 * `undefined` when the header is absent or means nothing.
 *
 * @param now the wall clock in ms, for dates
 * @example retryAfterMs('3', 0) // 3000
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d+$/.test(text)) return boundedWaitMs(Number(text) * 1_000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : boundedWaitMs(date - now);
}

/** A wait as it can be kept: 0 to an hour; `undefined` unless it is a number. */
export function boundedWaitMs(ms: unknown): number | undefined {
  if (typeof ms !== 'number' || Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(ms, 0), LONGEST_MS);
}
