import type { FlagName } from '../core/flags.ts';
import type { RowScale } from '../core/row-scale.ts';

/** The statistics that a row was normalised with: enough for `denormalize` to bring it back, whatever they are now. */
export interface RowStatistics extends RowScale {
  /** How often they had moved. */
  readonly version: number;
  /** Of the row, in ms. */
  readonly time: number;
  /** Names of the features, where the samples have names. */
  readonly features?: readonly string[];
}

/** A normalised sample and what is known about it. */
export interface Detail<S> {
  /** As it came in. */
  sample: S;
  /** Normalised, of the same form. */
  value: S;
  /** What it was normalised with; one mean and std a feature. */
  stats: RowStatistics;
  /** Effective number of samples behind the statistics, the smallest of all features. */
  nEff: number;
  /** True when every feature had statistics. */
  ready: boolean;
  flags: FlagName[];
}
