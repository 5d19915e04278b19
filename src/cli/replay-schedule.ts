/** Later than this and the timetable moves: after a stall rows go on at their pace instead of in one burst. */
const MOST_LATE_MS = 1_000;

/** When each row of a recording is due, in ms since the start. */
export class ReplaySchedule {
  readonly #speed: number;
  readonly #everyMs: number | undefined;
  /** Row times are counted from here, and this is when that is. */
  #fromTime: number;
  #fromMs: number;
  #lastTime: number;
  #dueMs: number;
  #rows: number;
  /** Rows since the recording began, in this pass. */
  #passRows: number;
  #passFromMs: number;

  /** @param pace rows a second, or a factor on the times of the rows */
  constructor(pace: { rate: number } | { speed: number }) {
    this.#everyMs = 'rate' in pace ? 1_000 / pace.rate : undefined;
    this.#speed = 'speed' in pace ? pace.speed : 1;
    this.#fromTime = Number.NaN;
    this.#fromMs = 0;
    this.#lastTime = Number.NaN;
    this.#dueMs = 0;
    this.#rows = 0;
    this.#passRows = 0;
    this.#passFromMs = 0;
  }

  /**
   * When the next row is due. Times that go backwards wait for nothing.
   *
   * @param time of the row; not used with a rate
   */
  due(time: number, nowMs: number): number {
    if (this.#everyMs !== undefined) {
      this.#dueMs = this.#fromMs + this.#rows * this.#everyMs;
    } else {
      if (Number.isNaN(this.#fromTime)) this.#fromTime = time;
      this.#dueMs = Math.max(this.#dueMs, this.#fromMs + (time - this.#fromTime) / this.#speed);
    }
    const lateMs = nowMs - this.#dueMs;
    if (lateMs > MOST_LATE_MS) {
      this.#fromMs += lateMs;
      this.#passFromMs += lateMs;
      this.#dueMs = nowMs;
    }
    if (this.#passRows === 0) this.#passFromMs = this.#dueMs;
    this.#lastTime = time;
    this.#rows += 1;
    this.#passRows += 1;
    return this.#dueMs;
  }

  /** The recording begins anew: its first row follows the last one as the others followed each other on average. */
  restart(): void {
    if (this.#everyMs !== undefined || Number.isNaN(this.#lastTime)) return;
    const gaps = Math.max(1, this.#passRows - 1);
    this.#fromMs = this.#dueMs + (this.#dueMs - this.#passFromMs) / gaps;
    this.#dueMs = this.#fromMs;
    this.#fromTime = Number.NaN;
    this.#passRows = 0;
  }
}
