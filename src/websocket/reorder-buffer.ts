import { SequenceTracker } from './sequence-tracker.ts';

/** What comes out for the numbers that go in. */
export type Sequenced<T> =
  /** In its turn; `sorted` when it had to wait for another. */
  | { readonly type: 'item'; readonly seq: number; readonly item: T; readonly sorted: boolean }
  /** These numbers did not come; what follows comes after them. */
  | { readonly type: 'gap'; readonly from: number; readonly to: number }
  | { readonly type: 'duplicate'; readonly seq: number }
  /** It was told as part of a gap before. */
  | { readonly type: 'late'; readonly seq: number; readonly item: T }
  /** The other side counts anew, from `seq`; `next` is what should have come. */
  | { readonly type: 'reset'; readonly seq: number; readonly next: number };

/**
 * Puts numbered items in order, and says what is missing, late or there twice.
 *
 * Idea: items ahead of their turn wait, `maxHeld` at most. When one more would have to wait, or `expire` is called since
 * they have waited long enough, the missing numbers are given up: a `gap`, and then the items up to the next hole. Every
 * item comes out once: as `item`, `late`, or not at all as `duplicate`.
 */
export class ReorderBuffer<T> {
  readonly #tracker: SequenceTracker;
  readonly #maxHeld: number;
  /** Items that wait, by number. */
  readonly #held: Map<number, T>;

  /** @param maxHeld items that may wait for their turn; 0: a missing number is given up at once */
  constructor(maxHeld: number, memory?: number) {
    this.#tracker = new SequenceTracker(memory);
    this.#maxHeld = maxHeld;
    this.#held = new Map();
  }

  /** Items that wait. */
  get held(): number {
    return this.#held.size;
  }

  push(seq: number, item: T): Sequenced<T>[] {
    const tracker = this.#tracker;
    switch (tracker.place(seq)) {
      case 'next':
        tracker.take(seq);
        return [{ type: 'item', seq, item, sorted: false }, ...this.#followers()];
      case 'ahead': {
        if (this.#held.has(seq)) return [{ type: 'duplicate', seq }];
        this.#held.set(seq, item);
        const out: Sequenced<T>[] = [];
        while (this.#held.size > this.#maxHeld) this.#giveUp(out);
        return out;
      }
      case 'duplicate':
        return [{ type: 'duplicate', seq }];
      case 'late':
        tracker.takeLate(seq);
        return [{ type: 'late', seq, item }];
      case 'reset': {
        const out = this.expire();
        const next = tracker.next as number;
        tracker.reset();
        tracker.take(seq);
        out.push({ type: 'reset', seq, next }, { type: 'item', seq, item, sorted: false });
        return out;
      }
    }
  }

  /** Gives up on all that is missing: the items that wait come out, in order, with the gaps between them. */
  expire(): Sequenced<T>[] {
    const out: Sequenced<T>[] = [];
    while (this.#held.size > 0) this.#giveUp(out);
    return out;
  }

  /** `expire`, and the next number is the first of a new count. */
  restart(): Sequenced<T>[] {
    const out = this.expire();
    this.#tracker.reset();
    return out;
  }

  #giveUp(out: Sequenced<T>[]): void {
    let seq = Number.POSITIVE_INFINITY;
    for (const held of this.#held.keys()) if (held < seq) seq = held;
    const from = this.#tracker.next as number;
    this.#tracker.take(seq);
    const item = this.#held.get(seq) as T;
    this.#held.delete(seq);
    // with room for none it did not wait
    out.push({ type: 'gap', from, to: seq - 1 }, { type: 'item', seq, item, sorted: false }, ...this.#followers());
  }

  /** Items that waited for the one just taken. */
  #followers(): Sequenced<T>[] {
    const out: Sequenced<T>[] = [];
    for (let seq = this.#tracker.next as number; this.#held.size > 0 && this.#held.has(seq); seq++) {
      this.#tracker.take(seq);
      out.push({ type: 'item', seq, item: this.#held.get(seq) as T, sorted: true });
      this.#held.delete(seq);
    }
    return out;
  }
}
