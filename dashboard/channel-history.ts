import { driftLabel, driftText } from './drift-text.ts';
import { formatCount } from './format.ts';
import { gapText, upstreamText } from './gap-text.ts';
import { Marks } from './marks.ts';
import type { Drift, Gap, Next, Snapshot, Statistics, Value } from './messages.ts';
import { Series } from './series.ts';
import { spreadTimes } from './spread-times.ts';

/** Column numbers of a history's series: two for the row, then four for each kept feature. */
export const TIME = 0;
export const SEQ = 1;
export const RAW = 0;
export const Z = 1;
export const MEAN = 2;
export const STD = 3;
export const columnOf = (slot: number, which: number): number => 2 + slot * 4 + which;

/** A clock that steps back further than this begins the curves anew; less is lateness, drawn at the newest time. */
const LATE_MS = 60_000;
/** The curves are not drawn on across a silence of five usual intervals between messages, and at least this long. */
const SILENCE_MS = 5000;

/** Something a reader of the curves should know, in words. */
export interface Notice {
  time: number;
  kind: 'gap' | 'epoch' | 'clock' | 'drift';
  text: string;
  /** The row after which it happened; of a drift the row that showed it. */
  seq?: number;
  /** Of a gap, as the server names it. */
  reason?: string;
  feature?: string;
}

export interface HistoryOptions {
  /** Indices of the features to keep curves of. */
  kept: readonly number[];
  /** Points kept of each curve (10,000). */
  capacity?: number;
  /** Rows of other keys are left out, so numbers that are missing mean nothing. */
  keyed?: boolean;
  /** Called for every gap, new epoch, clock step and drift. */
  onNotice?: (notice: Notice) => void;
}

/**
 * Folds the messages of one channel into curves and counters; knows neither sockets nor the page.
 *
 * A row is drawn once, whatever is replayed. A hole that nobody explained, a `gap`, a new epoch and a long silence
 * break the curves with a point that is not a number in every column but the time. Rows that conflation left out only thin the curve:
 * they are counted, since breaking there would leave nothing but loose points.
 */
export class ChannelHistory {
  readonly series: Series;
  readonly marks = new Marks();
  readonly kept: readonly number[];
  /** Undefined until the first snapshot. */
  epoch: string | undefined;
  /** Sequence number of the newest row known, 0 while there is none. */
  seq = 0;
  /** Rows drawn, counted from when the page opened the channel. */
  rows = 0;
  /** Rows the server left out: conflation and gaps. */
  skipped = 0;
  stats: Statistics | undefined;
  /** Newest row, all features; empty while there is none. */
  lastRaw: readonly Value[] = [];
  lastZ: readonly Value[] = [];

  readonly #point: Float64Array;
  readonly #onNotice: (notice: Notice) => void;
  readonly #keyed: boolean;
  /** Row of the last drift that was told: a snapshot tells again of those before it. */
  #driftSeq = 0;
  #driftFeatures = new Set<string>();
  /** Statistics in force for the points to come; unlike `stats` unknown while old rows are being replayed. */
  #inForce: Statistics | undefined;
  #messageIntervalMs: number | undefined;

  constructor({ kept, capacity, keyed = false, onNotice = () => {} }: HistoryOptions) {
    this.kept = kept;
    this.#keyed = keyed;
    const columns = columnOf(kept.length, 0);
    this.series = new Series(columns, capacity);
    this.#point = new Float64Array(columns);
    this.#onNotice = onNotice;
  }

  snapshot(message: Snapshot, now: number): void {
    const before = this.epoch;
    if (before !== undefined && before !== message.epoch) {
      this.#break();
      const text = `the server lost its state: statistics and row numbers begin anew (epoch ${message.epoch})`;
      this.#mark('epoch', 'state lost');
      this.#onNotice({ time: now, kind: 'epoch', text, seq: this.seq });
      this.seq = message.seq;
      this.#driftSeq = 0;
    } else if (this.rows > 0 && message.seq > this.seq && message.recovered !== true) {
      this.#missed(message.seq - this.seq, 'not replayed', now);
      this.seq = message.seq;
    } else if (message.recovered !== true) {
      // With rows drawn, numbers that were sent were lost with the server's state; what comes is new.
      if (message.seq < this.seq) this.#break();
      this.seq = message.seq;
    }
    this.epoch = message.epoch;
    if (message.stats != null) {
      this.stats = message.stats;
      if (this.seq === message.seq) this.#inForce = message.stats;
    }
    for (const drift of message.drifts ?? []) this.drift(drift, now);
  }

  /** Statistics that were asked for apart, where rows do not bring them. */
  statistics(stats: Statistics): void {
    this.stats = stats;
    // rows that are still to be replayed were made by earlier ones
    if (this.rows > 0) this.#inForce = stats;
  }

  /** Number of rows that are new. */
  next(message: Next, now: number): number {
    const skipped = message.skipped ?? 0;
    const numbers = message.seqs;
    const missing = this.rows > 0 && !this.#keyed ? message.seq - this.seq - 1 : 0;
    this.skipped += skipped;
    if (missing > skipped) this.#missed(missing - skipped, 'missing', now);
    if (message.stats != null) {
      this.stats = message.stats;
      this.#inForce = message.stats;
    }
    const total = message.z.length;
    const known = this.rows === 0 ? 0 : (numbers?.filter((n) => n <= this.seq).length ?? this.seq + 1 - message.seq);
    const first = Math.min(total, Math.max(0, known));
    if (first === total) return 0;
    const silence = this.#silenceMs();
    const before = this.series.last(TIME);
    const times = spreadTimes(message.t, message.t[0] - before > silence ? Number.NaN : before);
    this.#learnInterval(message.t[total - 1] - before, silence);
    for (let row = first; row < total; row++) {
      if (times[row] - this.series.last(TIME) > silence) this.#break();
      this.#add(numbers?.[row] ?? message.seq + row, times[row], message.z[row], message.raw?.[row], now);
    }
    this.seq = numbers?.[total - 1] ?? message.seq + total - 1;
    this.rows += total - first;
    this.lastZ = message.z[total - 1] ?? [];
    this.lastRaw = message.raw?.[total - 1] ?? [];
    return total - first;
  }

  gap(message: Gap, now: number): void {
    if (message.reason === 'upstream') {
      // these rows never had numbers
      this.#break();
      this.#mark('gap', 'source gap');
      const text = upstreamText(message.missed);
      this.#onNotice({ time: message.t?.[1] ?? now, kind: 'gap', text, seq: this.seq, reason: 'upstream' });
      return;
    }
    // A page that has drawn nothing misses nothing: it only asked for more history than there is.
    const count = message.to - Math.max(message.from - 1, this.seq);
    if (this.rows > 0 && count > 0) this.#missed(count, message.reason, now);
    this.seq = Math.max(this.seq, message.to);
  }

  drift(message: Drift, now: number): void {
    const { seq, feature, t } = message;
    if (seq < this.#driftSeq || (seq === this.#driftSeq && this.#driftFeatures.has(feature))) return;
    if (seq > this.#driftSeq) this.#driftFeatures.clear();
    this.#driftSeq = seq;
    this.#driftFeatures.add(feature);
    const time = t ?? this.series.last(TIME);
    if (!Number.isNaN(time)) this.marks.add({ kind: 'drift', time, seq, label: driftLabel(message), feature });
    this.#onNotice({ time: t ?? now, kind: 'drift', text: driftText(message), seq, feature });
  }

  /** Where to go on after a lost connection; undefined while nothing is known. */
  since(): string | undefined {
    return this.epoch === undefined ? undefined : `${this.epoch}.${this.seq}`;
  }

  #add(seq: number, time: number, z: readonly Value[] | null, raw: readonly Value[] | null | undefined, now: number) {
    const last = this.series.last(TIME);
    if (time < last - LATE_MS) {
      this.series.clear();
      this.marks.clear();
      this.#onNotice({ time: now, kind: 'clock', text: 'time went back, the curves begin anew' });
    }
    const point = this.#point;
    point[TIME] = this.series.length > 0 && time < last ? last : time;
    point[SEQ] = seq;
    for (let slot = 0; slot < this.kept.length; slot++) {
      const feature = this.kept[slot];
      point[columnOf(slot, RAW)] = raw?.[feature] ?? Number.NaN;
      point[columnOf(slot, Z)] = z?.[feature] ?? Number.NaN;
      point[columnOf(slot, MEAN)] = this.#inForce?.mean[feature] ?? Number.NaN;
      point[columnOf(slot, STD)] = this.#inForce?.std[feature] ?? Number.NaN;
    }
    this.series.push(point);
  }

  /** A longer step in time is a silence. */
  #silenceMs(): number {
    if (this.#messageIntervalMs === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(SILENCE_MS, 5 * this.#messageIntervalMs);
  }

  /** A moving average, in which one silence counts no more than twice what makes it one. */
  #learnInterval(interval: number, silence: number): void {
    if (!(interval >= 0)) return;
    this.#messageIntervalMs ??= interval;
    this.#messageIntervalMs += 0.1 * (Math.min(interval, 2 * silence) - this.#messageIntervalMs);
  }

  #missed(count: number, reason: string, now: number): void {
    this.skipped += count;
    this.#break();
    this.#mark('gap', reason === 'restart' ? 'restart' : `gap ${formatCount(count)}`);
    const text = gapText(count, reason, this.#keyed);
    this.#onNotice({ time: now, kind: 'gap', text, seq: this.seq, reason });
  }

  /** At the newest point. */
  #mark(kind: 'gap' | 'epoch', label: string): void {
    if (this.series.length > 0) this.marks.add({ kind, time: this.series.last(TIME), seq: this.seq, label });
  }

  #break(): void {
    if (this.series.length === 0 || Number.isNaN(this.series.last(SEQ))) return;
    const time = this.series.last(TIME);
    this.#point.fill(Number.NaN);
    this.#point[TIME] = time;
    this.series.push(this.#point);
  }
}
