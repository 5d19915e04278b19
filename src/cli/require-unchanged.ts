import { DRIFT_OPTIONS } from '../core/drift-options.ts';
import { createNormalizer, type Method, type MethodOptions } from '../core/methods.ts';
import { RATE_OPTIONS } from '../core/rate.ts';
import { StreamnormError } from '../errors.ts';
import { flagOf } from './method-flags.ts';
import type { SavedStates } from './saved-state.ts';

/** A rate may be saved under another name than it was given. */
const RATE_FIELDS = ['alpha', 'cumulative', 'halfLifeMs'];

/**
 * A saved state goes on with the options that it was made with. Options that say something else must not be ignored
 * silently.
 *
 * @throws StreamnormError STATE naming the option
 */
export function requireUnchanged(
  method: Method,
  names: readonly string[],
  options: MethodOptions,
  saved: SavedStates,
): void {
  const wanted = createNormalizer(method, names, options).state() as unknown as Record<string, unknown>;
  for (const state of saved.values()) {
    // a file may hold anything
    const kept = (state ?? {}) as unknown as Record<string, unknown>;
    if (kept.format !== wanted.format) {
      const found = `has format ${String(kept.format)}, --method ${method} continues ${wanted.format}`;
      throw new StreamnormError('STATE', `the state ${found}`);
    }
    for (const name of Object.keys(options)) {
      // how values come out is no part of these states; theirs of the name is the weight of all samples
      if (name === 'weight' && method !== 'batch') continue;
      // nor are those of the detectors, which begin anew under other options
      if ((DRIFT_OPTIONS as readonly string[]).includes(name)) continue;
      const fields = (RATE_OPTIONS as readonly string[]).includes(name) ? RATE_FIELDS : [name];
      const changed = fields.find((field) => JSON.stringify(kept[field]) !== JSON.stringify(wanted[field]));
      if (changed === undefined) continue;
      const made = fields
        .filter((field) => kept[field] != null)
        .map((field) => `${field} ${JSON.stringify(kept[field])}`);
      throw new StreamnormError(
        'STATE',
        `the state was made with ${made.join(', ') || `no ${name}`}, which ${flagOf(name)} cannot change; leave it out or begin a new state`,
      );
    }
  }
}
