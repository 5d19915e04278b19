import type { ClosedWindow, EventWindows, HeldWindows } from './event-windows.ts';
import { TimeLine } from './time-line.ts';

export interface AlignedWindowsOptions {
  /** Length of a window. */
  withinMs: number;
  /** From the start of one window to that of the next; `withinMs`. */
  everyMs?: number;
  /** A batch leaves at this many samples of a window; only where windows do not overlap. */
  size?: number;
}

/**
 * Windows `[k·every, k·every + within)` for every whole k: they are aligned to the time 0, the epoch, so all streams
 * and runs have the same ones. With `every < within` they overlap, with `every > within` samples between them are in
 * none.
 *
 * Idea: the samples are on one line, sorted by time, and a window is a slice of it, so windows that overlap share them.
 * What closes next follows from the oldest sample: there is no list of open windows, and empty ones cost nothing.
 *
 * Window k closes when the watermark reaches its end. A sample is late when its last window has closed; where only some
 * have, it is in the others. With `size`, the first `size` samples of a window leave as soon as the watermark reaches
 * the last of them, so that who leaves does not depend on the order of arrival; the rest is another batch of that
 * window.
 *
 * Sources: T. Akidau and others, "The Dataflow Model", 2015 (windows, watermarks); J. Li and others, "No pane, no
 * gain", 2005 (sharing between overlapping windows). Cost: that of `TimeLine`, and a copy of each window. Memory: the
 * samples from the oldest open window on.
 *
 * @example
 * const windows = new AlignedWindows({ withinMs: 10 });
 * for (const t of [3, 12, 1, 27]) windows.add(t, t, -Infinity);
 * windows.next(20); // { samples: [1, 3], start: 0, end: 10, split: false }
 * windows.next(20); // { samples: [12], start: 10, end: 20, split: false }
 * windows.next(20); // undefined
 */
export class AlignedWindows<S> implements EventWindows<S> {
  readonly #withinMs: number;
  readonly #everyMs: number;
  readonly #size: number;
  readonly #line: TimeLine<S>;
  /** No window before this one leaves any more. */
  #next: number;
  /** Windows up to this one are split. */
  #splitUpTo: number;

  constructor({ withinMs, everyMs = withinMs, size = Number.POSITIVE_INFINITY }: AlignedWindowsOptions) {
    this.#withinMs = withinMs;
    this.#everyMs = everyMs;
    this.#size = size;
    this.#line = new TimeLine();
    this.#next = Number.NEGATIVE_INFINITY;
    this.#splitUpTo = Number.NEGATIVE_INFINITY;
  }

  get length(): number {
    return this.#line.length;
  }

  get end(): number {
    return this.#line.length === 0 ? Number.POSITIVE_INFINITY : this.#endOf(this.#oldest());
  }

  add(sample: S, time: number, watermark: number): boolean {
    const end = this.#endOf(this.#lastAt(time));
    if (time >= end) return true; // between two windows
    if (end <= watermark) return false;
    // windows that closed while they were empty must not open for a sample that comes afterwards
    if (time < watermark) this.#next = Math.max(this.#next, this.#firstAfter(watermark));
    this.#line.add(sample, time);
    return true;
  }

  next(watermark: number): ClosedWindow<S> | undefined {
    const line = this.#line;
    if (line.length === 0) return undefined;
    const window = this.#oldest();
    const end = this.#endOf(window);
    const size = this.#size;
    if (line.length >= size && line.time(size - 1) < end && line.time(size - 1) <= watermark) {
      this.#splitUpTo = Math.max(this.#splitUpTo, window);
      return this.#leave(window, size, size);
    }
    if (end > watermark) return undefined;
    this.#next = window + 1;
    return this.#leave(window, line.before(end), line.before(this.#startOf(window + 1)));
  }

  renew(): AlignedWindows<S> {
    const { length } = this;
    const next = new AlignedWindows<S>({ withinMs: this.#withinMs, everyMs: this.#everyMs, size: this.#size });
    next.#splitUpTo =
      length === 0 ? this.#splitUpTo : Math.max(this.#splitUpTo, this.#lastAt(this.#line.time(length - 1)));
    this.#splitUpTo = Number.POSITIVE_INFINITY;
    return next;
  }

  held(): HeldWindows<S> {
    return { samples: this.#line.slice(0, this.length), times: this.#line.times(), closed: this.#next };
  }

  resume({ samples, times, closed }: HeldWindows<S>): void {
    for (const [i, sample] of samples.entries()) this.#line.add(sample, times[i]);
    this.#next = closed;
  }

  /** The window that closes next. */
  #oldest(): number {
    return Math.max(this.#next, this.#firstAfter(this.#line.time(0)));
  }

  #leave(window: number, count: number, dropped: number): ClosedWindow<S> {
    const samples = this.#line.slice(0, count);
    this.#line.drop(dropped);
    return { samples, start: this.#startOf(window), end: this.#endOf(window), split: window <= this.#splitUpTo };
  }

  #startOf(window: number): number {
    return window * this.#everyMs + 0; // no -0
  }

  #endOf(window: number): number {
    // without a crack where a multiple of a fraction is rounded
    if (this.#withinMs === this.#everyMs) return this.#startOf(window + 1);
    return window * this.#everyMs + this.#withinMs;
  }

  /** The last window that starts at or before `time`. */
  #lastAt(time: number): number {
    let window = Math.floor(time / this.#everyMs);
    // the quotient is rounded: it can be a whole number where the time is just before or after a start
    while (this.#startOf(window) > time) window--;
    while (this.#startOf(window + 1) <= time) window++;
    return window;
  }

  /** The first window that ends after `time`. */
  #firstAfter(time: number): number {
    let window = Math.floor((time - this.#withinMs) / this.#everyMs) + 1;
    while (this.#endOf(window) <= time) window++;
    while (this.#endOf(window - 1) > time) window--;
    return window;
  }
}
