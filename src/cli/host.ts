import type { Readable, Writable } from 'node:stream';

/** The process around a command; a test gives its own. */
export interface Host {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls back on SIGINT and SIGTERM, which then no longer end the process by themselves; returns how to call that off. */
  onSignal(listener: (signal: StopSignal) => void): () => void;
  /** Calls back on SIGHUP, which then no longer ends the process; returns how to call that off. */
  onHangup(listener: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** A run that a signal has ended, in good order. */
export class StoppedBySignal extends Error {
  override readonly name = 'StoppedBySignal';
  /** As shells tell it. */
  readonly exitCode: number;

  constructor(signal: StopSignal) {
    super(signal);
    this.exitCode = signalExitCode(signal);
  }
}

export function signalExitCode(signal: StopSignal): number {
  return signal === 'SIGINT' ? 130 : 143;
}
