/**
 * The newest points of several curves, in columns of equal length.
 *
 * A ring buffer whose window stays contiguous: each column is twice as long as the window, points are written at the
 * end, and when the end of the memory is reached the window moves to the front once (amortised one copy a point). So
 * a view is a `subarray`, without copying, and charts can read it as it is.
 *
 * Not a number marks what is missing: typed arrays have no null.
 */
export class Series {
  readonly capacity: number;
  readonly #columns: Float64Array[];
  #end = 0;
  #length = 0;

  constructor(columns: number, capacity = 10_000) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new RangeError(`Series requires a capacity of at least 1, got ${capacity}`);
    }
    this.capacity = capacity;
    this.#columns = Array.from({ length: columns }, () => new Float64Array(capacity * 2));
  }

  /** Points held now, at most `capacity`. */
  get length(): number {
    return this.#length;
  }

  /** Appends one point, a value a column; the oldest point leaves when the window is full. */
  push(point: ArrayLike<number>): void {
    const end = this.#end === this.capacity * 2 ? this.#moveToFront() : this.#end;
    for (let column = 0; column < this.#columns.length; column++) this.#columns[column][end] = point[column];
    this.#end = end + 1;
    if (this.#length < this.capacity) this.#length++;
  }

  /** The newest `count` values of a column, oldest first; valid until the next `push`. */
  view(column: number, count = this.#length): Float64Array {
    return this.#columns[column].subarray(this.#end - Math.min(count, this.#length), this.#end);
  }

  /** The newest value of a column, or NaN while there is none. */
  last(column: number): number {
    return this.#length === 0 ? Number.NaN : this.#columns[column][this.#end - 1];
  }

  clear(): void {
    this.#end = 0;
    this.#length = 0;
  }

  #moveToFront(): number {
    for (const column of this.#columns) column.copyWithin(0, this.#end - this.#length, this.#end);
    return this.#length;
  }
}
