/** Which windows are open, and since when, the oldest first: all may stay open equally long, so they close in this order. */
export class OpenWindows<T> {
  readonly #spanMs: number;
  readonly #openedMs: Map<T, number>;

  constructor(spanMs: number) {
    this.#spanMs = spanMs;
    this.#openedMs = new Map();
  }

  /** Rows came to `owner` or went: it has an open window or none, and one may have closed in between. */
  note(owner: T, isOpen: boolean, closed: boolean, nowMs: number): void {
    if (isOpen && !closed && this.#openedMs.has(owner)) return;
    this.#openedMs.delete(owner);
    if (isOpen) this.#openedMs.set(owner, nowMs);
  }

  /** When the next window must close; Infinity while none is open. */
  get dueMs(): number {
    for (const openedMs of this.#openedMs.values()) return openedMs + this.#spanMs;
    return Number.POSITIVE_INFINITY;
  }

  /** Owners whose window has been open for the whole span. */
  overdue(nowMs: number): T[] {
    const owners: T[] = [];
    for (const [owner, openedMs] of this.#openedMs) {
      if (openedMs + this.#spanMs > nowMs) break;
      owners.push(owner);
    }
    return owners;
  }
}
