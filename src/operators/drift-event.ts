import type { Drift } from '../core/drift-detector.ts';

/** The mean of a feature has changed. */
export interface DriftEvent extends Drift {
  /** Name of the feature, or its index for samples without names. */
  readonly feature: string | number;
  /** Of the sample at which it was found, in ms. */
  readonly time: number;
  /** Which sample of the stream that was, from 0. */
  readonly index: number;
  /** `'adwin'` or `'pageHinkley'`. */
  readonly detector: string;
}
