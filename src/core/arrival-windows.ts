interface OpenWindow {
  /** Which of the samples held is its first; as many as are held where it has none yet. */
  from: number;
  readonly openedAt: number;
  readonly split: boolean;
}

/**
 * Windows that are opened and closed from outside, and hold the samples that came in between. They close in the order
 * in which they were opened, and may overlap.
 *
 * Idea: samples are held once, in the order of arrival, and a window is where it began. Cost: a copy of each window,
 * and one of what is left when the oldest closes. Memory: the samples from the oldest open window on.
 *
 * @example
 * const windows = new ArrivalWindows();
 * windows.open(0);
 * windows.add('a');
 * windows.open(5);
 * windows.add('b');
 * windows.close(); // { samples: ['a', 'b'], openedAt: 0, split: false }
 * windows.close(); // { samples: ['b'], openedAt: 5, split: false }
 * windows.close(); // undefined
 */
export class ArrivalWindows<S> {
  #held: S[];
  readonly #open: OpenWindow[];

  constructor() {
    this.#held = [];
    this.#open = [];
  }

  /** Samples held. */
  get length(): number {
    return this.#held.length;
  }

  /** @param openedAt kept with the window */
  open(openedAt: number): void {
    this.#open.push({ from: this.#held.length, openedAt, split: false });
  }

  /** Puts a sample into all open windows; without any it is in none. */
  add(sample: S): void {
    if (this.#open.length > 0) this.#held.push(sample);
  }

  /** Closes the oldest window, which may be empty; undefined when none is open. */
  close(): { samples: S[]; openedAt: number; split: boolean } | undefined {
    const window = this.#open.shift();
    if (window === undefined) return undefined;
    const { from, openedAt, split } = window;
    const samples = this.#held.slice(from);
    const left = this.#open.at(0)?.from ?? this.#held.length;
    if (left > 0) {
      this.#held = this.#held.slice(left);
      for (const other of this.#open) other.from -= left;
    }
    return { samples, openedAt, split };
  }

  /**
   * The same windows, empty, which go on in place of these: these are to be closed and left, since too much is held.
   * Both are `split`.
   */
  renew(): ArrivalWindows<S> {
    const next = new ArrivalWindows<S>();
    for (const [i, { from, openedAt }] of this.#open.entries()) {
      next.#open.push({ from: 0, openedAt, split: true });
      this.#open[i] = { from, openedAt, split: true };
    }
    return next;
  }
}
