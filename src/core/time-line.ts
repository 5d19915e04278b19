/** Samples a block: moving so many takes about as long as finding the block. */
const BLOCK = 1_024;

interface Block<S> {
  readonly samples: S[];
  readonly times: number[];
}

/**
 * Samples in the order of their times; those of one time in the order in which they were added.
 *
 * Idea: sorted arrays in blocks. Most samples come in order and go to the end of the last block; a late one goes to its
 * place in one block, and moves no more than that holds. Not done: one array, in which a hundred thousand samples that
 * come in reverse take forty seconds; a heap, which could not be cut into overlapping slices.
 *
 * Cost: O(1) for a sample in order, else O(log BLOCK + BLOCK + n / BLOCK) of the cheapest kind. Memory: a reference and
 * a float64 a sample.
 *
 * @example
 * const line = new TimeLine();
 * line.add('b', 20);
 * line.add('a', 10);
 * line.slice(0, 2); // ['a', 'b']
 * line.before(20); // 1
 */
export class TimeLine<S> {
  length: number;
  /** None is empty. */
  readonly #blocks: Block<S>[];

  constructor() {
    this.length = 0;
    this.#blocks = [];
  }

  /** Time of sample `i`; the first is 0. */
  time(i: number): number {
    let left = i;
    for (const { times } of this.#blocks) {
      if (left < times.length) return times[left];
      left -= times.length;
    }
    return Number.NaN;
  }

  /** Number of samples before `time`. */
  before(time: number): number {
    let count = 0;
    for (const { times } of this.#blocks) {
      if (times[times.length - 1] >= time) return count + bisect(times, (t) => t < time);
      count += times.length;
    }
    return count;
  }

  /** Number of samples at or before `time`: where one of this time would be added. */
  place(time: number): number {
    let count = this.length;
    for (let b = this.#blocks.length - 1; b >= 0; b--) {
      const { times } = this.#blocks[b];
      if (times[times.length - 1] <= time) return count;
      count -= times.length;
      if (times[0] <= time) return count + bisect(times, (t) => t <= time);
    }
    return 0;
  }

  add(sample: S, time: number): void {
    const blocks = this.#blocks;
    // the last block that has a sample at or before it, else the first
    let b = blocks.length - 1;
    while (b > 0 && blocks[b].times[0] > time) b--;
    this.length++;
    if (b < 0) {
      blocks.push({ samples: [sample], times: [time] });
      return;
    }
    const { samples, times } = blocks[b];
    if (times[times.length - 1] <= time) {
      samples.push(sample);
      times.push(time);
    } else {
      const at = bisect(times, (t) => t <= time);
      samples.splice(at, 0, sample);
      times.splice(at, 0, time);
    }
    if (times.length < 2 * BLOCK) return;
    blocks.splice(b + 1, 0, { samples: samples.splice(BLOCK), times: times.splice(BLOCK) });
  }

  slice(from: number, to: number): S[] {
    const found: S[][] = [];
    let start = 0;
    for (const { samples } of this.#blocks) {
      if (start >= to) break;
      if (start + samples.length > from) found.push(samples.slice(Math.max(0, from - start), to - start));
      start += samples.length;
    }
    return found.length === 1 ? found[0] : found.flat();
  }

  /** Times of all samples. */
  times(): number[] {
    return this.#blocks.flatMap(({ times }) => times);
  }

  /** Lets the first `count` samples go. */
  drop(count: number): void {
    const blocks = this.#blocks;
    let left = count;
    let whole = 0;
    while (whole < blocks.length && blocks[whole].times.length <= left) left -= blocks[whole++].times.length;
    blocks.splice(0, whole);
    if (left > 0) {
      blocks[0].samples.splice(0, left);
      blocks[0].times.splice(0, left);
    }
    this.length -= count;
  }
}

/** Number of times at the start for which `holds`. */
function bisect(times: readonly number[], holds: (time: number) => boolean): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(times[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}
