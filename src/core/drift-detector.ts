import type { StatisticState } from './state.ts';

/** A change of the mean that a detector has found. */
export interface Drift {
  readonly kind: 'increase' | 'decrease';
  readonly meanBefore: number;
  readonly meanAfter: number;
  /** Values behind `meanBefore`. */
  readonly before: number;
  /** Values behind `meanAfter`: how long ago the change is estimated to have begun. */
  readonly after: number;
}

/** What a detector says to each value: undefined while there is no change. */
export type DriftState = Drift | undefined;

/** Watches the mean of one stream of numbers. */
export interface DriftDetector {
  /** Learns one value; unusable ones are skipped. */
  update(x: number): DriftState;
  state(): StatisticState;
}

/** How to make a `DriftDetector`: what `adwin(…)` and `pageHinkley(…)` return. Each feature of each subscription has one. */
export interface DriftDetectorFactory {
  readonly kind: string;
  create(): DriftDetector;
  /** The detector that was saved; a new one where that was of another kind, or of other options. */
  restore?(state: unknown): DriftDetector;
}
