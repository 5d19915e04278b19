import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';

/** A connection and the two sides of JetStream on it. */
export interface Broker {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

/** Asks nothing of the broker yet: it may be away for the moment. */
export async function brokerOf(connection: NatsConnection): Promise<Broker> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  return { connection, client: jetstream(connection), manager };
}

/** @throws StreamnormError UNAVAILABLE when the broker has no JetStream, or does not answer */
export async function requireJetStream({ connection, manager }: Broker): Promise<void> {
  try {
    await manager.getAccountInfo();
  } catch (cause) {
    const where = `the broker at ${connection.getServer()}`;
    const why = (cause as Error).message;
    const none = /not enabled|no responders|503/i.test(why);
    throw new StreamnormError(
      'UNAVAILABLE',
      none ? `${where} has no JetStream: start it with --jetstream` : `${where} does not answer: ${why}`,
      { cause },
    );
  }
}

/** What an expectation about the last message was wrong about. */
const WRONG_LAST: readonly number[] = [
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
];

/** True when the broker refused a compare-and-swap. */
export function isWrongLast(error: unknown): boolean {
  return error instanceof JetStreamApiError && WRONG_LAST.includes(error.code);
}
