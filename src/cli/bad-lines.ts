import { StreamnormError } from '../errors.ts';
import type { Notices } from './notices.ts';
import type { Rejects } from './rejects.ts';

const MOST_SHOWN = 20;

/** Counts lines that cannot be read and shows the first of them; with `strict` the first ends the run. */
export class BadLines {
  readonly #notices: Pick<Notices, 'line'>;
  readonly #strict: boolean;
  readonly #rejects: Rejects | undefined;
  count: number;

  /** @param rejects where the lines are written */
  constructor(notices: Pick<Notices, 'line'>, strict = false, rejects?: Rejects) {
    this.#notices = notices;
    this.#strict = strict;
    this.#rejects = rejects;
    this.count = 0;
  }

  /** Takes the same lines a second time: they are known. */
  silent(): BadLines {
    return new BadLines({ line: () => {} });
  }

  /**
   * @param bytes of the line; undefined for one that is too long to be held
   * @throws StreamnormError DATA when strict
   */
  add(line: number, what: string, bytes?: Uint8Array): void {
    this.count += 1;
    if (bytes !== undefined) this.#rejects?.add(bytes);
    if (this.#strict) throw new StreamnormError('DATA', `line ${line}: ${what}`);
    if (this.count <= MOST_SHOWN) this.#notices.line(`line ${line}: ${what}`);
    if (this.count === MOST_SHOWN + 1) this.#notices.line('more bad lines are only counted');
  }
}

/** Text of the input as messages quote it. */
export function quoted(text: string): string {
  return text.length > 40 ? `'${text.slice(0, 40)}…'` : `'${text}'`;
}
