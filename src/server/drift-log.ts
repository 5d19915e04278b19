import type { NormalizedRows } from '../core/row-normalizer.ts';

/** What subscribers are told when the mean of a feature has changed. */
export interface DriftMessage {
  readonly type: 'drift';
  /** The row that showed it, and its time in ms. */
  readonly seq: number;
  readonly t: number;
  /** Of the row, in a channel with keys. */
  readonly key?: string;
  readonly feature: string;
  readonly kind: 'increase' | 'decrease';
  readonly meanBefore: number;
  readonly meanAfter: number;
  /** Values behind the two means. */
  readonly before: number;
  readonly after: number;
  readonly detector: string;
  readonly action: 'tell' | 'reset' | 'faster';
}

/** The newest drifts of a channel, in the order of their rows: whoever comes later can still mark them. */
export class DriftLog {
  readonly #features: readonly string[];
  readonly #max: number;
  #drifts: DriftMessage[];
  /** Drifts left out of what is kept, the oldest first. */
  forgotten: number;

  constructor(features: readonly string[], max: number) {
    this.#features = features;
    this.#max = max;
    this.#drifts = [];
    this.forgotten = 0;
  }

  /** Adds what these rows showed, of which the first is row `seq`; how many that were. */
  add({ drifts = [], times, keys }: NormalizedRows, seq: number): number {
    for (const { row, feature, ...drift } of drifts) {
      const of = { ...(keys && { key: keys[row] }), feature: this.#features[feature] };
      this.#drifts.push({ type: 'drift', seq: seq + row, t: times[row], ...of, ...drift });
    }
    const excess = this.#drifts.length - this.#max;
    if (excess > 0) {
      this.#drifts = this.#drifts.slice(excess);
      this.forgotten += excess;
    }
    return drifts.length;
  }

  /** Those of the rows after `from` up to `to`; of one key, if it is given. */
  between(from: number, to: number, key?: string): DriftMessage[] {
    // the usual case by one look
    const newest = this.#drifts.at(-1);
    if (newest === undefined || newest.seq <= from) return [];
    return this.#drifts.filter(
      (drift) => drift.seq > from && drift.seq <= to && (key === undefined || drift.key === key),
    );
  }
}
