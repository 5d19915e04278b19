import type { SocketEnd } from './socket-port.ts';

/** Why a connection is no more: the `cause` of `UNAVAILABLE`, and what travels inside this room from try to try. */
export class ConnectionClosed extends Error {
  override readonly name = 'ConnectionClosed';
  /** Close code; 1006 when the connection was cut; `undefined` when it was never tried. */
  readonly code: number | undefined;
  /** HTTP status, when the server refused the upgrade. */
  readonly status: number | undefined;
  readonly reason: string;
  /** The header `Retry-After` that came with `status`. */
  readonly retryAfter: string | undefined;

  constructor(end: SocketEnd) {
    super(describe(end), end.cause === undefined ? undefined : { cause: end.cause });
    this.code = end.code;
    this.status = end.status;
    this.reason = end.reason;
    this.retryAfter = end.retryAfter;
  }
}

function describe({ code, status, reason }: SocketEnd): string {
  if (status !== undefined) return `HTTP ${status}`;
  return [code === undefined ? undefined : `close code ${code}`, reason || undefined].filter(Boolean).join(': ');
}
