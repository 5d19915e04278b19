/**
 * Every way streamnorm fails at a boundary, with what it means. One list: the wire, the command line and the
 * documentation all read it, and a test holds the three equal.
 */
export const ERROR_CODES = {
  BAD_JSON: 'the message is not JSON of a documented form',
  BAD_DIM: 'a row has another number of values than the channel has features, or the message has no or too many rows',
  BAD_VALUE: 'a value is neither a number nor null, or is lacking where that is an error',
  BAD_FRAME: 'the binary frame does not follow the layout',
  BAD_QUERY: 'a parameter of the URL is unknown or out of range',
  NO_CHANNEL: 'there is no channel of that name',
  READ_ONLY: 'a subscriber may not send rows',
  AUTH: 'the token is missing, wrong or expired',
  FORBIDDEN: 'the token does not allow this',
  SEQ_FUTURE: 'since is later than anything this channel has sent',
  RATE: 'more than the rows or bytes a second that are allowed; try again after retryAfterMs',
  OVERLOADED: 'a limit of the server is reached; try again later',
  CONFIG: 'the configuration is wrong',
  STATE: 'a saved state cannot be used',
  STATE_LOCKED: 'another process uses the state directory',
  DATA: 'the input holds a line that cannot be read',
  NO_INPUT: 'a file that was named cannot be read',
  UNAVAILABLE: 'the other side cannot be reached or refused for good',
  QUEUE_OVERFLOW: 'a bounded queue was full and its oldest entries were dropped',
  FENCED: 'another owner of the partition has written in between',
  LOG_GAP: 'the log or its outputs no longer hold what a checkpoint needs',
  LOG_MISMATCH: 'the streams of the broker are not what the configuration describes',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** A failure at a boundary (wire, file, configuration). Wrong parameters throw `TypeError` or `RangeError` instead. */
export class StreamnormError extends Error {
  override readonly name = 'StreamnormError';
  readonly code: ErrorCode;
  /** Index of the row at fault within its message, where there is one. */
  readonly row: number | undefined;
  /** When the same may be tried again, where that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: { row?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.row = details.row;
    this.retryAfterMs = details.retryAfterMs;
  }
}
