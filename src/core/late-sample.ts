/** A sample that is in no window of event time. */
export interface LateSample<S> {
  readonly sample: S;
  /** In ms; NaN where it has none. */
  readonly time: number;
  /**
   * `late`: its windows have closed; `ahead`: it is more than `maxAhead` later than the clock; `time`: `timeOf` gave
   * something else than ms, or the sample is of another form than the first.
   */
  readonly reason: 'late' | 'ahead' | 'time';
  /** The newest time less `lateness`; -Infinity before the first sample. */
  readonly watermark: number;
  /** Such samples of this subscription so far, this one included. */
  readonly late: number;
}
