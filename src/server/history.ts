import type { Block } from './block.ts';

/** Blocks before the newest that keep their encoded messages, and how many bytes each may keep. */
const SHARED_BLOCKS = 16;
const SHARED_BYTES = 65_536;

/** The newest blocks of a channel, bounded in rows and bytes. The newest is always kept: subscribers read from here. */
export class History {
  readonly #maxRows: number;
  readonly #maxBytes: number;
  #blocks: Block[];
  /** Index of the oldest block kept: those before it are dropped together, so that a full history costs no more. */
  #oldest: number;
  #rows: number;
  #bytes: number;

  constructor(maxRows: number, maxBytes: number) {
    this.#maxRows = maxRows;
    this.#maxBytes = maxBytes;
    this.#blocks = [];
    this.#oldest = 0;
    this.#rows = 0;
    this.#bytes = 0;
  }

  get newest(): Block | undefined {
    return this.#blocks.at(-1);
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** True when so much can be kept together. */
  holds(rows: number, bytes: number): boolean {
    return rows <= this.#maxRows && bytes <= this.#maxBytes;
  }

  add(block: Block): void {
    this.#forgetEncoded();
    this.#blocks.push(block);
    this.#rows += block.rows;
    this.#bytes += block.bytes;
    while (this.#oldest < this.#blocks.length - 1 && (this.#rows > this.#maxRows || this.#bytes > this.#maxBytes)) {
      const dropped = this.#blocks[this.#oldest];
      this.#rows -= dropped.rows;
      this.#bytes -= dropped.bytes;
      // its numbers must not stay until the array is cut
      this.#blocks[this.#oldest++] = block;
    }
    if (this.#oldest > 64 && this.#oldest > this.#blocks.length / 2) {
      this.#blocks = this.#blocks.slice(this.#oldest);
      this.#oldest = 0;
    }
  }

  /** All blocks, back to the oldest. */
  *newestFirst(): Generator<Block> {
    for (let i = this.#blocks.length - 1; i >= this.#oldest; i--) yield this.#blocks[i];
  }

  /** The block that holds row `seq`, from there on; undefined when that row is gone or not there yet. */
  from(seq: number): Block | undefined {
    const newest = this.newest;
    if (newest !== undefined && seq >= newest.seq) return seq <= newest.lastSeq ? newest.from(seq) : undefined;
    let low = this.#oldest;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#blocks[middle].lastSeq < seq) low = middle + 1;
      else high = middle;
    }
    const block = this.#blocks[low];
    return block !== undefined && block.seq <= seq ? block.from(seq) : undefined;
  }

  /** Messages stay where many may still want them: of the newest block, and of the few before it if they are small. */
  #forgetEncoded(): void {
    const { newest } = this;
    if (newest !== undefined && newest.encodedBytes > SHARED_BYTES) newest.forgetEncoded();
    this.#blocks.at(-SHARED_BLOCKS)?.forgetEncoded();
  }
}
