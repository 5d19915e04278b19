import { FLAG, type FlagName, flagNames } from '../core/flags.ts';
import type { Notices } from './notices.ts';
import type { Rejects } from './rejects.ts';

const MOST_SHOWN = 20;

/** Counts rows that are kept out of the statistics, shows the first of them, and has them written where they are asked for. */
export class KeptOut {
  readonly #notices: Pick<Notices, 'line'>;
  readonly #rejects: Rejects | undefined;
  count: number;
  readonly #reasons: Map<FlagName, number>;

  constructor(notices: Pick<Notices, 'line'>, rejects: Rejects | undefined) {
    this.#notices = notices;
    this.#rejects = rejects;
    this.count = 0;
    this.#reasons = new Map();
  }

  /** @param flags of the row, and with them why */
  add(flags: number, { line, bytes }: { line: number; bytes: Buffer }): void {
    const reasons = flagNames(flags & ~(FLAG.quarantined | FLAG.dropped));
    this.count += 1;
    for (const reason of reasons) this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
    this.#rejects?.add(bytes);
    const what = (flags & FLAG.dropped) === 0 ? 'kept out of the statistics' : 'left out';
    if (this.count <= MOST_SHOWN) this.#notices.line(`line ${line}: ${what}: ${reasons.join(', ')}`);
    if (this.count === MOST_SHOWN + 1) this.#notices.line('more rows that are kept out are only counted');
  }

  /** How many, by reason; a row may have several. */
  get reasons(): Record<string, number> {
    return Object.fromEntries(this.#reasons);
  }
}
