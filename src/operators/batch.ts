import type { Rows } from '../core/rows.ts';
import type { SampleShape } from '../core/sample-shape.ts';

/** A window of samples, and their numbers row by row: sample i, feature j is `data[i * features + j]`. */
export interface Batch<S> extends Rows {
  readonly samples: readonly S[];
  /** Names of the features, where the samples have names. */
  readonly names: readonly string[] | undefined;
  /** How a sample of this form is written back. */
  readonly shape: SampleShape<S>;
  /**
   * In ms. In event time the bounds of the window, `end` excluded. By arrival, for windows with a bound in time, when
   * the window opened and closed by the scheduler. By count, the times of the first and the last sample, if `timeOf`
   * has one
   * for both. Else undefined.
   */
  readonly start: number | undefined;
  readonly end: number | undefined;
  /**
   * True for what may be only a part of its window: it left early since too much was held (`maxSamples`, or `size` of
   * an aligned window), or it is the rest.
   */
  readonly split: boolean;
  /** Samples that were in no window, as told to `onLate`, before this batch left; of this subscription. */
  readonly late: number;
}
