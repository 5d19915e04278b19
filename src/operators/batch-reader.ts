import { type SampleShape, sampleShape } from '../core/sample-shape.ts';
import type { Batch } from './batch.ts';
import { sampleTime, timeSpan } from './sample-time.ts';

/** What a window knows about itself besides its samples. */
export type BatchBounds = Partial<Pick<Batch<unknown>, 'start' | 'end' | 'split' | 'late'>>;

/** Makes batches of the samples of one subscription, whose form is that of the first. */
export class BatchReader<S> {
  readonly #where: string;
  readonly #features: readonly string[] | undefined;
  #shape: SampleShape<S> | undefined;
  #row: Float64Array;

  constructor(where: string, features: readonly string[] | undefined) {
    this.#where = where;
    this.#features = features;
    this.#shape = undefined;
    this.#row = new Float64Array(0);
  }

  /** False for null or text before any sample says what a row looks like. */
  knows(sample: S): boolean {
    if (this.#shape !== undefined) return true;
    this.#shape = sampleShape<S>(this.#where, sample, this.#features);
    this.#row = new Float64Array(this.#shape?.width ?? 0);
    return this.#shape !== undefined;
  }

  /** NaN for a sample without a usable time. */
  timeOf(sample: S, timeOf: (sample: S) => number): number {
    return this.knows(sample) ? sampleTime(this.#shape as SampleShape<S>, sample, timeOf, this.#row) : Number.NaN;
  }

  /** Times of the first and the last sample, where both have one. */
  span(samples: readonly S[], timeOf: ((sample: S) => number) | undefined): BatchBounds {
    return timeSpan(this.#shape as SampleShape<S>, samples, timeOf);
  }

  /** The numbers are read only now: until its windows close, a sample may move, and it may be in many of them. */
  batch(samples: readonly S[], { start, end, split = false, late = 0 }: BatchBounds): Batch<S> {
    const shape = this.#shape as SampleShape<S>;
    const rows = samples.length;
    const data = new Float64Array(rows * shape.width);
    for (let i = 0; i < rows; i++) shape.read(samples[i], data, i * shape.width);
    return { samples, data, rows, features: shape.width, names: shape.names, shape, start, end, split, late };
  }
}
