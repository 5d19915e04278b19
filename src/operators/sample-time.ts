import type { SampleShape } from '../core/sample-shape.ts';
import { isTime } from '../core/usable-time.ts';

/**
 * Time of a sample in ms; NaN where `timeOf` gives no usable one, and for a sample of another form than the stream's,
 * which `timeOf` may be unable to read.
 *
 * @param row is overwritten
 */
export function sampleTime<S>(
  shape: SampleShape<S>,
  sample: S,
  timeOf: (sample: S) => number,
  row: Float64Array,
): number {
  if (!shape.read(sample, row, 0)) return Number.NaN;
  const time: unknown = timeOf(sample);
  return isTime(time) ? time : Number.NaN;
}

/** Times of the first and the last sample, where both have one. */
export function timeSpan<S>(
  shape: SampleShape<S>,
  samples: readonly S[],
  timeOf: ((sample: S) => number) | undefined,
): { start: number | undefined; end: number | undefined } {
  if (timeOf === undefined) return NO_SPAN;
  const row = new Float64Array(shape.width);
  const start = sampleTime(shape, samples[0], timeOf, row);
  const end = sampleTime(shape, samples[samples.length - 1], timeOf, row);
  return Number.isNaN(start) || Number.isNaN(end) ? NO_SPAN : { start, end };
}

const NO_SPAN = { start: undefined, end: undefined };
