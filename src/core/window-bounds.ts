import { type Duration, durationMs } from './duration.ts';
import type { LateSample } from './late-sample.ts';
import { requireFunction, requirePositiveInteger, shown } from './parameter.ts';

/** When windows open and close. */
export interface WindowBoundsOptions<S = unknown> {
  /** Closes a window at this many samples. */
  size?: number;
  /** Closes a window this long after its first sample, however few it holds; with `every` or `timeOf`, its length. */
  within?: Duration;
  /** From the start of one window to that of the next: samples with `size`, a time with `within`. */
  every?: Duration;
  /** Closes a window when no sample came for so long: a session. */
  gap?: Duration;
  /** Time of a sample in ms. With `within` or `gap`, windows are by these times instead of by arrival. */
  timeOf?: (sample: S) => number;
  /** How much older than the newest sample one may be and still be waited for; 0. */
  lateness?: Duration;
  /** Refuses samples whose time is so much later than the clock, which would make all others late; `'1h'`. */
  maxAhead?: Duration;
  /** Told of each sample that is in no window of event time: it was late, too far ahead, or had no time. */
  onLate?: (late: LateSample<S>) => void;
  /** Samples that open windows with a bound in time hold together; past it they leave early, `split`; 100,000. */
  maxSamples?: number;
}

export const WINDOW_BOUNDS_OPTIONS = [
  ...['size', 'within', 'every', 'gap'],
  ...['timeOf', 'lateness', 'maxAhead', 'onLate', 'maxSamples'],
] as const satisfies readonly (keyof WindowBoundsOptions)[];

/** The same, checked and in ms. */
export interface WindowBounds<S> {
  size: number | undefined;
  withinMs: number | undefined;
  gapMs: number | undefined;
  /** In samples for windows by count, else in ms. */
  every: number | undefined;
  timeOf: ((sample: S) => number) | undefined;
  latenessMs: number;
  maxAheadMs: number;
  onLate: ((late: LateSample<S>) => void) | undefined;
  maxSamples: number;
}

/** Timers take 32 bits: a longer span would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Windows that one sample may be in: each costs a copy of it. */
const MAX_OVERLAP = 1_000;
const MAX_SAMPLES = 100_000;
const MAX_AHEAD = '1h';

/** @throws TypeError, RangeError for wrong options, and for such that mean nothing together */
export function windowBounds<S>(where: string, options: WindowBoundsOptions<S>): WindowBounds<S> {
  requireMeaning(where, options);
  const { timeOf, onLate } = options;
  if (timeOf !== undefined) requireFunction(where, 'timeOf', timeOf);
  if (onLate !== undefined) requireFunction(where, 'onLate', onLate);
  const whole = (name: 'size' | 'every' | 'maxSamples') =>
    options[name] === undefined ? undefined : requirePositiveInteger(where, name, options[name]);
  const span = (name: 'within' | 'every' | 'gap' | 'lateness' | 'maxAhead') =>
    options[name] === undefined ? undefined : durationMs(where, name, options[name]);

  const byCount = options.within === undefined && options.gap === undefined;
  const bounds: WindowBounds<S> = {
    size: whole('size'),
    withinMs: span('within'),
    gapMs: span('gap'),
    every: byCount ? whole('every') : span('every'),
    timeOf,
    latenessMs: options.lateness === 0 ? 0 : (span('lateness') ?? 0),
    maxAheadMs: options.maxAhead === 0 ? 0 : (span('maxAhead') ?? durationMs(where, 'maxAhead', MAX_AHEAD)),
    onLate,
    // a size is a bound that was asked for, however large
    maxSamples: whole('maxSamples') ?? Math.max(options.size ?? 0, MAX_SAMPLES),
  };
  requireOverlap(where, byCount ? 'size' : 'within', (byCount ? bounds.size : bounds.withinMs) ?? 0, bounds.every);
  if (!byCount) requireSpans(where, options, bounds);
  return bounds;
}

function requireMeaning(where: string, options: WindowBoundsOptions<never>): void {
  const { size, within, every, gap, timeOf } = options;
  if (size === undefined && within === undefined && gap === undefined) {
    throw new TypeError(`${where} requires size, within or gap, else a window never closes`);
  }
  if (every !== undefined && (gap !== undefined || (size === undefined) === (within === undefined))) {
    const others = gap !== undefined ? 'gap' : 'both';
    throw new TypeError(`${where} takes every with size or with within, not with ${others}, got every ${shown(every)}`);
  }
  for (const name of ['lateness', 'maxAhead', 'onLate', 'maxSamples'] as const) {
    if (options[name] === undefined) continue;
    const needed = name === 'maxSamples' || timeOf !== undefined ? '' : 'timeOf, and ';
    if (needed === '' && (within !== undefined || gap !== undefined)) continue;
    throw new TypeError(`${where} takes ${name} only with ${needed}within or gap, got ${name} ${shown(options[name])}`);
  }
}

function requireOverlap(where: string, name: string, length: number, every: number | undefined): void {
  if (every === undefined || length / every <= MAX_OVERLAP) return;
  throw new RangeError(`${where} requires every to be at least 1/${MAX_OVERLAP} of ${name}, got ${every} of ${length}`);
}

function requireSpans<S>(where: string, options: WindowBoundsOptions<S>, bounds: WindowBounds<S>): void {
  const { timeOf, gapMs } = bounds;
  const spans = { within: bounds.withinMs, every: bounds.every, gap: gapMs };
  for (const name of ['within', 'every', 'gap'] as const) {
    const ms = spans[name];
    if (ms === undefined) continue;
    if (timeOf === undefined && ms > MAX_TIMER_MS) {
      throw new RangeError(`${where} requires ${name} to be at most 24 days, got ${shown(options[name])}`);
    }
    // shorter ones cannot be told apart by their times, which are large numbers of ms
    if (timeOf !== undefined && gapMs === undefined && ms < 1) {
      throw new RangeError(`${where} requires ${name} to be at least 1 ms with timeOf, got ${shown(options[name])}`);
    }
  }
}
