import type { ClosedWindow, EventWindows, HeldWindows } from './event-windows.ts';
import { TimeLine } from './time-line.ts';

export interface SessionWindowsOptions {
  /** A session ends this long after its last sample. */
  gapMs: number;
  /** A session ends this long after its first sample at the latest; no bound. */
  withinMs?: number;
  /** A session ends with this many samples at the latest; no bound. */
  size?: number;
}

/**
 * Windows of activity: a session is samples each less than `gap` after the one before, in the order of their times.
 *
 * Idea: the samples are on one line, sorted by time, so a sample that joins two sessions has merged them as soon as it
 * is in its place. Only the oldest session is looked at, and each of its samples once. Not done: a window for each
 * sample and merging them by the pair, as Flink and Beam do; sessions whose bounds touch are two, as in Beam.
 *
 * A session `[first, last + gap)` closes when the watermark reaches its end, and is cut before that: at `first +
 * within`, or at its `size`th sample. Where the cuts are depends on the times, not on the order of arrival. A sample is
 * late when it is before the end of a session that has closed, or when it would be a session that ends before the
 * watermark.
 *
 * Source: T. Akidau and others, "The Dataflow Model", 2015 (section 2.2.2: merging). Cost: that of `TimeLine`, and a
 * copy of each session. Memory: the samples of open sessions.
 *
 * @example
 * const sessions = new SessionWindows({ gapMs: 10 });
 * for (const t of [0, 16, 8, 40]) sessions.add(t, t, -Infinity);
 * sessions.next(30); // { samples: [0, 8, 16], start: 0, end: 26, split: false }
 * sessions.next(30); // undefined
 */
export class SessionWindows<S> implements EventWindows<S> {
  readonly #gapMs: number;
  readonly #withinMs: number;
  readonly #size: number;
  readonly #line: TimeLine<S>;
  /** How many samples, from the oldest on, are known to be of one session. */
  #linked: number;
  /** What is before it has left. */
  #closed: number;
  /** Sessions that start before it are split. */
  #splitUntil: number;

  constructor({ gapMs, withinMs = Number.POSITIVE_INFINITY, size = Number.POSITIVE_INFINITY }: SessionWindowsOptions) {
    this.#gapMs = gapMs;
    this.#withinMs = withinMs;
    this.#size = size;
    this.#line = new TimeLine();
    this.#linked = 0;
    this.#closed = Number.NEGATIVE_INFINITY;
    this.#splitUntil = Number.NEGATIVE_INFINITY;
  }

  get length(): number {
    return this.#line.length;
  }

  get end(): number {
    return this.#line.length === 0 ? Number.POSITIVE_INFINITY : this.#oldest().end;
  }

  add(sample: S, time: number, watermark: number): boolean {
    if (time < this.#closed) return false;
    const line = this.#line;
    const place = line.place(time);
    const joinsNext = place < line.length && line.time(place) < time + this.#gapMs;
    const joins = joinsNext || (place > 0 && time < line.time(place - 1) + this.#gapMs);
    if (!joins && time + Math.min(this.#gapMs, this.#withinMs) <= watermark) return false;
    line.add(sample, time);
    if (place === 0 && !joinsNext) this.#linked = 1;
    return true;
  }

  next(watermark: number): ClosedWindow<S> | undefined {
    const line = this.#line;
    if (line.length === 0) return undefined;
    const { start, end, count } = this.#oldest();
    if (end > watermark) return undefined;
    const samples = line.slice(0, count);
    line.drop(count);
    this.#linked = Math.max(this.#linked - count, Math.min(1, line.length));
    this.#closed = end;
    return { samples, start, end, split: start < this.#splitUntil };
  }

  held(): HeldWindows<S> {
    return { samples: this.#line.slice(0, this.length), times: this.#line.times(), closed: this.#closed };
  }

  resume({ samples, times, closed }: HeldWindows<S>): void {
    for (const [i, sample] of samples.entries()) this.#line.add(sample, times[i]);
    this.#linked = Math.min(1, this.length);
    this.#closed = closed;
  }

  /** The session that closes next, as things are. */
  #oldest(): { start: number; end: number; count: number } {
    const line = this.#line;
    while (this.#linked < line.length && line.time(this.#linked) < line.time(this.#linked - 1) + this.#gapMs) {
      this.#linked++;
    }
    const start = line.time(0);
    const cut = start + this.#withinMs;
    const last = line.time(this.#linked - 1);
    let count = last < cut ? this.#linked : line.before(cut);
    let end = Math.min(cut, last + this.#gapMs);
    if (count >= this.#size) {
      count = this.#size;
      end = line.time(count - 1);
    }
    return { start, end, count };
  }

  renew(): SessionWindows<S> {
    const { length } = this;
    const next = new SessionWindows<S>({ gapMs: this.#gapMs, withinMs: this.#withinMs, size: this.#size });
    next.#closed = this.#closed;
    next.#splitUntil = length === 0 ? this.#splitUntil : this.#line.time(length - 1) + this.#gapMs;
    this.#splitUntil = Number.POSITIVE_INFINITY;
    return next;
  }
}
