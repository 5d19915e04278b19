/**
 * Time in ms while this process ran. A stall, of the process or of the machine, counts for two ticks at most.
 *
 * What peers are judged by: after a stall their answers lie unread, and by the wall's clock all of them would be late at
 * once.
 */
export class AliveClock {
  readonly #tickMs: number;
  readonly #timer: NodeJS.Timeout;
  #sumMs: number;
  #tickedMs: number;

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
    this.#sumMs = 0;
    this.#tickedMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  get nowMs(): number {
    return this.#sumMs + this.#sinceTickMs();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sinceTickMs(): number {
    return Math.min(performance.now() - this.#tickedMs, 2 * this.#tickMs);
  }

  #tick(): void {
    this.#sumMs += this.#sinceTickMs();
    this.#tickedMs = performance.now();
  }
}
