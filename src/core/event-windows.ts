/** What has left as one window. */
export interface ClosedWindow<S> {
  /** In the order of their times; those of one time in the order in which they came. */
  readonly samples: S[];
  /** In ms; samples of the window are from `start` until before `end`. */
  readonly start: number;
  readonly end: number;
  /** Other batches of the same window may have left before, or may follow. */
  readonly split: boolean;
}

/** All that windows must remember to go on from where they are, under the same options. */
export interface HeldWindows<S> {
  /** In the order of their times. */
  readonly samples: readonly S[];
  readonly times: readonly number[];
  /** Up to where windows have closed; what it counts is theirs. -Infinity for none. */
  readonly closed: number;
}

/**
 * Windows by the times of samples. Each closes when the watermark reaches its end: the time before which no more
 * samples are waited for. Pure: the caller knows the watermark, and asks for closed windows whenever it has moved.
 */
export interface EventWindows<S> {
  /** Samples held. */
  readonly length: number;
  /** End of the window that closes next, if nothing more comes; Infinity when nothing is held. */
  readonly end: number;
  /**
   * Takes a sample, at a watermark up to which `next` has been drained.
   *
   * @returns false, and leaves it, when it is late: all windows that it belongs to have closed
   */
  add(sample: S, time: number, watermark: number): boolean;
  /** The oldest window that has closed and has not left; `Infinity` closes all. */
  next(watermark: number): ClosedWindow<S> | undefined;
  /**
   * Empty windows that go on in place of these, which are to be drained and left: what leaves memory early when too
   * much is held. Both are `split` from now on.
   */
  renew(): EventWindows<S>;
  held(): HeldWindows<S>;
  /** Goes on, in new windows, from what another one held. */
  resume(held: HeldWindows<S>): void;
}
