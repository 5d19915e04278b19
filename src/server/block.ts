import { flagNames } from '../core/flags.ts';
import { emptyRows, type NormalizedRows, type StatisticsReport } from '../core/row-normalizer.ts';
import { encodeFrame } from '../websocket/frame.ts';
import { JsonBytes } from './json-bytes.ts';
import { websocketFrame } from './websocket-frame.ts';

/** How a subscriber wants to see rows. */
export interface View {
  readonly format: 'json' | 'f32' | 'f64';
  readonly include: ReadonlySet<Included>;
  /** Significant digits of numbers in JSON: 7, or 17 for all. */
  readonly digits: 7 | 17;
  /** The same text for the same view: the key under which an encoded block is shared. */
  readonly key: string;
}

export type Included = 'z' | 'raw' | 'stats' | 'flags';

/** float64 a feature that a captured report holds, at most. */
const REPORT_NUMBERS = 7;
/** Bytes of a block without its numbers, about. */
const OBJECTS = 1_024;
/** Of a key beside its characters, which evicted keys no longer share with the statistics. */
const KEY = 24;

/** The largest number that does not round to Infinity as float32. */
const MAX_FLOAT32 = 3.4028235677973362e38;

/** Shared: a block is written in one go. */
const json = new JsonBytes();

/** Rows that left the normalizer together: the unit of history and of sending. Encoded once a view. */
export class Block {
  /** Number of the first row. */
  readonly seq: number;
  readonly content: NormalizedRows;
  /** Number of the last row. */
  readonly lastSeq: number;
  /** Number of each row, where rows of other keys are left out. */
  readonly seqs: readonly number[] | undefined;
  readonly #report: () => StatisticsReport;
  #stats: (StatisticsReport & { time: number }) | undefined;
  #encoded: Map<string, Buffer> | undefined;
  /** Blocks of the rows of one key. */
  #only: Map<string, Block> | undefined;

  /**
   * @param report where the statistics stood after the last row: made when it is asked for
   * @param parts numbers of the rows and the last one, where some are left out
   */
  constructor(
    seq: number,
    content: NormalizedRows,
    report: () => StatisticsReport,
    parts?: { seqs: readonly number[]; lastSeq: number },
  ) {
    this.seq = seq;
    this.content = content;
    this.lastSeq = parts?.lastSeq ?? seq + content.rows - 1;
    this.seqs = parts?.seqs;
    this.#report = report;
    this.#stats = undefined;
    this.#encoded = undefined;
    this.#only = undefined;
  }

  get rows(): number {
    return this.content.rows;
  }

  /** Time of the last row in ms. */
  get time(): number {
    return this.content.times[this.content.rows - 1];
  }

  /** The statistics after the last row. */
  get stats(): StatisticsReport & { time: number } {
    this.#stats ??= { ...this.#report(), time: this.time };
    return this.#stats;
  }

  /** Memory it holds: rows, what `report` keeps, and the objects around them, which weigh most for a lone row. */
  get bytes(): number {
    const { features, raw, z, times, flags, keys = [] } = this.content;
    const numbers = raw.byteLength + z.byteLength + times.byteLength + flags.byteLength + REPORT_NUMBERS * 8 * features;
    return keys.reduce((sum, key) => sum + KEY + key.length, numbers + OBJECTS);
  }

  /** Bytes of the shared messages. */
  get encodedBytes(): number {
    let bytes = 0;
    for (const encoded of this.#encoded?.values() ?? []) bytes += encoded.length;
    for (const part of this.#only?.values() ?? []) bytes += part.bytes + part.encodedBytes;
    return bytes;
  }

  /** The rows from `seq` on. */
  from(seq: number): Block {
    const skip = seq - this.seq;
    if (skip <= 0) return this;
    const { rows, features, raw, z, times, flags, keys } = this.content;
    const content = {
      rows: rows - skip,
      features,
      raw: raw.subarray(skip * features),
      z: z.subarray(skip * features),
      times: times.subarray(skip),
      flags: flags.subarray(skip),
      ...(keys && { keys: keys.slice(skip) }),
    };
    return new Block(seq, content, () => this.stats);
  }

  /** The rows of one key; undefined when there are none. It ends where this one ends. */
  only(key: string): Block | undefined {
    const known = this.#only?.get(key);
    if (known !== undefined) return known;
    const { features, raw, z, times, flags, keys = [] } = this.content;
    const indices: number[] = [];
    for (let row = 0; row < keys.length; row++) if (keys[row] === key) indices.push(row);
    if (indices.length === 0) return undefined;
    const content = { ...emptyRows(indices.length, features), keys: indices.map(() => key) };
    indices.forEach((row, i) => {
      content.raw.set(raw.subarray(row * features, (row + 1) * features), i * features);
      content.z.set(z.subarray(row * features, (row + 1) * features), i * features);
      content.times[i] = times[row];
      content.flags[i] = flags[row];
    });
    const seqs = indices.map((row) => this.seq + row);
    const block = new Block(seqs[0], content, () => this.stats, { seqs, lastSeq: this.lastSeq });
    this.#only ??= new Map();
    this.#only.set(key, block);
    return block;
  }

  /** The WebSocket frame of these rows; `skipped` rows were left out before it, or it is a replay of the past. */
  encode(view: View, skipped = 0, replay = false): Buffer {
    // a replay in JSON reads like any other
    const shared = skipped === 0 && !(replay && view.format !== 'json');
    const known = shared ? this.#encoded?.get(view.key) : undefined;
    if (known !== undefined) return known;
    const encoded =
      view.format === 'json'
        ? websocketFrame(this.#json(view, skipped), false)
        : websocketFrame(this.#frame(view, skipped, replay), true);
    if (shared) {
      this.#encoded ??= new Map();
      this.#encoded.set(view.key, encoded);
    }
    return encoded;
  }

  /** Lets go of the shared messages, which are made again when somebody still wants them. */
  forgetEncoded(): void {
    this.#encoded = undefined;
    this.#only = undefined;
  }

  #json({ include, digits }: View, skipped: number): Uint8Array {
    const { rows, features, z, raw, times, flags, keys } = this.content;
    const seqs = this.seqs === undefined ? '' : `"seqs":[${this.seqs.join()}],`;
    json.begin(`{"type":"next","seq":${this.seq},${seqs}"t":[${rows === 1 ? times[0] : times.join(',')}]`);
    if (include.has('z')) json.text(',"z":').matrix(z, rows, features, digits);
    if (keys !== undefined) json.text(`,"k":${JSON.stringify(keys)}`);
    if (include.has('raw')) json.text(',"raw":').matrix(raw, rows, features, 17);
    if (include.has('flags')) json.text(`,"flags":${JSON.stringify(Array.from(flags, flagNames))}`);
    if (include.has('stats')) json.text(`,"stats":${JSON.stringify(this.stats)}`);
    return json.text(skipped > 0 ? `,"skipped":${skipped}}` : '}').end();
  }

  #frame(view: View, skipped: number, replay: boolean): Uint8Array {
    const { rows, features, z, raw, times } = this.content;
    const dtype = view.format === 'f64' ? 'f64' : 'f32';
    const source = view.include.has('z') ? z : raw;
    return encodeFrame({
      kind: 'next',
      dtype,
      rows,
      columns: features,
      values: withoutInfinity(source, dtype === 'f32' ? MAX_FLOAT32 : Number.MAX_VALUE),
      seq: this.seq,
      time: times[0],
      times: rows > 1 ? times : undefined,
      flags: { conflated: skipped > 0, replay },
      skipped: Math.min(skipped, 0xffff_ffff),
    });
  }
}

/** What is larger than `max`, and so infinite on the wire, as NaN: Infinity never goes over it. */
function withoutInfinity(values: Float64Array, max: number): Float64Array {
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i]) > max) return values.map((x) => (Math.abs(x) > max ? Number.NaN : x));
  }
  return values;
}
