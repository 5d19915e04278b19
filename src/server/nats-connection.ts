import type { NatsConnection } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import type { NatsConfig } from './config/nats.ts';

/**
 * Connects to the broker, and again for ever when the connection breaks.
 *
 * @throws StreamnormError UNAVAILABLE when it cannot be reached, or its client is not installed
 */
export async function connectNats(config: NatsConfig, name: string): Promise<NatsConnection> {
  const { connect } = await clientOf();
  const { servers, user, password, token } = config;
  try {
    return await connect({
      servers: [...servers],
      name,
      ...(user !== undefined && { user }),
      ...(password !== undefined && { pass: password }),
      ...(token !== undefined && { token }),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      // a broker that is stopped, or behind a cut line, is noticed
      pingInterval: 5_000,
      maxPingOut: 2,
    });
  } catch (cause) {
    const why = (cause as Error).message;
    throw new StreamnormError('UNAVAILABLE', `no NATS server can be reached at ${servers.join(', ')}: ${why}`, {
      cause,
    });
  }
}

async function clientOf() {
  try {
    return await import('@nats-io/transport-node');
  } catch (cause) {
    throw new StreamnormError(
      'UNAVAILABLE',
      'the NATS client is not installed: npm install @nats-io/transport-node @nats-io/jetstream @nats-io/nats-core',
      { cause },
    );
  }
}
