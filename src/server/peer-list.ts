/** An open connection of a channel, as `/channels/<channel>` lists it. */
export interface ListedPeer {
  /** Where it connects from; only for those who administer the channel. */
  readonly address?: string;
  /** Whose token it has; likewise. */
  readonly holder?: string;
  readonly key?: string;
  readonly connectedMs: number;
  /** In its socket, and not taken by the system yet. */
  readonly queuedBytes: number;
}

export interface ListedProducer extends ListedPeer {
  /** That it has pushed. */
  readonly rows: number;
  /** Its messages that were refused. */
  readonly refused: number;
  /** Since its last message; null: it has sent none. */
  readonly silentMs: number | null;
}

export interface ListedSubscriber extends ListedPeer {
  readonly format: string;
  readonly include: readonly string[];
  readonly onSlow: string;
  readonly maxRate?: number;
  /** Rows that have gone out and were not sent to it. */
  readonly lagRows: number;
  /** Rows that it did not get because it was slow. */
  readonly skippedRows: number;
  /**
   * How old what it has read is, at most: how long its newest ping took, or takes if it is not answered yet. Null: it
   * was not asked yet, since little was sent.
   */
  readonly stalenessMs: number | null;
}

/** Of each kind the first ones; how many there are in all is told beside. */
export interface PeerList {
  readonly in: readonly ListedProducer[];
  readonly out: readonly ListedSubscriber[];
}

/**
 * The `most` items of the highest score, highest first. Never holds more than twice as many, so that listing ten
 * thousand connections costs no more than looking at them.
 */
export function highest<T>(items: Iterable<T>, most: number, score: (item: T) => number): T[] {
  let kept: { item: T; score: number }[] = [];
  const cut = () => {
    kept.sort((a, b) => b.score - a.score);
    kept = kept.slice(0, most);
  };
  for (const item of items) {
    kept.push({ item, score: score(item) });
    if (kept.length >= 2 * most + 1) cut();
  }
  cut();
  return kept.map(({ item }) => item);
}
