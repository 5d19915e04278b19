import type { OperatorFunction } from 'rxjs';
import type { Batch } from './batch.ts';
import { BatchReader } from './batch-reader.ts';
import { connect } from './connect.ts';

export interface CountHopWindowOptions<S> {
  features: readonly string[] | undefined;
  /** Samples a window. */
  size: number;
  /** Samples from the start of one window to that of the next. */
  every: number;
  /** Time of a sample, for the bounds of windows. */
  timeOf: ((sample: S) => number) | undefined;
}

/** Windows of `size` samples, one of which starts at every `every`th sample: rxjs `bufferCount(size, every)`. */
export function countHopWindow<S>(where: string, options: CountHopWindowOptions<S>): OperatorFunction<S, Batch<S>> {
  const { features, size, every, timeOf } = options;
  return (source) =>
    connect<S, Batch<S>>(source, (subscriber) => {
      const reader = new BatchReader<S>(where, features);
      /** From the first sample of the oldest open window on. */
      let held: S[] = [];
      /** Samples to come that are between two windows. */
      let skip = 0;
      const close = () => {
        const samples = held;
        held = held.slice(every);
        subscriber.next(reader.batch(samples, reader.span(samples, timeOf)));
      };
      return {
        next(sample) {
          if (!reader.knows(sample)) return;
          if (skip > 0) {
            skip--;
            return;
          }
          held.push(sample);
          if (held.length < size) return;
          skip = Math.max(0, every - size);
          close();
        },
        complete() {
          while (held.length > 0 && !subscriber.closed) close();
        },
      };
    });
}
