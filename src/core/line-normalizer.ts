import { StreamnormError } from '../errors.ts';
import type { BatchNorm } from './batch-norm.ts';
import { captureBatches, copyOf, type ReportedBatch } from './batch-report.ts';
import type { EventWindows } from './event-windows.ts';
import { FLAG } from './flags.ts';
import { RowCollector } from './row-collector.ts';
import {
  NO_CLOCK,
  type NormalizedRows,
  type PendingRows,
  type RowNormalizer,
  type SavedLine,
  type StatisticsReport,
} from './row-normalizer.ts';
import { readSavedNumber, savedNumber } from './saved-number.ts';
import type { StatisticState } from './state.ts';
import { isTime } from './usable-time.ts';

/** A row that a window holds. */
interface HeldRow {
  readonly values: Float64Array;
  readonly time: number;
  readonly id: number;
  readonly position: number;
  readonly afterGap: boolean;
  left: boolean;
}

export interface LineNormalizerOptions {
  /** What the windows are: saved ones of another kind are no windows of this one. */
  readonly of: string;
  /** Where rows lie: by their number, when they came, or their own time. */
  readonly along: 'count' | 'arrival' | 'time';
  open(): EventWindows<HeldRow>;
  /** Where windows overlap: rows or ms that are learned as one batch; else each window is. */
  readonly learned: number | undefined;
  /** How much older than the newest row one may be, along `time`. */
  readonly latenessMs: number;
  /** How much later than the clock a row may be, along `time`. */
  readonly maxAheadMs: number;
  /** Rows held; past it all windows close, their rows flagged `early`. */
  readonly maxRows: number;
}

const MARK = { left: 1, unlearned: 2, held: 4, afterGap: 8 } as const;

/**
 * Batch normalization by windows that are slices of a line: windows that overlap, sessions, and those that follow the
 * times of rows.
 *
 * A row leaves once: with the first window that closes over it, normalised by the statistics of all rows of that window,
 * those included that have left with one before it. A row that is too late for all its windows leaves at once, as NaN and
 * flagged `late`; so does one without a usable time, or too far ahead of the clock, flagged `time`.
 *
 * Windows that overlap hold the same rows many times, and the moving statistics must learn each once. So what is learned
 * is batches of the windows' length, side by side, each when a window closes beyond its end: the moving statistics are
 * those of the same windows without overlap.
 *
 * Idea: overlapping windows by count, by arrival and by the rows' own times are one thing on three lines, where a row
 * lies at its number, its arrival or its time, and a watermark says how far the line is closed. Windows by arrival have
 * their origin at the first row, and again at the first after all were empty: so none is cut short by where the clock
 * happens to stand.
 *
 * Cost: that of `TimeLine`, and of one batch for each window. Memory: the rows of the open windows.
 */
export class LineNormalizer implements RowNormalizer {
  readonly features: number;
  readonly model: BatchNorm;
  pending: number;
  readonly #options: LineNormalizerOptions;
  #windows: EventWindows<HeldRow>;
  /** Rows that have left and wait for the batch they are learned with. */
  #unlearned: HeldRow[];
  /** Up to where the line is known: the next number, how far the clock is, or the newest time. */
  #newest: number;
  /** From the clock to the line; NaN until the clock is known. */
  #offsetMs: number;
  #afterGap: boolean;
  #last: ReportedBatch;
  readonly #out: RowCollector;

  constructor(model: BatchNorm, options: LineNormalizerOptions) {
    this.model = model;
    this.features = model.features;
    this.pending = 0;
    this.#options = options;
    this.#windows = options.open();
    this.#unlearned = [];
    this.#newest = options.along === 'time' ? Number.NEGATIVE_INFINITY : 0;
    this.#offsetMs = Number.NaN;
    this.#afterGap = false;
    this.#last = copyOf(model.batch);
    this.#out = new RowCollector(this.features);
  }

  get dueMs(): number {
    if (this.#options.along !== 'arrival' || this.pending === 0) return Number.POSITIVE_INFINITY;
    return Number.isNaN(this.#offsetMs) ? Number.NEGATIVE_INFINITY : this.#windows.end - this.#offsetMs;
  }

  push(data: Float64Array, rows: number, times: Float64Array, arrival = NO_CLOCK): NormalizedRows | undefined {
    const { elapsedMs, nowMs, ids } = arrival;
    const { along, latenessMs, maxAheadMs, maxRows } = this.#options;
    if (along === 'arrival') this.#letPass(elapsedMs);
    for (let row = 0; row < rows; row++) {
      const time = times[row];
      const id = ids === undefined ? Number.NaN : ids[row];
      if (along === 'time' && (!isTime(time) || (time > this.#newest && time - maxAheadMs > nowMs))) {
        this.#out.add(data, row, undefined, 0, time, FLAG.time | FLAG.quarantined, id);
        continue;
      }
      if (this.#windows.length === 0) this.#begin(elapsedMs);
      const position = along === 'time' ? time : this.#newest;
      const held: HeldRow = {
        values: data.slice(row * this.features, (row + 1) * this.features),
        time,
        id,
        position,
        afterGap: this.#afterGap,
        left: false,
      };
      if (!this.#windows.add(held, position, this.#newest - latenessMs)) {
        this.#out.add(data, row, undefined, 0, time, FLAG.late | FLAG.quarantined, id);
        continue;
      }
      this.#afterGap = false;
      this.pending++;
      if (along === 'count') this.#newest++;
      else if (along === 'time') this.#newest = Math.max(this.#newest, time);
      this.#closeUpTo(this.#newest - latenessMs);
      if (this.#windows.length >= maxRows) this.#closeAll(FLAG.early);
    }
    return this.#out.take();
  }

  advance(elapsedMs: number): NormalizedRows | undefined {
    if (this.#options.along === 'arrival') this.#letPass(elapsedMs);
    return this.#out.take();
  }

  flush(): NormalizedRows | undefined {
    this.#closeAll();
    return this.#out.take();
  }

  cut(): NormalizedRows | undefined {
    const out = this.flush();
    this.#afterGap = true;
    return out;
  }

  report(): StatisticsReport {
    return this.capture()();
  }

  capture(): () => StatisticsReport {
    return captureBatches(this.model, this.#last);
  }

  state(): StatisticState {
    return this.model.state();
  }

  pendingRows(): PendingRows {
    const { samples, closed } = this.#windows.held();
    const marks = new Map<HeldRow, number>();
    for (const row of samples) marks.set(row, MARK.held);
    for (const row of this.#unlearned) marks.set(row, (marks.get(row) ?? 0) | MARK.unlearned);
    const rows = Array.from(marks.keys());
    const line: SavedLine = {
      of: this.#options.of,
      positions: rows.map(({ position }) => position),
      marks: rows.map((row) => (marks.get(row) ?? 0) | (row.left ? MARK.left : 0) | (row.afterGap ? MARK.afterGap : 0)),
      closed: Number.isFinite(closed) ? closed : null,
      newest: Number.isFinite(this.#newest) ? this.#newest : null,
    };
    return {
      data: rows.flatMap(({ values }) => Array.from(values, savedNumber)),
      times: rows.map(({ time }) => time),
      line,
      ...(this.#afterGap && { gap: true as const }),
    };
  }

  /** @throws StreamnormError STATE unless they are what `pendingRows` of windows like these has told */
  restore({ data, times, line, gap }: PendingRows): void {
    if (line === undefined) {
      if (times.length > 0) throw otherWindows(times.length);
    } else if (line.of === this.#options.of) {
      this.#resume(data, times, line);
    } else {
      // what has left already was only kept for windows that are no more
      const waiting = line.marks?.filter((mark) => (mark & MARK.left) === 0).length;
      if (waiting !== 0) throw otherWindows(waiting);
    }
    this.#afterGap = gap === true;
  }

  #resume(data: PendingRows['data'], times: readonly number[], line: SavedLine): void {
    const { positions, marks, closed, newest } = line;
    const count = times.length;
    const lists = [positions, marks].every(
      (list) => Array.isArray(list) && list.length === count && list.every(Number.isFinite),
    );
    const ends = [closed, newest].every((end) => end === null || Number.isFinite(end));
    if (!lists || !ends || data.length !== count * this.features) {
      throw new StreamnormError('STATE', 'the saved open windows are damaged');
    }
    const values = Float64Array.from(data, readSavedNumber);
    const rows = times.map((time, i): HeldRow => {
      const own = values.slice(i * this.features, (i + 1) * this.features);
      const left = (marks[i] & MARK.left) !== 0;
      return {
        values: own,
        time,
        id: Number.NaN,
        position: positions[i],
        afterGap: (marks[i] & MARK.afterGap) !== 0,
        left,
      };
    });
    const marked = (mark: number) => rows.filter((_, i) => (marks[i] & mark) !== 0);
    const samples = marked(MARK.held);
    this.#windows.resume({
      samples,
      times: samples.map(({ position }) => position),
      closed: closed ?? Number.NEGATIVE_INFINITY,
    });
    this.#unlearned = marked(MARK.unlearned);
    this.#newest = newest ?? (this.#options.along === 'time' ? Number.NEGATIVE_INFINITY : 0);
    this.pending = samples.filter(({ left }) => !left).length;
  }

  /** The clock has moved on. It counts from where it stood when the process before this one ended. */
  #letPass(elapsedMs: number): void {
    if (Number.isNaN(this.#offsetMs)) this.#offsetMs = this.#newest - elapsedMs;
    this.#newest = Math.max(this.#newest, elapsedMs + this.#offsetMs);
    this.#closeUpTo(this.#newest);
  }

  /** The first row of windows that have their origin here. */
  #begin(elapsedMs: number): void {
    if (this.#options.along === 'time') return;
    this.#learnUpTo(Number.POSITIVE_INFINITY);
    this.#windows = this.#options.open();
    this.#newest = 0;
    this.#offsetMs = -elapsedMs;
  }

  #closeUpTo(watermark: number, windows = this.#windows, bits = 0): void {
    for (;;) {
      const closed = windows.next(watermark);
      if (closed === undefined) return;
      this.#close(closed.samples, closed.end, bits);
    }
  }

  /** @param bits for the flags of the rows that leave */
  #closeAll(bits = 0): void {
    const full = this.#windows;
    this.#windows = full.renew();
    this.#closeUpTo(Number.POSITIVE_INFINITY, full, bits);
    this.#learnUpTo(Number.POSITIVE_INFINITY);
  }

  #close(rows: readonly HeldRow[], end: number, bits: number): void {
    if (rows.some(({ left }) => !left)) this.#leave(rows, bits);
    if (this.#options.learned !== undefined) this.#learnUpTo(end);
  }

  /** The window of these rows closes: those that have not left leave. */
  #leave(rows: readonly HeldRow[], common: number): void {
    const { model, features } = this;
    const overlaps = this.#options.learned !== undefined;
    const batch = this.#batchOf(rows);
    const z = new Float64Array(batch.data.length);
    const flags = new Uint16Array(rows.length);
    const leaving: [number, HeldRow][] = [];
    for (const [i, row] of rows.entries()) {
      if (row.left) continue;
      // before the model is asked: a window that it refuses is gone, nothing may wait for it to be accepted
      row.left = true;
      this.pending--;
      leaving.push([i, row]);
    }
    if (overlaps) model.scoreInto(batch, z, flags);
    else model.trainInto(batch, z, flags);
    this.#last = copyOf(model.batch);
    for (const [i, row] of leaving) {
      if (overlaps) this.#unlearned.push(row);
      const bits = flags[i] | common | (row.afterGap ? FLAG.gap : 0);
      this.#out.add(batch.data, i, z, i * features, row.time, bits, row.id);
    }
  }

  /** Learns the rows of the batches that end at or before `end`, batch by batch. */
  #learnUpTo(end: number): void {
    const { learned } = this.#options;
    if (learned === undefined || this.#unlearned.length === 0) return;
    const batchOf = ({ position }: HeldRow) => Math.floor(position / learned);
    const open = Math.floor(end / learned);
    const due = new Map<number, HeldRow[]>();
    for (const row of this.#unlearned) {
      const batch = batchOf(row);
      if (batch >= open) continue;
      const rows = due.get(batch);
      if (rows === undefined) due.set(batch, [row]);
      else rows.push(row);
    }
    if (due.size === 0) return;
    this.#unlearned = this.#unlearned.filter((row) => batchOf(row) >= open);
    for (const batch of Array.from(due.keys()).sort((a, b) => a - b)) {
      const rows = (due.get(batch) ?? []).sort((a, b) => a.position - b.position);
      this.model.learn(this.#batchOf(rows));
    }
  }

  #batchOf(rows: readonly HeldRow[]) {
    const { features } = this;
    const data = new Float64Array(rows.length * features);
    for (const [i, { values }] of rows.entries()) data.set(values, i * features);
    return { data, rows: rows.length, features };
  }
}

function otherWindows(rows: number | undefined): StreamnormError {
  return new StreamnormError(
    'STATE',
    `${rows} rows of the saved state wait for windows of another kind; start once with the former options and stop in order, which closes them`,
  );
}
