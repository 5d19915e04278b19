import type { SchedulerLike } from 'rxjs';
import type { StandardizerOptions } from '../core/standardizer.ts';
import type { StatisticFactory } from '../core/statistic.ts';

/** Under it an operator says what it does, where `perKey` can do that for many keys at once. */
export const KEYED_FORM = Symbol('keyed form');

/** An operator that scores each sample at once, by statistics of which each subscription makes its own. */
export interface KeyedForm<S> {
  /** Name of the operator, for error messages. */
  readonly where: string;
  readonly factory: StatisticFactory<S>;
  readonly features: readonly string[] | undefined;
  readonly scheduler: SchedulerLike;
  readonly scaling: StandardizerOptions;
}

/** Undefined for an operator that has to be subscribed to. */
export function keyedFormOf<S>(operator: unknown): KeyedForm<S> | undefined {
  return (operator as { [KEYED_FORM]?: KeyedForm<S> })[KEYED_FORM];
}

/** The same text and the same scheduler: the same numbers for the same samples. Undefined where that cannot be told. */
export function settingsOf<S>({ factory, features, scaling }: KeyedForm<S>): string | undefined {
  const { weight, bias, prior, ...plain } = scaling;
  if (factory.settings === undefined || prior !== undefined) return undefined;
  const vectors = [weight, bias].map((list) => list && Array.from(list));
  return JSON.stringify([factory.kind, factory.settings, features, vectors, plain]);
}
