import { createKeyedNormalizer, type KeyedEntry, type KeyedNormalizer } from '../core/keyed-normalizer.ts';
import { createNormalizer, type MethodOptions } from '../core/methods.ts';
import { withoutDropped } from '../core/quarantine-normalizer.ts';
import type { NormalizedRows, PendingRows, RowNormalizer } from '../core/row-normalizer.ts';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import type { Entry, Piece } from '../nats/port.ts';
import type { Fold } from '../nats/run.ts';
import type { ChannelConfig } from './config/channel.ts';
import { decodeBatch, type LogBatch } from './log-batch.ts';
import { encodePiece, rowsPerPiece } from './log-rows.ts';
import type { PushForm } from './push-form.ts';

/** All that a partition of a channel knows, as its checkpoints hold it. */
export interface PartitionState {
  readonly format: 'streamnorm.partition/1';
  readonly features: readonly string[];
  readonly method: string;
  readonly options: MethodOptions;
  /** Field of the key; null where the channel has none. */
  readonly key: string | null;
  /** Rows that are out. */
  readonly end: number;
  /** Time of the log. */
  readonly nowMs: number;
  /** When a window closes by time; null where none does. */
  readonly dueMs: number | null;
  /** Last `seq` of each producer; the one longest silent comes first. */
  readonly producers: readonly (readonly [string, number])[];
  /** Pushes that had been applied before. */
  readonly duplicates: number;
  /** Of a channel without keys. */
  readonly state: StatisticState | null;
  readonly pending: PendingRows | null;
  /** Of one with keys: the key unused for longest first. */
  readonly keys: readonly KeyedEntry[] | null;
}

const FORMAT = 'streamnorm.partition/1';
/** Rows of one message: beyond what edges make, and what fits in a message of the broker. */
const MAX_ROWS = 1_000_000;

export interface FoldLimits {
  /** Producers whose last `seq` is remembered. */
  readonly maxProducers: number;
  /** Keys that have statistics at a time, in a partition. */
  readonly maxKeys: number;
}

/**
 * One partition of a channel: the same normalizer as that of a server, as a machine that depends on nothing but the
 * messages of the log. Time is that of the log: a window closes when a message comes whose time says so.
 */
export class ChannelFold implements Fold {
  readonly #config: ChannelConfig;
  readonly #form: PushForm;
  readonly #maxProducers: number;
  readonly #normalizer: RowNormalizer | undefined;
  readonly #keyed: KeyedNormalizer | undefined;
  readonly #producers: Map<string, number>;
  #duplicates: number;
  #end: number;
  #nowMs: number;

  /** @throws StreamnormError STATE when the state does not fit the config */
  constructor(config: ChannelConfig, limits: FoldLimits, snapshot?: Uint8Array) {
    const { features, method, options, time, keys } = config;
    const saved = snapshot && readState(snapshot, config);
    this.#config = config;
    this.#form = { features, time, key: keys?.field, maxRows: MAX_ROWS };
    this.#maxProducers = limits.maxProducers;
    if (keys === undefined) {
      this.#normalizer = opened(config, saved);
      this.#keyed = undefined;
    } else {
      this.#normalizer = undefined;
      this.#keyed = createKeyedNormalizer(method, features, options, {
        maxKeys: keys.maxKeys ?? limits.maxKeys,
      });
      for (const [key, state, pending] of saved?.keys ?? []) {
        // with the options of then: one that is gone takes its default again
        this.#keyed.restore(key, { state, options: saved?.options, ...(pending && { pending }) }, 0);
      }
    }
    this.#producers = new Map(saved?.producers);
    this.#duplicates = saved?.duplicates ?? 0;
    this.#end = saved?.end ?? 0;
    this.#nowMs = saved?.nowMs ?? 0;
  }

  /** When a window is to be closed, in the time of the log; Infinity: never. */
  get dueMs(): number {
    return this.#normalizer?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  apply(entry: Entry): readonly Piece[] {
    // all that can be wrong with a message is found here, before anything has changed
    const batch = decodeBatch(entry.data, this.#form, entry.time);
    if (batch !== undefined && this.#config.options.missing === 'error') requireWhole(batch, this.#config.features);
    // the clock of a broker may go back, that of the log does not
    this.#nowMs = Math.max(this.#nowMs, entry.time);
    const pieces: Piece[] = [];
    this.#emit(this.#normalizer?.advance(this.#nowMs), pieces);
    const fresh = batch && this.#fresh(batch);
    if (fresh === undefined) return pieces;
    const { data, rows, times, keys } = fresh;
    const nowMs = this.#nowMs;
    if (this.#keyed !== undefined) {
      this.#emit(this.#keyed.push(keys ?? [], data, rows, times, nowMs), pieces);
    } else {
      this.#emit(this.#normalizer?.push(data, rows, times, { elapsedMs: nowMs, nowMs }), pieces);
    }
    return pieces;
  }

  /** Closes all open windows. */
  flush(): readonly Piece[] {
    const pieces: Piece[] = [];
    this.#emit(this.#keyed === undefined ? this.#normalizer?.flush() : this.#keyed.flush(), pieces);
    return pieces;
  }

  snapshot(): Uint8Array {
    const { features, method, options, keys } = this.#config;
    const state: PartitionState = {
      format: FORMAT,
      features,
      method,
      options,
      key: keys?.field ?? null,
      end: this.#end,
      nowMs: this.#nowMs,
      dueMs: this.dueMs < Number.POSITIVE_INFINITY ? this.dueMs : null,
      producers: Array.from(this.#producers),
      duplicates: this.#duplicates,
      state: this.#normalizer?.state() ?? null,
      pending: this.#normalizer?.pendingRows() ?? null,
      keys: this.#keyed === undefined ? null : Array.from(this.#keyed.entries()),
    };
    return new TextEncoder().encode(JSON.stringify(state));
  }

  /** The batch without pushes that had been applied before; undefined when nothing is left. */
  #fresh(batch: LogBatch): LogBatch | undefined {
    const known = batch.segments.map((segment) => this.#isKnown(segment));
    if (!known.includes(true)) return batch;
    const width = this.#config.features.length;
    const segments = batch.segments.filter((_, i) => !known[i]);
    const rows = segments.reduce((sum, segment) => sum + segment.rows, 0);
    if (rows === 0) return undefined;
    const data = new Float64Array(rows * width);
    const times = new Float64Array(rows);
    const keys: string[] | undefined = batch.keys && [];
    let [from, to] = [0, 0];
    batch.segments.forEach((segment, i) => {
      const end = from + segment.rows;
      if (!known[i]) {
        data.set(batch.data.subarray(from * width, end * width), to * width);
        times.set(batch.times.subarray(from, end), to);
        keys?.push(...(batch.keys?.slice(from, end) ?? []));
        to += segment.rows;
      }
      from = end;
    });
    return { segments, rows, data, times, keys };
  }

  #isKnown({ producer, seq }: LogBatch['segments'][number]): boolean {
    if (producer === undefined || seq === undefined) return false;
    const producers = this.#producers;
    const last = producers.get(producer);
    if (last !== undefined && seq <= last) {
      this.#duplicates++;
      return true;
    }
    producers.delete(producer);
    producers.set(producer, seq);
    if (producers.size > this.#maxProducers) producers.delete(producers.keys().next().value as string);
    return false;
  }

  #emit(normalized: NormalizedRows | undefined, pieces: Piece[]): void {
    const content = normalized && withoutDropped(normalized);
    if (content === undefined) return;
    const most = rowsPerPiece(content.features);
    for (let from = 0; from < content.rows; from += most) {
      const to = Math.min(content.rows, from + most);
      const data = encodePiece(content, from, to, this.#end + 1);
      this.#end += to - from;
      pieces.push({ data, end: this.#end });
    }
  }
}

/** The normalizer as it was, its clock included: a window that was open closes when it would have. */
function opened({ method, features, options }: ChannelConfig, saved: PartitionState | undefined): RowNormalizer {
  const open = () =>
    createNormalizer(
      method,
      features,
      options,
      saved?.state
        ? { state: saved.state, ...(saved.pending && { pending: saved.pending }), options: saved.options }
        : undefined,
    );
  const normalizer = open();
  const { nowMs = 0, dueMs: saidMs = null } = saved ?? {};
  const dueMs = saidMs ?? Number.POSITIVE_INFINITY;
  // a normalizer that is restored takes the first time it is told for that of its last row, or of its first
  normalizer.advance(nowMs);
  if (normalizer.dueMs === dueMs) return normalizer;
  const again = open();
  again.advance(nowMs - (normalizer.dueMs - dueMs));
  if (again.dueMs === dueMs) return again;
  throw new StreamnormError('STATE', `the open window of the partition closes at ${again.dueMs}, expected ${dueMs}`);
}

/** @throws StreamnormError BAD_VALUE for a row that lacks a value */
export function requireWhole({ data, rows }: Pick<LogBatch, 'data' | 'rows'>, features: readonly string[]): void {
  const missing = data.subarray(0, rows * features.length).findIndex(Number.isNaN);
  if (missing < 0) return;
  const row = Math.floor(missing / features.length);
  const feature = features[missing % features.length];
  throw new StreamnormError('BAD_VALUE', `row ${row} lacks ${feature}, and missing is 'error'`, { row });
}

/** @throws StreamnormError STATE */
export function readState(snapshot: Uint8Array, config: ChannelConfig): PartitionState {
  const fail = (why: string): never => {
    throw new StreamnormError('STATE', `the state of the partition ${why}`);
  };
  let state: PartitionState;
  try {
    state = JSON.parse(new TextDecoder().decode(snapshot)) as PartitionState;
  } catch {
    return fail('is no JSON');
  }
  if (state?.format !== FORMAT) return fail(`has format ${state?.format}, expected ${FORMAT}`);
  if (state.method !== config.method)
    return fail(`was made by method ${state.method}, the config has ${config.method}`);
  if (state.features.join('\0') !== config.features.join('\0')) {
    return fail(`has the features ${state.features.join(', ')}, the config has ${config.features.join(', ')}`);
  }
  const key = config.keys?.field ?? null;
  if (state.key !== key) return fail(`has the key ${state.key}, the config has ${key}`);
  return state;
}
