import { flagNames } from '../core/flags.ts';
import type { NormalizedRows, StatisticsReport } from '../core/row-normalizer.ts';
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

/** The largest number that does not round to Infinity as float32. */
const MAX_FLOAT32 = 3.4028235677973362e38;

/** Shared: a block is written in one go. */
const json = new JsonBytes();

/** Rows that left the normalizer together: the unit of history and of sending. Encoded once a view. */
export class Block {
  /** Number of the first row. */
  readonly seq: number;
  readonly content: NormalizedRows;
  readonly #report: () => StatisticsReport;
  #stats: (StatisticsReport & { time: number }) | undefined;
  #encoded: Map<string, Buffer> | undefined;

  /** @param report where the statistics stood after the last row: made when it is asked for */
  constructor(seq: number, content: NormalizedRows, report: () => StatisticsReport) {
    this.seq = seq;
    this.content = content;
    this.#report = report;
    this.#stats = undefined;
    this.#encoded = undefined;
  }

  get rows(): number {
    return this.content.rows;
  }

  /** Number of the last row. */
  get lastSeq(): number {
    return this.seq + this.content.rows - 1;
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
    const { features, raw, z, times, flags } = this.content;
    return (
      raw.byteLength + z.byteLength + times.byteLength + flags.byteLength + REPORT_NUMBERS * 8 * features + OBJECTS
    );
  }

  /** Bytes of the shared messages. */
  get encodedBytes(): number {
    let bytes = 0;
    for (const encoded of this.#encoded?.values() ?? []) bytes += encoded.length;
    return bytes;
  }

  /** The rows from `seq` on. */
  from(seq: number): Block {
    const skip = seq - this.seq;
    if (skip <= 0) return this;
    const { rows, features, raw, z, times, flags } = this.content;
    const content = {
      rows: rows - skip,
      features,
      raw: raw.subarray(skip * features),
      z: z.subarray(skip * features),
      times: times.subarray(skip),
      flags: flags.subarray(skip),
    };
    return new Block(seq, content, () => this.stats);
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
  }

  #json({ include, digits }: View, skipped: number): Uint8Array {
    const { rows, features, z, raw, times, flags } = this.content;
    json.begin(`{"type":"next","seq":${this.seq},"t":[${rows === 1 ? times[0] : times.join(',')}]`);
    if (include.has('z')) json.text(',"z":').matrix(z, rows, features, digits);
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
