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
  /** Those that the server remembers, the oldest first. */
  drifts?: Drift[];
  recovered?: boolean;
}

/** Rows seq, seq + 1, …, or those of `seqs`; `stats` are those after the last of them. */
export interface Next {
  type: 'next';
  seq: number;
  /** Number of each row, where rows of other keys are left out. */
  seqs?: number[];
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
  /** With reason upstream: times of the last message before it and the first after it. */
  t?: (number | null)[];
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

/** The mean of a feature has changed. */
export interface Drift {
  type: 'drift';
  seq: number;
  /** Time of the row. */
  t?: number;
  feature: string;
  key?: string;
  kind?: string;
  meanBefore?: number;
  meanAfter?: number;
  detector?: string;
  /** What the server did about it. */
  action?: string;
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
  /** Where the channel has a key. */
  keys?: number;
  /** Keys that came last, the newest first. */
  recentKeys?: string[];
  connections?: Connections;
  source?: Source;
}

/** The upstream feed of a channel. */
export interface Source {
  url: string;
  state: string;
  reason?: string;
  lastBad?: string;
  counts: Record<string, number>;
}

/** Who is connected to a channel: some, those who are furthest behind first. */
export interface Connections {
  in: ProducerConnection[];
  out: SubscriberConnection[];
}

interface PeerConnection {
  /** Only for those who may administer the channel. */
  address?: string;
  holder?: string;
  key?: string;
  connectedMs: number;
  queuedBytes: number;
}

export interface ProducerConnection extends PeerConnection {
  rows: number;
  refused: number;
  /** Since its last message; null: it has sent none. */
  silentMs: number | null;
}

export interface SubscriberConnection extends PeerConnection {
  format: string;
  include: string[];
  onSlow: string;
  maxRate?: number;
  lagRows: number;
  skippedRows: number;
  /** How old what it has read is, by its last answered or first unanswered ping; null: it was not asked yet. */
  stalenessMs: number | null;
}

const TYPES = new Set(['snapshot', 'next', 'gap', 'heartbeat', 'bye', 'error', 'drift']);

/** The message, or undefined when it is of a type this page does not know. */
export function asMessage(value: unknown): Message | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { type } = value as { type?: unknown };
  return typeof type === 'string' && TYPES.has(type) ? (value as Message) : undefined;
}
