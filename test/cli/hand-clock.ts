import type { Clock } from '../../src/cli/clock.ts';

/** A clock that stands still until it is told. */
export class HandClock implements Clock {
  #ms = 0;
  readonly #alarms = new Set<{ at: number; ring: () => void }>();
  #asked: (() => void) | undefined;
  now = () => 1_000_000 + this.#ms;
  elapsed = () => this.#ms;

  after(ms: number, ring: () => void): () => void {
    const alarm = { at: this.#ms + ms, ring };
    this.#alarms.add(alarm);
    this.#asked?.();
    return () => this.#alarms.delete(alarm);
  }

  /** When the next alarm rings, as soon as there is one. */
  async next(): Promise<number> {
    if (this.#alarms.size === 0) {
      await new Promise<void>((resolve) => {
        this.#asked = resolve;
      });
    }
    return Math.min(...Array.from(this.#alarms, ({ at }) => at));
  }

  advanceTo(ms: number): void {
    this.#ms = ms;
    for (const alarm of this.#alarms) {
      if (alarm.at > ms) continue;
      this.#alarms.delete(alarm);
      alarm.ring();
    }
  }
}
