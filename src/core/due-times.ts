/**
 * When each of many owners is due, the earliest first.
 *
 * Idea: a binary heap, in which an owner counts once, at a time that may have become too early: it is asked again when
 * that time comes. So an owner whose time only moves on, as a session does with each row, costs nothing until then.
 */
export class DueTimes<T> {
  readonly #heap: { readonly owner: T; readonly ms: number }[];
  /** The earliest time that an owner stands at. */
  readonly #noted: Map<T, number>;

  constructor() {
    this.#heap = [];
    this.#noted = new Map();
  }

  /** `owner` is due at `ms`; Infinity: not at all. */
  note(owner: T, ms: number): void {
    if (ms === Number.POSITIVE_INFINITY) {
      this.#noted.delete(owner);
      return;
    }
    if (ms >= (this.#noted.get(owner) ?? Number.POSITIVE_INFINITY)) return;
    this.#noted.set(owner, ms);
    const heap = this.#heap;
    if (heap.length > 2 * this.#noted.size + 64) {
      this.#compact();
      return;
    }
    const entry = { owner, ms };
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent].ms <= ms) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = entry;
  }

  /** Entries, those that count no more included. */
  get length(): number {
    return this.#heap.length;
  }

  /** When somebody may be due; Infinity when nobody is. */
  get nextMs(): number {
    const heap = this.#heap;
    // entries that an earlier one has overtaken, and of those that are due no more
    while (heap.length > 0 && this.#noted.get(heap[0].owner) !== heap[0].ms) this.#pop();
    return heap.length === 0 ? Number.POSITIVE_INFINITY : heap[0].ms;
  }

  /** Takes those that may be due by now; whoever is not yet must be noted again. */
  take(nowMs: number): T[] {
    const owners: T[] = [];
    while (this.nextMs <= nowMs) {
      const { owner } = this.#pop();
      this.#noted.delete(owner);
      owners.push(owner);
    }
    return owners;
  }

  /** Windows that fill before their time leave an entry each, which would stay until that time. */
  #compact(): void {
    const heap = this.#heap;
    heap.length = 0;
    for (const [owner, ms] of this.#noted) heap.push({ owner, ms });
    // what is sorted is a heap
    heap.sort((a, b) => a.ms - b.ms);
  }

  #pop(): { readonly owner: T; readonly ms: number } {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop() as { readonly owner: T; readonly ms: number };
    if (heap.length === 0) return first;
    let i = 0;
    for (let child = 1; child < heap.length; child = 2 * i + 1) {
      if (child + 1 < heap.length && heap[child + 1].ms < heap[child].ms) child++;
      if (heap[child].ms >= last.ms) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return first;
  }
}
