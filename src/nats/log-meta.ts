import { StreamnormError } from '../errors.ts';
import type { Broker } from './broker.ts';
import type { LogNames } from './log-names.ts';
import { type Value, Values } from './values.ts';

/** What a channel is, as the broker keeps it: one truth for all workers and edges. */
export interface LogMeta {
  readonly format: 'streamnorm.log/1';
  readonly channel: string;
  readonly partitions: number;
  /** Counts the changes of `partitions`. */
  readonly generation: number;
  /** Names the numbering of the rows that go out. */
  readonly epoch: string;
  /** Set while the log is being repartitioned: to so many partitions. */
  readonly repartitioningTo?: number;
  /** What its users want kept beside it, such as the features. */
  readonly about: unknown;
}

export const META_FORMAT = 'streamnorm.log/1';
const KEY = 'meta';

export function valuesOf(broker: Broker, names: LogNames): Values {
  return new Values(broker, names.stateStream, names.stateSubject);
}

/** @throws StreamnormError LOG_MISMATCH when the channel has not been provisioned */
export async function readMeta(broker: Broker, names: LogNames): Promise<LogMeta & { revision: number }> {
  let value: Value | undefined;
  try {
    value = await valuesOf(broker, names).get(KEY);
  } catch (cause) {
    if (!isNoStream(cause)) throw cause;
  }
  if (value === undefined) {
    throw new StreamnormError(
      'LOG_MISMATCH',
      `channel ${names.channel} has no log on this broker: run 'streamnorm nats provision' first`,
    );
  }
  const meta = JSON.parse(new TextDecoder().decode(value.data)) as LogMeta;
  if (meta.format !== META_FORMAT) {
    throw new StreamnormError(
      'LOG_MISMATCH',
      `the log of channel ${names.channel} has format ${meta.format}, this version reads ${META_FORMAT}`,
    );
  }
  return { ...meta, revision: value.revision };
}

/** @throws StreamnormError FENCED when another one has been written since */
export function writeMeta(broker: Broker, names: LogNames, meta: LogMeta, revision: number): Promise<number> {
  return valuesOf(broker, names).put(KEY, JSON.stringify(meta), revision);
}

export function isNoStream(error: unknown): boolean {
  return /stream not found/i.test((error as Error)?.message ?? '');
}
