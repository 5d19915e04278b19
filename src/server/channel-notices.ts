/** A message to subscribers that has its place between two rows. */
export interface ChannelNotice {
  readonly id: number;
  /** It comes after this row and before the next. */
  readonly afterSeq: number;
  readonly text: string;
}

/** Newest ones that are kept for who is behind. */
const MOST_KEPT = 100;

/** What subscribers are told between rows, such as a hole in the feed; each reads on from the last one it was told. */
export class ChannelNotices {
  readonly #kept: ChannelNotice[];
  /** Number of the newest; 0 before the first. */
  lastId: number;

  constructor() {
    this.#kept = [];
    this.lastId = 0;
  }

  add(afterSeq: number, message: object): void {
    this.#kept.push({ id: ++this.lastId, afterSeq, text: JSON.stringify(message) });
    if (this.#kept.length > MOST_KEPT) this.#kept.shift();
  }

  /** The first notice behind `id` that comes after row `seq` or before it. */
  next(id: number, seq: number): ChannelNotice | undefined {
    if (id === this.lastId) return undefined;
    const notice = this.#kept.find((kept) => kept.id > id);
    return notice !== undefined && notice.afterSeq <= seq ? notice : undefined;
  }

  /** Number of the last notice that comes before row `seq` + 1 can be out: who has row `seq` was told up to here. */
  idAt(seq: number): number {
    const notice = this.#kept.find((kept) => kept.afterSeq >= seq);
    return notice === undefined ? this.lastId : notice.id - 1;
  }
}
