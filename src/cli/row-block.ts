/** Integers that place one value in its row: where it starts, where it ends, which feature it is. */
export const SLOT = 3;

/** What `RowBlock.done` says of a row. */
export const DONE = { waits: 0, written: 1, leftOut: 2 } as const;

/**
 * Rows of input, as they came and as numbers: a stretch of bytes, where each row and each value in it lies, and the
 * values. Column by column in typed arrays, because an object a row would cost more than all the rest.
 */
export class RowBlock {
  readonly bytes: Buffer;
  readonly features: number;
  /** Number of its first row in the whole input. */
  readonly firstRow: number;
  rows: number;
  rowStart: Int32Array;
  /** Where a row ends, its line break included. */
  rowEnd: Int32Array;
  /** Slots in the order in which they lie in the row; a start of -1 says that no more follow. */
  slots: Int32Array;
  /** Row-major; the input first, the output once a row is done. */
  values: Float64Array;
  times: Float64Array;
  /** Of each row; NaN for none that is a number. */
  weights: Float64Array;
  /** Key of each row; without keys all are ''. */
  readonly keys: string[];
  /** One of `DONE` for each row. */
  done: Uint8Array;
  /** Number of the line of a row in the input, for messages. */
  line: Float64Array;

  /** @param capacity rows to make room for at first */
  constructor(bytes: Buffer, features: number, firstRow: number, capacity = 16) {
    this.bytes = bytes;
    this.features = features;
    this.firstRow = firstRow;
    this.rows = 0;
    this.rowStart = new Int32Array(capacity);
    this.rowEnd = new Int32Array(capacity);
    this.slots = new Int32Array(capacity * features * SLOT);
    this.values = new Float64Array(capacity * features);
    this.times = new Float64Array(capacity);
    this.weights = new Float64Array(capacity);
    this.keys = [];
    this.done = new Uint8Array(capacity);
    this.line = new Float64Array(capacity);
  }

  /** Makes room for one more row. */
  reserve(): void {
    if (this.rows < this.rowStart.length) return;
    this.rowStart = grown(this.rowStart);
    this.rowEnd = grown(this.rowEnd);
    this.slots = grown(this.slots);
    this.values = grown(this.values);
    this.times = grown(this.times);
    this.weights = grown(this.weights);
    this.done = grown(this.done);
    this.line = grown(this.line);
  }
}

function grown<T extends Int32Array | Float64Array | Uint8Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(array.length * 2);
  larger.set(array);
  return larger;
}
