import { DONE, type RowBlock, SLOT } from './row-block.ts';
import { MAX_NUMBER_BYTES, writeNumber, writeText } from './write-number.ts';

const OUTPUT_BYTES = 64 * 1024;
/** From here on a native copy is cheaper than a loop. */
const LONG_COPY = 64;

/**
 * Rows in the order in which they came, from the oldest that is not written to the newest read. A row is written when
 * it and all before it are done, so that output has the order of input however the rows are grouped.
 */
export class RowQueue {
  readonly #missing: string;
  readonly #blocks: RowBlock[];
  /** Rows of the first block that are written. */
  #taken: number;
  /** Bytes being filled; what has been handed out stays as it is handed out and stay as they are. */
  #out: Buffer;
  #view: DataView;
  #filled: number;
  /** First row that may not be done yet. */
  #open: number;

  /** @param missing how the output writes that there is no value */
  constructor(missing: string) {
    this.#missing = missing;
    this.#blocks = [];
    this.#taken = 0;
    this.#out = Buffer.alloc(0);
    this.#view = viewOf(this.#out);
    this.#filled = 0;
    this.#open = 0;
  }

  add(block: RowBlock): void {
    this.#blocks.push(block);
  }

  /** First row that may not be done yet; it may be later when nobody has looked. */
  get open(): number {
    return this.#open;
  }

  /** Rows from the oldest that is not done up to `end`: what is kept because one row has to wait. */
  waiting(end: number): number {
    this.#advance(end);
    return end - this.#open;
  }

  /** Key of the oldest waiting row. */
  get oldestKey(): string {
    const block = this.#blockOf(this.#open);
    return block.keys[this.#open - block.firstRow];
  }

  /** A row is normalised. */
  finish(row: number, z: Float64Array, from: number): void {
    const block = this.#blockOf(row);
    const index = row - block.firstRow;
    const { features, values } = block;
    const at = index * features;
    for (let j = 0; j < features; j++) values[at + j] = z[from + j];
    block.done[index] = DONE.written;
  }

  /** A row is not to be written. */
  leaveOut(row: number): void {
    const block = this.#blockOf(row);
    block.done[row - block.firstRow] = DONE.leftOut;
  }

  /** Number of the line of a row that is not written yet, and its bytes. */
  source(row: number): { line: number; bytes: Buffer } {
    const { bytes, firstRow, rowStart, rowEnd, line } = this.#blockOf(row);
    const index = row - firstRow;
    return { line: line[index], bytes: bytes.subarray(rowStart[index], rowEnd[index]) };
  }

  /** Takes the rows at the head that are done, as bytes to write. */
  *take(): Generator<Buffer> {
    let from = this.#filled;
    while (this.#blocks.length > 0) {
      const block = this.#blocks[0];
      for (; this.#taken < block.rows && block.done[this.#taken] !== DONE.waits; this.#taken++) {
        if (block.done[this.#taken] === DONE.leftOut) continue;
        const room = block.rowEnd[this.#taken] - block.rowStart[this.#taken] + block.features * MAX_NUMBER_BYTES;
        if (room > this.#out.length - this.#filled) {
          if (this.#filled > from) yield this.#out.subarray(from, this.#filled);
          this.#out = Buffer.allocUnsafeSlow(Math.max(OUTPUT_BYTES, room));
          this.#view = viewOf(this.#out);
          this.#filled = 0;
          from = 0;
        }
        this.#filled = writeRow(block, this.#taken, this.#missing, this.#out, this.#view, this.#filled);
      }
      // the newest block may still grow
      if (this.#taken < block.rows || this.#blocks.length === 1) break;
      this.#blocks.shift();
      this.#taken = 0;
    }
    if (this.#blocks.length > 0) this.#open = Math.max(this.#open, this.#blocks[0].firstRow + this.#taken);
    if (this.#filled > from) yield this.#out.subarray(from, this.#filled);
  }

  #advance(end: number): void {
    while (this.#open < end) {
      const block = this.#blockOf(this.#open);
      let index = this.#open - block.firstRow;
      while (index < block.rows && block.done[index] !== DONE.waits) index++;
      this.#open = block.firstRow + index;
      if (index < block.rows) return;
    }
  }

  #blockOf(row: number): RowBlock {
    const blocks = this.#blocks;
    let low = 0;
    let high = blocks.length - 1;
    // nearly always the newest
    if (row >= blocks[high].firstRow) return blocks[high];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (blocks[middle].firstRow <= row) low = middle;
      else high = middle - 1;
    }
    return blocks[low];
  }
}

function writeRow(block: RowBlock, row: number, missing: string, out: Buffer, view: DataView, at: number): number {
  const { bytes, slots, values, features } = block;
  let from = block.rowStart[row];
  let to = at;
  const first = row * features;
  for (let slot = first * SLOT, end = slot + features * SLOT; slot < end && slots[slot] >= 0; slot += SLOT) {
    // mostly a comma
    if (slots[slot] - from === 1) out[to++] = bytes[from];
    else to = copy(bytes, from, slots[slot], out, to);
    const index = first + slots[slot + 2];
    to = Number.isNaN(values[index]) ? writeText(missing, view, to) : writeNumber(values, index, view, to);
    from = slots[slot + 1];
  }
  return copy(bytes, from, block.rowEnd[row], out, to);
}

function copy(bytes: Buffer, from: number, end: number, out: Buffer, at: number): number {
  if (end - from > LONG_COPY) bytes.copy(out, at, from, end);
  else for (let i = from, to = at; i < end; i++, to++) out[to] = bytes[i];
  return at + end - from;
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
