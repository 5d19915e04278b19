/** What a source can be doing; `failed` is final. */
export const SOURCE_STATES = ['starting', 'connecting', 'open', 'waiting', 'failed', 'stopped'] as const;
export type SourceState = (typeof SOURCE_STATES)[number];

/** What is counted of a source, since the process began. */
export const SOURCE_EVENTS = {
  connected: 'connections made',
  closed: 'connections lost, or tried in vain',
  message: 'messages that hold rows',
  ignored: 'messages without rows: acknowledgements, heartbeats, others',
  bad: 'messages that could not be read',
  hole: 'holes told to the statistics and to subscribers',
  missed: 'messages that are known to be missing',
  duplicate: 'messages left out since they had come before',
  late: 'messages left out since their turn was over',
  sorted: 'messages put in order',
  reset: 'times the feed began to count anew',
  paused: 'times the socket was paused since there was too much to do',
  dropped: 'messages dropped above maxHeldBytes',
} as const;

export type SourceEvent = keyof typeof SOURCE_EVENTS;

/** How a source fares: for `/channels/<channel>`, metrics and health. */
export class SourceFigures {
  /** Without parameters: they may hold secrets. */
  readonly url: string;
  state: SourceState;
  /** Why it is not open; undefined when it is. */
  reason: string | undefined;
  /** What was the matter with the last message that could not be read. */
  lastBad: string | undefined;
  readonly counts: Record<SourceEvent, number>;

  constructor(url: string) {
    this.url = url.replace(/[?#].*/s, '');
    this.state = 'starting';
    this.reason = undefined;
    this.lastBad = undefined;
    this.counts = Object.fromEntries(Object.keys(SOURCE_EVENTS).map((name) => [name, 0])) as Record<
      SourceEvent,
      number
    >;
  }

  toJSON() {
    const { url, state, reason, lastBad, counts } = this;
    return { url, state, ...(reason !== undefined && { reason }), ...(lastBad !== undefined && { lastBad }), counts };
  }
}
