import { StreamnormError } from '../errors.ts';
import type { Notices } from './notices.ts';

const MOST_SHOWN = 20;

/** Counts lines that cannot be read and shows the first of them; with `strict` the first ends the run. */
export class BadLines {
  readonly #notices: Pick<Notices, 'line'>;
  readonly #strict: boolean;
  count: number;

  constructor(notices: Pick<Notices, 'line'>, strict = false) {
    this.#notices = notices;
    this.#strict = strict;
    this.count = 0;
  }

  /** Takes the same lines a second time: they are known. */
  silent(): BadLines {
    return new BadLines({ line: () => {} });
  }

  /** @throws StreamnormError DATA when strict */
  add(line: number, what: string): void {
    this.count += 1;
    if (this.#strict) throw new StreamnormError('DATA', `line ${line}: ${what}`);
    if (this.count <= MOST_SHOWN) this.#notices.line(`line ${line}: ${what}`);
    if (this.count === MOST_SHOWN + 1) this.#notices.line('more bad lines are only counted');
  }
}

/** Text of the input as messages quote it. */
export function quoted(text: string): string {
  return text.length > 40 ? `'${text.slice(0, 40)}…'` : `'${text}'`;
}
