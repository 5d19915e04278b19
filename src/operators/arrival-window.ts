import type { OperatorFunction, SchedulerLike, Subscription } from 'rxjs';
import { type SampleShape, sampleShape } from '../core/sample-shape.ts';
import type { Batch } from './batch.ts';
import { connect } from './connect.ts';
import { timeSpan } from './sample-time.ts';

export interface ArrivalWindowOptions<S> {
  features: readonly string[] | undefined;
  scheduler: SchedulerLike;
  /** Closes a window at this many samples. */
  size: number;
  /** Closes a window this long after its first sample. */
  withinMs: number | undefined;
  /** Whether `size` only bounds memory, so that a window of so many samples is cut short. */
  splits: boolean;
  /** Time of a sample, for the bounds of windows without `withinMs`. */
  timeOf: ((sample: S) => number) | undefined;
}

/**
 * Windows by count and by the time since their first sample.
 *
 * The numbers are read as samples arrive, into the memory that the batch takes over, and nothing else is done for each
 * of them: this is the path of `batchNorm`.
 */
export function arrivalWindow<S>(where: string, options: ArrivalWindowOptions<S>): OperatorFunction<S, Batch<S>> {
  const { features, scheduler, size, withinMs, splits, timeOf } = options;
  return (source) =>
    connect<S, Batch<S>>(source, (subscriber) => {
      let shape: SampleShape<S> | undefined;
      let samples: S[] = [];
      let data = new Float64Array(0);
      let timer: Subscription | undefined;
      let openedAt: number | undefined;
      const flush = () => {
        timer?.unsubscribe();
        timer = undefined;
        if (samples.length === 0 || shape === undefined) return;
        const rows = samples.length;
        const now = withinMs === undefined ? undefined : scheduler.now();
        const { start, end } =
          now === undefined ? timeSpan(shape, samples, timeOf) : { start: openedAt ?? now, end: now };
        const batch: Batch<S> = {
          samples,
          data: rows * shape.width === data.length ? data : data.slice(0, rows * shape.width),
          rows,
          features: shape.width,
          names: shape.names,
          shape,
          start,
          end,
          split: splits && rows >= size,
          late: 0,
        };
        // taken over before it is emitted: the subscriber may push the next sample from within `next`
        samples = [];
        data = new Float64Array(data.length);
        openedAt = undefined;
        subscriber.next(batch);
      };
      return {
        next(sample) {
          if (shape === undefined) {
            shape = sampleShape<S>(where, sample, features);
            if (shape === undefined) return; // null or text before any sample says what a row looks like
            data = new Float64Array(shape.width * Math.min(size, 64));
          }
          const offset = samples.length * shape.width;
          if (offset === data.length) data = grown(data);
          shape.read(sample, data, offset);
          samples.push(sample);
          if (samples.length >= size) flush();
          else if (withinMs !== undefined && timer === undefined) {
            openedAt = scheduler.now();
            timer = scheduler.schedule(flush, withinMs);
          }
        },
        complete: flush,
        close: () => timer?.unsubscribe(),
      };
    });
}

function grown(data: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(data.length * 2);
  larger.set(data);
  return larger;
}
