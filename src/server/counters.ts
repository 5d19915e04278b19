import { FLAG, type FlagName } from '../core/flags.ts';
import type { ErrorCode } from '../errors.ts';
import { Histogram } from './histogram.ts';

/** Why rows are missing for a subscriber. */
export type GapReason = 'slow' | 'history' | 'restart' | 'upstream';

/** What a channel has seen since the process began. */
export class Counters {
  messages = 0;
  /** Rows taken from producers. */
  rows = 0;
  /** Messages refused, by code. */
  readonly errors = new Map<ErrorCode, number>();
  /** Pushes that had been applied before. */
  duplicates = 0;
  /** Rows normalised with a flag, by flag. */
  readonly flags = new Map<FlagName, number>();
  /** Rows left out for slow subscribers, all of them together. */
  skipped = 0;
  /** Changes of means that were found. */
  drifts = 0;
  /** Subscribers cut off because they were too slow. */
  evicted = 0;
  /** Snapshots written; those who come between two blocks share one. */
  snapshots = 0;
  /** Gaps told to subscribers, by reason. */
  readonly gaps = new Map<GapReason, number>();
  /** How long pings sent among the rows took to be answered, in seconds. */
  readonly staleness = new Histogram([0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10]);

  error(code: ErrorCode): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  gap(reason: GapReason): void {
    this.gaps.set(reason, (this.gaps.get(reason) ?? 0) + 1);
  }

  flagged(rows: Uint16Array): void {
    for (const bits of rows) {
      if (bits === 0) continue;
      for (const name of FLAG_NAMES) {
        if ((bits & FLAG[name]) !== 0) this.flags.set(name, (this.flags.get(name) ?? 0) + 1);
      }
    }
  }

  toJSON() {
    return {
      messages: this.messages,
      rows: this.rows,
      duplicates: this.duplicates,
      errors: Object.fromEntries(this.errors),
      flags: Object.fromEntries(this.flags),
      gaps: Object.fromEntries(this.gaps),
      skipped: this.skipped,
      drifts: this.drifts,
      evicted: this.evicted,
      snapshots: this.snapshots,
    };
  }
}

const FLAG_NAMES = Object.keys(FLAG) as FlagName[];
