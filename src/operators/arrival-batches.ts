import type { SchedulerLike, Subscription } from 'rxjs';
import { type SampleShape, sampleShape } from '../core/sample-shape.ts';
import type { Batch } from './batch.ts';
import type { Handler } from './connect.ts';
import { timeSpan } from './sample-time.ts';

export interface ArrivalBatchesOptions<S> {
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

/** Samples for which a window has room from the start. */
const FIRST_ROOM = 64;

/**
 * Windows by count and by the time since their first sample: what one subscription does with its samples.
 *
 * The numbers are read as samples arrive, and nothing else is done for each of them: this is the path of `batchNorm`.
 *
 * @param emit takes a batch; true when it keeps nothing of it, so that its memory serves for a later one
 */
export function arrivalBatches<S>(
  where: string,
  { features, scheduler, size, withinMs, splits, timeOf }: ArrivalBatchesOptions<S>,
  emit: (batch: Batch<S>) => boolean,
): Handler<S> {
  const room = Math.min(size, FIRST_ROOM);
  let shape: SampleShape<S> | undefined;
  let samples = new Array<S>(room);
  let data = new Float64Array(0);
  let rows = 0;
  let timer: Subscription | undefined;
  let openedAt: number | undefined;
  const flush = () => {
    timer?.unsubscribe();
    timer = undefined;
    if (rows === 0 || shape === undefined) return;
    const now = withinMs === undefined ? undefined : scheduler.now();
    const whole = rows === samples.length && rows * shape.width === data.length;
    if (rows < samples.length) samples.length = rows;
    const { start, end } = now === undefined ? timeSpan(shape, samples, timeOf) : { start: openedAt ?? now, end: now };
    const batch: Batch<S> = {
      samples,
      data: whole ? data : data.slice(0, rows * shape.width),
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
    const [emitted, numbers] = [samples, data];
    samples = [];
    data = new Float64Array(0);
    rows = 0;
    openedAt = undefined;
    const free = emit(batch);
    if (rows > 0) return;
    const reused = free && whole;
    samples = reused ? emitted : new Array<S>(room);
    data = reused ? numbers : new Float64Array(numbers.length);
  };
  return {
    next(sample) {
      if (shape === undefined) {
        shape = sampleShape<S>(where, sample, features);
        if (shape === undefined) return; // null or text before any sample says what a row looks like
      }
      const offset = rows * shape.width;
      if (offset >= data.length) data = grown(data, room * shape.width);
      shape.read(sample, data, offset);
      samples[rows++] = sample;
      if (rows >= size) flush();
      else if (withinMs !== undefined && timer === undefined) {
        openedAt = scheduler.now();
        timer = scheduler.schedule(flush, withinMs);
      }
    },
    complete: flush,
    close: () => timer?.unsubscribe(),
  };
}

function grown(data: Float64Array, least: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(data.length * 2, least));
  larger.set(data);
  return larger;
}
