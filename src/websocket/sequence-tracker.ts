/** What a number is, seen from those before it. */
export type SequencePlace =
  /** The first of a count, or the one after the last. */
  | 'next'
  /** Numbers between have not come. */
  | 'ahead'
  /** It has come before. */
  | 'duplicate'
  /** It was missing, and its turn is over. */
  | 'late'
  /** The other side counts anew. */
  | 'reset';

/** A number this far back and still 0 or 1 is the begin of a new count, not the first message once again. */
const RESTART_DISTANCE = 16;

/**
 * Tells gaps, duplicates, late numbers and new counts from each other, in numbers that should grow by 1.
 *
 * Idea: only what has not come is remembered, as ranges, and only for the last `memory` numbers. A number below them is
 * neither a duplicate nor late but a count that began anew; so is 0 or 1 once the count is well past it.
 *
 * Cost: constant, but for a late number, which looks through the ranges. Memory: at most `memory` / 2 ranges.
 */
export class SequenceTracker {
  readonly #memory: number;
  /** What comes next; undefined before the first. */
  #next: number | undefined;
  /** Numbers that have not come, ascending, [first, last]. */
  #missing: [number, number][];

  /** @param memory numbers for which a duplicate is told from a new count */
  constructor(memory = 1_024) {
    this.#memory = memory;
    this.#next = undefined;
    this.#missing = [];
  }

  /** The number that comes next; undefined before the first. */
  get next(): number | undefined {
    return this.#next;
  }

  /** What this number is; nothing changes. */
  place(seq: number): SequencePlace {
    const next = this.#next;
    if (next === undefined || seq === next) return 'next';
    if (seq > next) return 'ahead';
    if (seq < next - this.#memory || (seq <= 1 && next - seq > RESTART_DISTANCE)) return 'reset';
    return this.#missing.some(([first, last]) => seq >= first && seq <= last) ? 'late' : 'duplicate';
  }

  /** Takes a number that is next, or ahead: what was between is missing from now on. Returns how many those are. */
  take(seq: number): number {
    const from = this.#next ?? seq;
    this.#next = seq + 1;
    if (seq > from) this.#missing.push([from, seq - 1]);
    this.#forget(this.#next - this.#memory);
    return seq - from;
  }

  /** A late number has come: from now on it is a duplicate. */
  takeLate(seq: number): void {
    this.#missing = this.#missing.flatMap(([first, last]): [number, number][] => {
      if (seq < first || seq > last) return [[first, last]];
      const parts: [number, number][] = [];
      if (seq > first) parts.push([first, seq - 1]);
      if (seq < last) parts.push([seq + 1, last]);
      return parts;
    });
  }

  /** Begins anew: the next number is the first. */
  reset(): void {
    this.#next = undefined;
    this.#missing = [];
  }

  #forget(before: number): void {
    let gone = 0;
    while (gone < this.#missing.length && this.#missing[gone][1] < before) gone++;
    if (gone > 0) this.#missing.splice(0, gone);
    if (this.#missing.length > 0 && this.#missing[0][0] < before) this.#missing[0][0] = before;
  }
}
