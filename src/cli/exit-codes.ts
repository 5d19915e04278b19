import { type ErrorCode, StreamnormError } from '../errors.ts';
import { UsageError } from './usage-error.ts';

/** Exit codes, after sysexits.h where it has one. */
export const EXIT = {
  ok: 0,
  /** The command line is wrong. */
  usage: 2,
  /** A line of the input cannot be read. */
  data: 65,
  /** A file that was named cannot be read. */
  noInput: 66,
  /** The other side, a port or a file cannot be had. */
  unavailable: 69,
  /** The configuration or a saved state is wrong. */
  config: 78,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  DATA: EXIT.data,
  NO_INPUT: EXIT.noInput,
  CONFIG: EXIT.config,
  STATE: EXIT.config,
};

/** The exit code that says what kind of failure this was; 1 for one that is a bug. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof StreamnormError) return BY_CODE[error.code] ?? EXIT.unavailable;
  return error instanceof UsageError ? EXIT.usage : 1;
}
