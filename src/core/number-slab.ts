/** Large enough that the chunks are few, small enough that one more is no jump. */
const CHUNK_BYTES = 2 ** 18;

/**
 * Records of `width` float64 each, by number. It grows by a chunk at a time: nothing is ever copied, and a record stays
 * where it is.
 */
export class NumberSlab {
  readonly width: number;
  readonly #chunks: Float64Array[];
  /** log2 of the records a chunk. */
  readonly #shift: number;
  readonly #mask: number;

  constructor(width: number) {
    this.width = width;
    this.#chunks = [];
    this.#shift = Math.max(0, Math.floor(Math.log2(CHUNK_BYTES / (8 * width))));
    this.#mask = 2 ** this.#shift - 1;
  }

  /** Makes room for record `index`. */
  reserve(index: number): void {
    while (index >>> this.#shift >= this.#chunks.length) {
      this.#chunks.push(new Float64Array(this.width * (this.#mask + 1)));
    }
  }

  /** The memory that holds the record, from `offset(index)` on. */
  chunk(index: number): Float64Array {
    return this.#chunks[index >>> this.#shift];
  }

  offset(index: number): number {
    return (index & this.#mask) * this.width;
  }

  clear(): void {
    this.#chunks.length = 0;
  }
}
