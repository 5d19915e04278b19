/** Spans of a `Liveness`, in ms; undefined: never. */
export interface LivenessSpans {
  /** Longest silence of the peer. */
  readonly deadlineMs: number | undefined;
  /** Between our heartbeats. */
  readonly everyMs: number | undefined;
  /** Longest time from a heartbeat to whatever message comes next. */
  readonly answerMs: number | undefined;
}

/** What is to be done now, and when to ask again; never when there is nothing to wait for. */
export interface Due {
  readonly sends: boolean;
  /** Why the connection counts as dead. */
  readonly dead: string | undefined;
  readonly againMs: number | undefined;
}

/**
 * Says when to send a heartbeat, and when a peer that says nothing counts as dead. Knows no clock and no timer: whoever
 * asks tells the time, which must not jump.
 *
 * Any message is a sign of life, and an answer to every heartbeat before it. While the connection is held back by this
 * side nothing can be heard, and nothing is judged.
 */
export class Liveness {
  readonly #spans: LivenessSpans;
  #heardMs: number;
  #sentMs: number;
  /** When the oldest heartbeat was sent that nothing has come after. */
  #askedMs: number | undefined;
  #held: boolean;

  constructor(spans: LivenessSpans, nowMs: number) {
    this.#spans = spans;
    this.#heardMs = nowMs;
    this.#sentMs = nowMs;
    this.#askedMs = undefined;
    this.#held = false;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#askedMs = undefined;
  }

  hold(): void {
    this.#held = true;
  }

  release(nowMs: number): void {
    this.#held = false;
    this.heard(nowMs);
  }

  /** What is due; a heartbeat that is due counts as sent. */
  due(nowMs: number): Due {
    const { deadlineMs, everyMs, answerMs } = this.#spans;
    const dead = this.#deadBy(nowMs);
    if (dead !== undefined) return { sends: false, dead, againMs: undefined };
    const sends = everyMs !== undefined && nowMs - this.#sentMs >= everyMs;
    if (sends) {
      this.#sentMs = nowMs;
      this.#askedMs ??= nowMs;
    }
    let again = Number.POSITIVE_INFINITY;
    if (everyMs !== undefined) again = this.#sentMs + everyMs;
    if (deadlineMs !== undefined) again = Math.min(again, (this.#held ? nowMs : this.#heardMs) + deadlineMs);
    if (answerMs !== undefined && this.#askedMs !== undefined) {
      again = Math.min(again, (this.#held ? nowMs : this.#askedMs) + answerMs);
    }
    return { sends, dead, againMs: again === Number.POSITIVE_INFINITY ? undefined : again - nowMs };
  }

  #deadBy(nowMs: number): string | undefined {
    const { deadlineMs, answerMs } = this.#spans;
    if (this.#held) return undefined;
    if (deadlineMs !== undefined && nowMs - this.#heardMs >= deadlineMs) return `no message for ${deadlineMs} ms`;
    if (answerMs !== undefined && this.#askedMs !== undefined && nowMs - this.#askedMs >= answerMs) {
      return `no answer to a heartbeat for ${answerMs} ms`;
    }
    return undefined;
  }
}
