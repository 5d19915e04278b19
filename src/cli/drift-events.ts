import { closeSync, openSync, writeSync } from 'node:fs';
import type { RowDrift } from '../core/row-normalizer.ts';
import { StreamnormError } from '../errors.ts';
import type { Host } from './host.ts';
import type { Notices } from './notices.ts';

/** Changes of means as NDJSON: to a file, or to standard error. They are few, so each is written at once. */
export class DriftEvents {
  readonly #stderr: Host['stderr'];
  readonly #notices: Notices;
  readonly #keyed: boolean;
  readonly #file: number | undefined;
  count: number;

  /** @throws StreamnormError UNAVAILABLE when the file cannot be written */
  constructor(file: string | undefined, keyed: boolean, { stderr }: Pick<Host, 'stderr'>, notices: Notices) {
    this.#stderr = stderr;
    this.#notices = notices;
    this.#keyed = keyed;
    this.count = 0;
    try {
      this.#file = file === undefined ? undefined : openSync(file, 'w');
    } catch (cause) {
      throw new StreamnormError('UNAVAILABLE', `${file} cannot be written: ${(cause as Error).message}`, { cause });
    }
  }

  /** Rows are told by their number, from 1. */
  tell({ row, ...drift }: RowDrift, time: number, key: string, feature: string): void {
    this.count++;
    const event = { type: 'drift', row: row + 1, t: time, ...(this.#keyed && { key }), ...drift, feature };
    const line = `${JSON.stringify(event)}\n`;
    if (this.#file !== undefined) {
      writeSync(this.#file, line);
      return;
    }
    this.#notices.clear();
    this.#stderr.write(line);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}
