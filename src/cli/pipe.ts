import type { Method, MethodOptions } from '../core/methods.ts';
import type { RowDrift, StatisticsReport } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { MAX_MAGNITUDE } from '../core/usable.ts';
import type { BadLines } from './bad-lines.ts';
import type { Clock } from './clock.ts';
import { CsvReader } from './csv-reader.ts';
import type { KeptOut } from './kept-out.ts';
import { Lanes } from './lanes.ts';
import { NdjsonReader } from './ndjson-reader.ts';
import type { Notices } from './notices.ts';
import type { Output } from './output.ts';
import type { Rejects } from './rejects.ts';
import { RowBlock } from './row-block.ts';
import { RowQueue } from './row-queue.ts';
import type { ReadOptions, RowReader } from './row-reader.ts';

const BLOCK_BYTES = 256 * 1024;

export interface PipeOptions extends ReadOptions {
  readonly format: 'csv' | 'ndjson';
  readonly method: Method;
  readonly normalizer: MethodOptions;
  /** Most rows that wait for a row before them. */
  readonly maxPending: number;
  /** Saved states: by key, or one under ''. */
  readonly saved: ReadonlyMap<string, StatisticState>;
  /** Is told of each change of a mean, with the name of the feature; rows count from 0. */
  readonly tellDrift?: ((drift: RowDrift, time: number, key: string, feature: string) => void) | undefined;
}

export interface PipeResult {
  readonly rows: number;
  /** Values that were infinite or too large to be squared. */
  readonly excluded: number;
  /** Windows closed early because of `maxPending`. */
  readonly closedEarly: number;
  readonly features: readonly string[] | undefined;
  readonly lanes: readonly { key: string; report: StatisticsReport; state: StatisticState }[];
}

export interface PipeParts {
  readonly output: Output;
  readonly bad: BadLines;
  readonly keptOut: KeptOut;
  /** Where lines that do not count are written, if anywhere. */
  readonly rejects: Rejects | undefined;
  readonly notices: Notices;
  readonly clock: Clock;
}

/**
 * Normalises rows of text: bytes in, bytes out, in the same order, in memory that does not grow with the input.
 *
 * Each chunk of input is copied to a block and read where it lies; what is whole goes through the normalizers, and what
 * is done by then is written, with back pressure. `input` may end early (a signal): that is the end like any other.
 */
export async function pipe(
  input: AsyncIterator<Buffer>,
  options: PipeOptions,
  { output, bad, keptOut, rejects, notices, clock }: PipeParts,
): Promise<PipeResult> {
  const run = new PipeRun(options, bad, keptOut, rejects, clock);
  const started = clock.elapsed();
  let next = input.next();
  for (;;) {
    const chunk = await nextOrDue(next, run.dueMs, clock);
    try {
      if (chunk === 'due') run.closeDue();
      else if (chunk.done === true) run.end();
      else run.take(chunk.value);
    } catch (error) {
      // the rows before the one that ends the run are whole
      run.close();
      for (const bytes of run.output()) await output.write(bytes);
      throw error;
    }
    for (const bytes of run.output()) await output.write(bytes);
    await rejects?.write();
    if (chunk !== 'due') {
      if (chunk.done === true) break;
      next = input.next();
    }
    notices.progress(clock.elapsed(), () => progressText(run.rows, clock.elapsed() - started));
  }
  await output.finish();
  return run.result();
}

type Next = IteratorResult<Buffer>;

/** The next chunk, or `due` when a window must close before it comes. */
async function nextOrDue(next: Promise<Next>, dueMs: number, clock: Clock): Promise<Next | 'due'> {
  if (dueMs === Number.POSITIVE_INFINITY) return next;
  let callOff = () => {};
  const due = new Promise<'due'>((resolve) => {
    callOff = clock.after(Math.max(0, dueMs - clock.elapsed()), () => resolve('due'));
  });
  try {
    return await Promise.race([next, due]);
  } finally {
    callOff();
  }
}

function progressText(rows: number, ms: number): string {
  const perSecond = ms > 0 ? Math.round((rows / ms) * 1000) : 0;
  return `${rows.toLocaleString('en')} rows, ${perSecond.toLocaleString('en')} rows/s, ${(ms / 1000).toFixed(1)} s`;
}

/** One run, chunk by chunk, without any waiting. */
class PipeRun {
  rows: number;
  readonly #reader: RowReader;
  readonly #queue: RowQueue;
  readonly #lanes: Lanes;
  readonly #rejects: Rejects | undefined;
  readonly #clock: Clock;
  readonly #maxPending: number;
  #bytes: Buffer;
  #from: number;
  #to: number;
  #block: RowBlock | undefined;
  #capacity: number;
  #excluded: number;
  #closedEarly: number;

  constructor(options: PipeOptions, bad: BadLines, keptOut: KeptOut, rejects: Rejects | undefined, clock: Clock) {
    const { format, method, normalizer, saved } = options;
    const Reader = format === 'csv' ? CsvReader : NdjsonReader;
    this.rows = 0;
    this.#reader = new Reader(options, bad, (key) => this.#lanes.indexOf(key));
    this.#queue = new RowQueue(this.#reader.missing);
    const { tellDrift } = options;
    const named =
      tellDrift &&
      ((drift: RowDrift, time: number, key: string) =>
        tellDrift(drift, time, key, this.#reader.features?.[drift.feature] ?? String(drift.feature)));
    this.#lanes = new Lanes({ method, options: normalizer, saved, tellDrift: named }, this.#queue, keptOut);
    this.#rejects = rejects;
    this.#clock = clock;
    this.#maxPending = options.maxPending;
    this.#bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#from = 0;
    this.#to = 0;
    this.#block = undefined;
    this.#capacity = 16;
    this.#excluded = 0;
    this.#closedEarly = 0;
  }

  get dueMs(): number {
    return this.#lanes.dueMs;
  }

  take(chunk: Buffer): void {
    this.closeDue();
    this.#append(chunk);
    this.#read(false);
  }

  end(): void {
    this.#read(true);
    this.close();
  }

  /** Closes all open windows. */
  close(): void {
    for (const lane of this.#lanes.list) this.#lanes.flush(lane);
  }

  closeDue(): void {
    this.#lanes.closeDue(this.#clock.elapsed());
  }

  *output(): Generator<Buffer> {
    const head = this.#reader.takeHead();
    if (head !== undefined) {
      this.#rejects?.head(head);
      yield head;
    }
    yield* this.#queue.take();
  }

  result(): PipeResult {
    return {
      rows: this.rows,
      excluded: this.#excluded,
      closedEarly: this.#closedEarly,
      features: this.#reader.features,
      lanes: this.#lanes.list.map(({ key, normalizer }) => ({
        key,
        report: normalizer.report(),
        state: normalizer.state(),
      })),
    };
  }

  /** A block is filled to its end; then the row that has begun moves to a new one. */
  #append(chunk: Buffer): void {
    if (chunk.length > this.#bytes.length - this.#to) {
      const rest = this.#bytes.subarray(this.#from, this.#to);
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, rest.length + chunk.length));
      rest.copy(this.#bytes);
      this.#from = 0;
      this.#to = rest.length;
      if (this.#block !== undefined) this.#capacity = this.#block.rows + 16;
      this.#block = undefined;
    }
    chunk.copy(this.#bytes, this.#to);
    this.#to += chunk.length;
  }

  #read(last: boolean): void {
    const reader = this.#reader;
    const arrivedMs = this.#clock.now();
    if (this.#block === undefined) {
      this.#from = reader.readHead(this.#bytes, this.#from, this.#to, last);
      const { features } = reader;
      if (features === undefined) return;
      this.#lanes.open(features);
      this.#block = new RowBlock(this.#bytes, features.length, this.rows, this.#capacity);
      this.#queue.add(this.#block);
    }
    const block = this.#block;
    const first = block.rows;
    try {
      this.#from = reader.read(block, this.#from, this.#to, last, arrivedMs);
    } finally {
      this.#normalize(block, first);
    }
  }

  #normalize(block: RowBlock, first: number): void {
    const { values, features, lane, times, firstRow } = block;
    for (let i = first, from = first * features; i < block.rows; i++, from += features) {
      for (let j = from; j < from + features; j++) {
        if (Math.abs(values[j]) > MAX_MAGNITUDE) this.#excluded += 1;
      }
      const row = firstRow + i;
      this.#lanes.gather(lane[i], row, values, from, times[i]);
      this.rows = row + 1;
      if (this.rows - this.#queue.open > this.#maxPending) this.#closeOldest();
    }
    this.#push();
  }

  #push(): void {
    this.#lanes.push(this.#clock.elapsed(), this.#clock.now());
  }

  /** How many rows really wait is known only after the push. */
  #closeOldest(): void {
    this.#push();
    while (this.#queue.waiting(this.rows) > this.#maxPending) {
      this.#lanes.flush(this.#lanes.list[this.#queue.oldestLane]);
      this.#closedEarly += 1;
    }
  }
}
