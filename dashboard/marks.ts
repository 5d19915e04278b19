/** Something that happened on the curves, at one moment of their time axis. */
export interface Mark {
  kind: 'gap' | 'epoch' | 'drift';
  /** On the time axis of the curves. */
  time: number;
  /** The row after which it stands; of a drift the row that showed it. */
  seq: number;
  /** Two words, for the picture. */
  label: string;
  /** Undefined when it concerns all features. */
  feature?: string;
}

/** The newest marks, in the order in which they came; bounded, since a page may stay open for months. */
export class Marks {
  readonly capacity: number;
  #marks: readonly Mark[] = [];

  constructor(capacity = 200) {
    this.capacity = capacity;
  }

  add(mark: Mark): void {
    this.#marks = [...this.#marks, mark].slice(-this.capacity);
  }

  clear(): void {
    this.#marks = [];
  }

  /** Those between two times, of all features and of this one. */
  between(from: number, to: number, feature: string): Mark[] {
    return this.#marks.filter(
      ({ time, feature: of }) => time >= from && time <= to && (of === undefined || of === feature),
    );
  }
}

/** Which of the labels fit beside one another: those that would cover the one before are left out. */
export function labelsThatFit(lefts: readonly number[], widths: readonly number[], end: number): boolean[] {
  let free = Number.NEGATIVE_INFINITY;
  const order = lefts.map((_, i) => i).sort((a, b) => lefts[a] - lefts[b]);
  const fits = lefts.map(() => false);
  for (const i of order) {
    if (lefts[i] < free || lefts[i] + widths[i] > end) continue;
    fits[i] = true;
    free = lefts[i] + widths[i];
  }
  return fits;
}
