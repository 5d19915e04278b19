import type { ConnectionClosed } from './connection-closed.ts';
import { boundedWaitMs, retryAfterMs } from './retry-after.ts';

/** Trying again would get the same answer: policy, bad message, no or wrong token, forbidden, no such channel. */
const FINAL_CODES = new Set([1008, 4400, 4401, 4403, 4404]);
const FINAL_STATUSES = new Set([401, 403, 404]);

/** The server is overloaded or dropped a slow reader. */
const TRY_LATER = 1013;
const TRY_LATER_MS = 5_000;

/** The position asked for by `since` no longer exists. */
export const SINCE_GONE = 4410;

/** True when the server refused for good. */
export function isFinal(closed: ConnectionClosed): boolean {
  return FINAL_CODES.has(closed.code as number) || FINAL_STATUSES.has(closed.status as number);
}

/**
 * The least wait in ms that the server asked for, before jitter: by `Retry-After`, by `retryAfterMs` of its `bye`,
 * or 5 s on close code 1013 (no more than `maxDelayMs`); else 0.
 */
export function leastWaitMs(closed: ConnectionClosed, byeMs: unknown, maxDelayMs: number, now: number): number {
  const asked = retryAfterMs(closed.retryAfter, now) ?? boundedWaitMs(byeMs);
  return asked ?? (closed.code === TRY_LATER ? Math.min(TRY_LATER_MS, maxDelayMs) : 0);
}
