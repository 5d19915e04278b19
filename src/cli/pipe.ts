import { DEFAULT_MAX_KEYS } from '../core/keyed-normalizer.ts';
import type { Method, MethodOptions } from '../core/methods.ts';
import type { RowDrift, StatisticsReport } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { MAX_MAGNITUDE } from '../core/usable.ts';
import type { BadLines } from './bad-lines.ts';
import type { Clock } from './clock.ts';
import { CsvReader } from './csv-reader.ts';
import type { KeptOut } from './kept-out.ts';
import { NdjsonReader } from './ndjson-reader.ts';
import type { Notices } from './notices.ts';
import type { Output } from './output.ts';
import { PipeNormalizer } from './pipe-normalizer.ts';
import type { Rejects } from './rejects.ts';
import { RowBlock } from './row-block.ts';
import { RowQueue } from './row-queue.ts';
import type { ReadOptions, RowReader } from './row-reader.ts';

const BLOCK_BYTES = 256 * 1024;

export interface PipeOptions extends ReadOptions {
  readonly format: 'csv' | 'ndjson';
  readonly method: Method;
  readonly normalizer: MethodOptions;
  /** Keys that have statistics at a time, where there is a `key`; 100,000. */
  readonly maxKeys?: number | undefined;
  /** Whether the statistics of evicted keys are kept; they are not. */
  readonly keepsEvicted?: boolean;
  /** Is told of the first key that is evicted. */
  readonly tellEviction?: (() => void) | undefined;
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
  /** How often a key was evicted because of `maxKeys`. */
  readonly evictions: number;
  /** By key, or one under ''; none before the first row. */
  readonly states: readonly [key: string, state: StatisticState][];
  readonly reports: () => [key: string, report: StatisticsReport][];
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
      try {
        run.close();
      } catch {
        // of two failures the first is told
      }
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
  readonly #normalizer: PipeNormalizer;
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
    this.#reader = new Reader(options, bad, (key) => this.#normalizer.keyOf(key));
    this.#queue = new RowQueue(this.#reader.missing);
    const { tellDrift } = options;
    const named =
      tellDrift &&
      ((drift: RowDrift, time: number, key: string) =>
        tellDrift(drift, time, key, this.#reader.features?.[drift.feature] ?? String(drift.feature)));
    const settings = {
      ...options,
      method,
      options: normalizer,
      saved,
      tellDrift: named,
      maxKeys: options.key === undefined ? undefined : (options.maxKeys ?? DEFAULT_MAX_KEYS),
      keepsEvicted: options.keepsEvicted === true,
      weighted: options.sampleWeight !== undefined,
    };
    this.#normalizer = new PipeNormalizer(settings, this.#queue, keptOut);
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
    return this.#normalizer.dueMs;
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
    this.#normalizer.flush();
  }

  closeDue(): void {
    this.#normalizer.closeDue(this.#clock.elapsed());
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
      evictions: this.#normalizer.evictions,
      states: Array.from(this.#normalizer.states()),
      reports: () => Array.from(this.#normalizer.reports()),
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
      this.#normalizer.open(features);
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
    const { values, features, keys, times, weights, firstRow } = block;
    for (let i = first, from = first * features; i < block.rows; i++, from += features) {
      for (let j = from; j < from + features; j++) {
        if (Math.abs(values[j]) > MAX_MAGNITUDE) this.#excluded += 1;
      }
      const row = firstRow + i;
      this.#normalizer.gather(keys[i], row, values, from, times[i], weights[i]);
      this.rows = row + 1;
      if (this.rows - this.#queue.open > this.#maxPending) this.#closeOldest();
    }
    this.#push();
  }

  #push(): void {
    this.#normalizer.push(this.#clock.elapsed(), this.#clock.now());
  }

  /** How many rows really wait is known only after the push. */
  #closeOldest(): void {
    this.#push();
    while (this.#queue.waiting(this.rows) > this.#maxPending) {
      this.#normalizer.flushKey(this.#queue.oldestKey);
      this.#closedEarly += 1;
    }
  }
}
