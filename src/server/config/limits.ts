import * as z from 'zod';
import { MAX_TIMER_MS } from './duration-value.ts';
import { keyCount } from './keys.ts';

/** What the server keeps within bounds. Every one is an option of `limits`. */
export const DEFAULT_LIMITS = {
  /** Largest message of a producer. */
  maxMessageBytes: 1_048_576,
  /** Largest message of a subscriber, who has nothing to say. */
  maxSubscriberMessageBytes: 16_384,
  maxRowsPerMessage: 10_000,
  /** Rows a second, and as many at once, of one producer: of all connections with its token, or else of one connection. */
  maxRowsPerSecond: 10_000_000,
  maxBytesPerSecond: 1_073_741_824,
  /** Bad messages of one connection; with one more it is closed (1008). */
  maxErrorsPerMinute: 1_000,
  /** Pings of one connection; with one more it is torn down. */
  maxPingsPerMinute: 600,
  maxConnections: 10_000,
  /** An IPv6 /64 is one address. */
  maxConnectionsPerAddress: 100,
  /** Also refused tokens count; and as many at once. */
  maxConnectsPerSecondPerAddress: 100,
  maxConnectionsPerToken: 1_000,
  maxConnectsPerSecondPerToken: 1_000,
  /** Addresses whose rate is remembered, and as many tokens; the one longest not seen is forgotten first. */
  maxRememberedAddresses: 10_000,
  /** Headers of a request. */
  maxHeaders: 100,
  maxHeaderBytes: 16_384,
  /** Subprotocols that a WebSocket offers. */
  maxSubprotocols: 10,
  /** For the headers of a request, and before for the TLS handshake. */
  headersMs: 5_000,
  /** Producers of a channel whose last `seq` is remembered; the longest silent is forgotten first. */
  maxProducers: 10_000,
  /** Producers of a channel whose rows that its `producerGuard` kept out are counted by name. */
  maxGuardedProducers: 100,
  /** Keys of a channel that have statistics, unless it has a `maxKeys`; the one unused for longest is evicted. */
  maxKeys: 100_000,
  /** Changes of means that a channel remembers, for who comes later; the oldest is forgotten first. */
  maxDrifts: 1_000,
  /** Above this many bytes in its socket a subscriber gets the newest rows only. */
  conflateAboveBytes: 262_144,
  /** As well, so that it is at most so far behind. */
  conflateAfterMs: 1_000,
  /** One that stays above this many is cut off. */
  cutAboveBytes: 1_048_576,
  /** As well one that has not answered a ping for so long. */
  cutAfterMs: 10_000,
  /** Bytes of rows kept for `since`, a channel. */
  maxHistoryBytes: 16_777_216,
  pingMs: 15_000,
  pongMs: 10_000,
  heartbeatMs: 5_000,
  /** Log entries of one event; the rest of the minute is told as a number. */
  maxLogEntriesPerMinute: 60,
  /** Series of /metrics that stand for single features; the rest is counted. */
  maxFeatureSeries: 10_000,
  /** Producers, subscribers and keys that `/channels/<channel>` lists, of each. */
  maxListed: 100,
  /** How long closing may take before sockets are torn down. */
  drainMs: 5_000,
};

export type Limits = typeof DEFAULT_LIMITS;

const bytes = z.number().int().min(1_024);
const count = z.number().int().min(1);
const ms = count.max(MAX_TIMER_MS);
/** Limits as the configuration has them. */
export const limitsSchema = z.strictObject({
  maxMessageBytes: bytes,
  maxSubscriberMessageBytes: bytes,
  maxRowsPerMessage: count,
  maxRowsPerSecond: count,
  maxBytesPerSecond: count,
  maxErrorsPerMinute: count,
  maxPingsPerMinute: count,
  maxConnections: count,
  maxConnectionsPerAddress: count,
  maxConnectsPerSecondPerAddress: count,
  maxConnectionsPerToken: count,
  maxConnectsPerSecondPerToken: count,
  maxRememberedAddresses: count,
  maxHeaders: count.max(1_000),
  maxHeaderBytes: bytes,
  maxSubprotocols: count,
  headersMs: ms,
  maxProducers: count,
  maxGuardedProducers: count,
  maxKeys: keyCount,
  maxDrifts: count,
  conflateAboveBytes: bytes,
  conflateAfterMs: ms,
  cutAboveBytes: bytes,
  cutAfterMs: ms,
  maxHistoryBytes: bytes,
  pingMs: ms,
  pongMs: ms,
  heartbeatMs: ms,
  maxLogEntriesPerMinute: count,
  maxFeatureSeries: z.number().int().min(0),
  maxListed: z.number().int().min(0),
  drainMs: ms,
} satisfies Record<keyof Limits, z.ZodType>);
