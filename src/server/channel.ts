import { createKeyedNormalizer, type KeyedNormalizer } from '../core/keyed-normalizer.ts';
import { createNormalizer } from '../core/methods.ts';
import { MissingValue } from '../core/missing-values.ts';
import { keepingOut, withoutDropped } from '../core/quarantine-normalizer.ts';
import type { NormalizedRows, StatisticsReport } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import { Block } from './block.ts';
import { ChannelGuard, type Guarded } from './channel-guard.ts';
import type { ChannelLog } from './channel-log.ts';
import { ChannelNotices } from './channel-notices.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ChannelConfig } from './config/channel.ts';
import type { Limits } from './config/limits.ts';
import { Counters } from './counters.ts';
import { DriftLog } from './drift-log.ts';
import { FanOut, type HistoryReader } from './fan-out.ts';
import { History } from './history.ts';
import { AllKeys, type ChannelStatistics } from './keyed-channel.ts';
import { newEpoch } from './new-epoch.ts';
import type { Push } from './push.ts';

/** Row numbers that a checkpoint keeps free beyond the last row, at least. */
const MIN_RESERVE = 10_000;

/** Who hears of each block of a channel at once. */
export interface BlockListener {
  next(block: Block): void;
  /** The channel is closed. */
  complete(): void;
}

/**
 * One stream: rows of all its producers in order of arrival, one normalizer, numbered rows out.
 *
 * `seq` numbers the rows that went out, +1 each; `epoch` names the numbering, and a new one begins only when there was
 * no checkpoint to go on from.
 */
export class Channel {
  readonly name: string;
  readonly config: ChannelConfig;
  readonly epoch: string;
  readonly history: History;
  readonly drifts: DriftLog;
  readonly counters: Counters;
  /** What subscribers are told between rows. */
  readonly notices: ChannelNotices;
  /** Number of the last row that the process before this one may have sent: what follows is new. */
  readonly startSeq: number;
  /** Last row of the checkpoint that this process began with. */
  readonly restoredSeq: number;
  /** Number of the last row that went out. */
  seq: number;
  producerCount: number;
  subscriberCount: number;
  /** The statistics of each key; undefined where the channel has no keys, or workers have them. */
  readonly keyed: KeyedNormalizer | undefined;
  /** Against producers that go mad. */
  readonly guard: ChannelGuard | undefined;
  /** Where rows are normalised by workers. */
  readonly #log: ChannelLog | undefined;
  readonly #statistics: ChannelStatistics;
  readonly #listeners: Set<BlockListener>;
  readonly #fanOut: FanOut;
  /** Rows and bytes that no reader was told of yet. */
  #untoldRows: number;
  #untoldBytes: number;
  /** Last `seq` of each producer; the one longest silent comes first. */
  readonly #producers: Map<string, number>;
  readonly #maxProducers: number;
  /** Writes a checkpoint at once; null where nothing is kept. */
  readonly #saveNow: ((checkpoint: Checkpoint) => void) | null;
  #seqLimit: number;
  #savedSeq: number;
  #windowTimer: NodeJS.Timeout | undefined;
  /** When it rings, on the clock of `performance`. */
  #windowTimerMs: number;
  #changed: boolean;
  #draining: boolean;

  /**
   * @param onGuarded told of producers whose rows are kept out
   * @throws StreamnormError STATE when `saved` does not fit the config
   */
  constructor(
    name: string,
    config: ChannelConfig,
    limits: Limits,
    saved: Checkpoint | undefined,
    saveNow: ((checkpoint: Checkpoint) => void) | null,
    log?: ChannelLog,
    onGuarded: (guarded: Guarded) => void = () => {},
  ) {
    this.name = name;
    this.config = config;
    this.epoch = log?.epoch ?? saved?.epoch ?? newEpoch();
    this.restoredSeq = log?.startSeq ?? saved?.seq ?? 0;
    this.startSeq = log?.startSeq ?? saved?.seqLimit ?? 0;
    this.seq = this.startSeq;
    this.history = new History(config.history, limits.maxHistoryBytes);
    this.drifts = new DriftLog(config.features, limits.maxDrifts);
    this.counters = new Counters();
    this.notices = new ChannelNotices();
    this.producerCount = 0;
    this.subscriberCount = 0;
    const { method, features, options, keys, producerGuard } = config;
    this.guard = producerGuard && new ChannelGuard(producerGuard, method, limits, onGuarded);
    this.#log = log;
    if (log !== undefined) {
      this.keyed = undefined;
      this.#statistics = log.statistics;
    } else if (keys === undefined) {
      this.keyed = undefined;
      const normalizer = createNormalizer(method, features, options, saved);
      this.#statistics = this.guard === undefined ? normalizer : keepingOut(normalizer);
    } else {
      const { maxKeys = limits.maxKeys, idleMs } = keys;
      this.keyed = createKeyedNormalizer(method, features, options, { maxKeys, idleMs });
      this.#statistics = new AllKeys(this.keyed, () => this.counters.rows);
    }
    this.#listeners = new Set();
    this.#fanOut = new FanOut();
    this.#untoldRows = 0;
    this.#untoldBytes = 0;
    this.#producers = new Map(saved?.producers ?? []);
    this.#maxProducers = limits.maxProducers;
    this.#saveNow = saveNow;
    this.#seqLimit = this.seq;
    this.#savedSeq = this.seq;
    this.#windowTimer = undefined;
    this.#windowTimerMs = Number.POSITIVE_INFINITY;
    // an orderly checkpoint stands until the first row: a server that is only looked at leaves no hole in the numbers
    this.#changed = saved === undefined || saved.seq !== saved.seqLimit;
    this.#draining = false;
  }

  /** True while there is something that no checkpoint holds. */
  get changed(): boolean {
    return this.#changed;
  }

  get pending(): number {
    return this.#statistics.pending;
  }

  /** From now on time passes: a window that was open when the last process ended closes in its turn. */
  start(): void {
    this.#closeDue();
  }

  /**
   * Applies a push; false when it had been applied before. Where workers normalise, a promise: the log has it then, and
   * whether it had it before is found there.
   *
   * @param from who sends it, as `producerGuard` calls it
   * @throws StreamnormError OVERLOADED when the channel is closing, BAD_VALUE for a row that lacks a value, or that its
   *   guard keeps out, where that was asked to be an error; nothing has changed then
   */
  push(push: Push, from: string = push.producer ?? 'server'): boolean | Promise<boolean> {
    if (this.#draining) {
      throw new StreamnormError('OVERLOADED', 'the server is closing: send this again to its successor');
    }
    if (this.#log !== undefined) return this.#write(this.#log, push);
    const { producer, seq } = push;
    if (producer !== undefined && seq !== undefined) {
      const last = this.#producers.get(producer);
      if (last !== undefined && seq <= last) {
        this.counters.duplicates++;
        return false;
      }
    }
    // before anything is noted: it may refuse
    const out = this.#normalized(push, from);
    if (producer !== undefined && seq !== undefined) this.#note(producer, seq);
    this.counters.rows += push.rows;
    this.#changed = true;
    this.#emit(out);
    this.#armWindowTimer();
    return true;
  }

  /**
   * Rows are missing that never had numbers: the open window closes, the statistics are told, and subscribers get a `gap`
   * between the last row and the next.
   */
  hole({ fromMs, toMs, missed }: { fromMs: number; toMs: number; missed: number | undefined }): void {
    this.#changed = true;
    this.#emit(this.#statistics.cut());
    const t = [fromMs, toMs].map((ms) => (Number.isFinite(ms) ? Math.round(ms) : null));
    const from = this.seq + 1;
    this.notices.add(this.seq, { type: 'gap', from, to: this.seq, reason: 'upstream', missed: missed ?? null, t });
    this.#fanOut.announce();
  }

  /** Closes the open window now. */
  closeWindow(): void {
    this.#flush();
  }

  /** Rows that workers have normalised, whose first has this number; those before it that are missing are told as a gap. */
  receive(seq: number, content: NormalizedRows): void {
    this.seq = seq - 1;
    this.#emit(content);
  }

  /** Takes no more rows, and closes the open window. */
  drain(): void {
    this.#draining = true;
    this.#flush();
  }

  report(): StatisticsReport & { time: number | null } {
    return { ...this.#statistics.report(), time: this.history.newest?.time ?? null };
  }

  state(): StatisticState {
    return this.#statistics.state();
  }

  /** Where the statistics of a key stand; undefined for one that has none, or where the channel has no keys. */
  ofKey(key: string): { state: StatisticState; stats: StatisticsReport & { time: number | null } } | undefined {
    const [state, stats] = [this.keyed?.state(key), this.keyed?.report(key)];
    return state && stats && { state, stats: { ...stats, time: null } };
  }

  /** Tells `listener` of every block that goes out from now on, at once; returns what ends that. */
  listen(listener: BlockListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells `reader`, soon, whenever the history has more; returns what ends that. */
  follow(reader: HistoryReader): () => void {
    return this.#fanOut.add(reader);
  }

  /**
   * What must be kept, as of now. Row numbers up to its `seqLimit` may be used before the next one is taken.
   *
   * @param orderly nothing more will be sent, so no numbers need to be kept free
   */
  checkpoint(orderly = false): Checkpoint {
    const reserve = Math.max(MIN_RESERVE, 4 * (this.seq - this.#savedSeq));
    this.#savedSeq = this.seq;
    this.#changed = false;
    const { features, method, options } = this.config;
    return {
      format: 'streamnorm.checkpoint/1',
      channel: this.name,
      features,
      method,
      options,
      epoch: this.epoch,
      seq: this.seq,
      seqLimit: orderly ? this.seq : this.seq + reserve,
      ...(this.config.keys && { key: this.config.keys.field }),
      state: this.#statistics.state(),
      pending: this.#statistics.pendingRows(),
      producers: Array.from(this.#producers),
      savedAt: new Date().toISOString(),
    };
  }

  /** A checkpoint is on disk: its numbers may be used. */
  saved(checkpoint: Checkpoint): void {
    this.#seqLimit = Math.max(this.#seqLimit, checkpoint.seqLimit);
  }

  /** A checkpoint could not be written. */
  notSaved(): void {
    this.#changed = true;
  }

  close(): void {
    clearTimeout(this.#windowTimer);
    for (const listener of this.#listeners) listener.complete();
    this.#listeners.clear();
  }

  async #write(log: ChannelLog, push: Push): Promise<boolean> {
    await log.push(push);
    this.counters.rows += push.rows;
    return true;
  }

  #flush(): void {
    this.#emit(this.#statistics.flush());
  }

  #normalized(push: Push, from: string): NormalizedRows | undefined {
    const { data, rows, times, keys } = push;
    const elapsedMs = performance.now();
    const keptOut = this.guard?.judge(from, push, this.#statistics.report(), elapsedMs);
    try {
      const arrival = { elapsedMs, nowMs: Date.now(), ...(keptOut && { keptOut }) };
      return this.#statistics.push(data, rows, times, arrival, keys);
    } catch (cause) {
      if (!(cause instanceof MissingValue)) throw cause;
      throw new StreamnormError('BAD_VALUE', cause.message, { cause, row: cause.row });
    }
  }

  #note(producer: string, seq: number): void {
    this.#producers.delete(producer);
    this.#producers.set(producer, seq);
    if (this.#producers.size > this.#maxProducers) {
      this.#producers.delete(this.#producers.keys().next().value as string);
    }
  }

  #emit(rows: NormalizedRows | undefined): void {
    if (rows === undefined) return;
    this.counters.flagged(rows.flags);
    const content = withoutDropped(rows);
    if (content === undefined) return;
    const block = new Block(this.seq + 1, content, this.#statistics.capture());
    this.#makeRoom(block);
    this.seq = block.lastSeq;
    this.#changed = true;
    if (this.seq > this.#seqLimit && this.#saveNow !== null) {
      // a number that was sent must never be given again after a crash
      const checkpoint = this.checkpoint();
      // also where the disk fails, or every row to come would wait for it
      this.#seqLimit = checkpoint.seqLimit;
      this.#saveNow(checkpoint);
      // that kept numbers free, and no keys
      if (this.keyed !== undefined) this.#changed = true;
    }
    if (content.drifts !== undefined) this.counters.drifts += this.drifts.add(content, block.seq);
    this.history.add(block);
    for (const listener of this.#listeners) listener.next(block);
    this.#fanOut.announce();
  }

  /** A short history must not drop what readers were not told of. */
  #makeRoom({ rows, bytes }: Block): void {
    const fits = () => this.history.holds(this.#untoldRows + rows, this.#untoldBytes + bytes);
    if (this.#fanOut.waits && !fits()) this.#fanOut.begin();
    if (!this.#fanOut.waits) {
      this.#untoldRows = 0;
      this.#untoldBytes = 0;
    }
    this.#untoldRows += rows;
    this.#untoldBytes += bytes;
  }

  #closeDue(): void {
    const keys = this.keyed?.size;
    this.#emit(this.#statistics.advance(performance.now()));
    // those that were idle are no longer to be saved
    if (this.keyed?.size !== keys) this.#changed = true;
    this.#armWindowTimer();
  }

  /** A timer that rings too early looks again: to set one anew for each row would cost more than the row. */
  #armWindowTimer(): void {
    const { dueMs } = this.#statistics;
    if (dueMs >= this.#windowTimerMs) return;
    clearTimeout(this.#windowTimer);
    this.#windowTimerMs = dueMs;
    const ring = () => {
      this.#windowTimerMs = Number.POSITIVE_INFINITY;
      this.#closeDue();
    };
    // not before it is due: timers count in whole ms
    this.#windowTimer = setTimeout(ring, Math.ceil(Math.max(0, dueMs - performance.now())));
  }
}
