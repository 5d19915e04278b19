/** Counts of observed values by upper bounds, in constant memory: what Prometheus calls a histogram. */
export class Histogram {
  /** Upper bounds, rising; the last bucket has none. */
  readonly bounds: readonly number[];
  /** Values of each bucket alone, one more than bounds. */
  readonly counts: number[];
  sum: number;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
    this.sum = 0;
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]) bucket++;
    this.counts[bucket]++;
    this.sum += value;
  }
}
