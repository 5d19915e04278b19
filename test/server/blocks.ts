import type { StatisticsReport } from '../../src/core/row-normalizer.ts';
import { Block, type View } from '../../src/server/block.ts';
import { readOutboundQuery } from '../../src/server/outbound-query.ts';

export const REPORT: StatisticsReport = { version: 1, rows: 2, mean: [0.5], std: [null], batch: null };

/** Rows whose one value is their number, and z that divided by 10. */
export function blockOf(seq: number, rows: number): Block {
  const raw = Float64Array.from({ length: rows }, (_, row) => seq + row);
  return blockWith(
    seq,
    1,
    raw,
    raw.map((x) => x / 10),
  );
}

export function blockWith(seq: number, features: number, raw: Float64Array, z = raw, report = () => REPORT): Block {
  const rows = raw.length / features;
  const times = Float64Array.from({ length: rows }, (_, row) => 1_000 + row);
  return new Block(seq, { rows, features, raw, z, times, flags: new Uint16Array(rows) }, report);
}

export function viewOf(query: string): View {
  return readOutboundQuery(new URLSearchParams(query)).view;
}

export const JSON_VIEW = viewOf('');

/** What a WebSocket frame of a server carries. */
export function payloadOf(frame: Buffer): Buffer {
  const length = frame[1]!;
  return frame.subarray(length < 126 ? 2 : length === 126 ? 4 : 10);
}
