import { encodeFrame } from '../src/websocket/frame.ts';
import { sampleRows } from './seeded.ts';

/** What a producer sends: `count` different binary frames of as many rows, float32. */
export function frames(count: number, rows: number, features: number): Uint8Array[] {
  const all = sampleRows(count * rows, features);
  return Array.from({ length: count }, (_, i) =>
    encodeFrame({
      kind: 'push',
      dtype: 'f32',
      rows,
      columns: features,
      values: Float64Array.from(all.slice(i * rows, (i + 1) * rows).flat()),
      seq: 0,
      time: Number.NaN,
    }),
  );
}

/** The same as JSON arrays of rows. */
export function batches(count: number, rows: number, features: number): string[] {
  const all = sampleRows(count * rows, features);
  return Array.from({ length: count }, (_, i) => JSON.stringify(all.slice(i * rows, (i + 1) * rows)));
}
