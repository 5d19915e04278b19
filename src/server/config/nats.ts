import * as z from 'zod';
import { durationMs } from '../../core/duration.ts';
import { durationValue } from './duration-value.ts';

/** The broker and the logs on it. */
export interface NatsConfig {
  readonly servers: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  readonly prefix: string;
  /** Of each channel: the one number, or by name. */
  readonly partitions: number | Readonly<Record<string, number>>;
  readonly replicas: number;
  readonly leaseMs: number;
  readonly checkpointMs: number;
  readonly maxLogBytes: number;
  readonly maxOutputs: number;
  readonly maxWaitingRows: number;
  readonly giveUpMs: number;
}

const count = z.number().int().min(1);
const partitionCount = count.max(1_024);

export const natsSchema = z.strictObject({
  servers: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .default('nats://127.0.0.1:4222')
    .describe('where the broker is; several of a cluster'),
  user: z.string().optional(),
  password: z.string().optional(),
  token: z.string().optional(),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -')
    .default('streamnorm')
    .describe('first part of the names of all streams and subjects'),
  partitions: z
    .union([partitionCount, z.record(z.string(), partitionCount)], 'must be a number in [1, 1024], or one by channel')
    .default(1)
    .describe('parts of the log of a channel: rows of one key, or of one producer, stay in one'),
  replicas: count.max(5).default(1).describe('copies that a cluster keeps'),
  lease: durationValue('lease')
    .default(6_000)
    .describe('without a sign of life for so long, a worker is taken for dead'),
  checkpoint: durationValue('checkpoint').default(5_000).describe('time between checkpoints'),
  maxLogBytes: z
    .number()
    .int()
    .min(65_536)
    .default(1_073_741_824)
    .describe('room of a log; producers wait while it is full'),
  maxOutputs: count.default(1_024).describe('outputs kept of each partition'),
  maxWaitingRows: count.default(65_536).describe('rows of a partition that wait for the broker, in an edge'),
  giveUp: durationValue('giveUp')
    .default(30_000)
    .describe('a push without an answer of the broker is refused after so long'),
});

export function natsConfig(given: z.output<typeof natsSchema>): NatsConfig {
  const { servers, lease, checkpoint, giveUp, user, password, token, ...rest } = given;
  return {
    ...rest,
    ...{ user, password, token },
    servers: typeof servers === 'string' ? [servers] : servers,
    leaseMs: durationMs('the config', 'lease', lease),
    checkpointMs: durationMs('the config', 'checkpoint', checkpoint),
    giveUpMs: durationMs('the config', 'giveUp', giveUp),
  };
}

/** Parts of the log of a channel. */
export function partitionsOf({ partitions }: NatsConfig, channel: string): number {
  if (typeof partitions === 'number') return partitions;
  return Object.hasOwn(partitions, channel) ? partitions[channel] : 1;
}
