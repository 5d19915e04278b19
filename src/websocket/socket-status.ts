import type { ControlMessage } from './control-message.ts';

/** Numbers that did not come, came twice, too late or in disorder, or began anew. */
export type SequenceEvent = 'gap' | 'duplicate' | 'late' | 'sorted' | 'reset';

/**
 * What a socket is doing, for logs, counters and lights. `attempt` is 1 at first and counts on until a connection
 * has been up `stableMs`.
 */
export type SocketStatus =
  /** A try begins. */
  | { readonly type: 'connecting'; readonly attempt: number }
  /** The connection is up and the opening messages are written. */
  | { readonly type: 'open'; readonly attempt: number; readonly protocol: string }
  /** The connection is gone or never came up; `status` is the HTTP status of a refused upgrade. */
  | {
      readonly type: 'closed';
      readonly attempt: number;
      readonly code: number | undefined;
      readonly status: number | undefined;
      readonly reason: string;
      readonly cause: unknown;
    }
  /** The next try begins in `delayMs`. */
  | { readonly type: 'waiting'; readonly attempt: number; readonly delayMs: number }
  /** The server refused for good; the Observable errors with `error`. */
  | {
      readonly type: 'failed';
      readonly code: number | undefined;
      readonly status: number | undefined;
      readonly reason: string;
      readonly message: string;
      readonly error: Error;
    }
  /** A message could not be read and was left out; `count` so far. */
  | { readonly type: 'bad-message'; readonly count: number; readonly message: string; readonly error: unknown }
  /** A message of the streamnorm server that carries no rows: snapshot, heartbeat, gap, accepted, error, drift, bye. */
  | { readonly type: 'control'; readonly message: ControlMessage }
  /** Source with `sequence`: numbers missing (`gap`), double, late, put in order or begun anew; `total` of them so far. */
  | {
      readonly type: 'sequence';
      readonly what: SequenceEvent;
      readonly seq: number;
      readonly count: number;
      readonly total: number;
    }
  /**
   * Samples of a sink were dropped because its queue was full or it failed; messages of a source because more came while it
   * was held than may be kept. `total` so far.
   */
  | { readonly type: 'dropped'; readonly count: number; readonly total: number }
  /** Sink only: a sample cannot be written in the chosen format and was left out; `count` so far. */
  | { readonly type: 'bad-sample'; readonly count: number; readonly message: string; readonly error: unknown }
  /** Sink only: the server refused a message, by its reply `{"type":"error", …}`. */
  | { readonly type: 'rejected'; readonly code: string; readonly message: string; readonly row: number | undefined };
