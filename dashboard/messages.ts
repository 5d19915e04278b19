/** What the server says, as far as this page reads it. Unknown fields are ignored, every entry can be null. */

export type Value = number | null;

export interface BatchStatistics {
  count: number;
  mean: Value[];
  std: Value[];
  min: Value[];
  max: Value[];
}

export interface Statistics {
  version: number;
  time: number;
  rows: number;
  mean: Value[];
  std: Value[];
  batch: BatchStatistics | null;
}

export interface Snapshot {
  type: 'snapshot';
  channel: string;
  epoch: string;
  seq: number;
  features: string[];
  config?: Record<string, unknown>;
  stats?: Statistics | null;
  recovered?: boolean;
}

/** Rows seq, seq + 1, …; `stats` are those after the last of them. */
export interface Next {
  type: 'next';
  seq: number;
  t: number[];
  z: (Value[] | null)[];
  raw?: (Value[] | null)[];
  stats?: Statistics | null;
  skipped?: number;
}

export interface Gap {
  type: 'gap';
  from: number;
  to: number;
  reason: string;
  /** With reason upstream: messages of the source; null: unknown. */
  missed?: number | null;
}

export interface Heartbeat {
  type: 'heartbeat';
  seq: number;
}

export interface Bye {
  type: 'bye';
  code: number;
  retryAfterMs?: number;
}

export interface ServerError {
  type: 'error';
  code: string;
  message: string;
}

export interface Drift {
  type: 'drift';
  seq: number;
  feature: string;
}

export type Message = Snapshot | Next | Gap | Heartbeat | Bye | ServerError | Drift;

export interface ChannelSummary {
  name: string;
  features: string[];
  method: string;
}

export interface ChannelDetails {
  channel: string;
  epoch: string;
  seq: number;
  config: Record<string, unknown>;
  stats?: Statistics | null;
  /** Since the process began; `errors` are messages refused, by code. */
  counters?: { rows: number; errors?: Record<string, number> };
  /** Rows that wait for their batch to close. */
  pending?: number;
  producers?: number;
  subscribers?: number;
}

const TYPES = new Set(['snapshot', 'next', 'gap', 'heartbeat', 'bye', 'error', 'drift']);

/** The message, or undefined when it is of a type this page does not know. */
export function asMessage(value: unknown): Message | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { type } = value as { type?: unknown };
  return typeof type === 'string' && TYPES.has(type) ? (value as Message) : undefined;
}
