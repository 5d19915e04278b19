import type { NatsConnection } from '@nats-io/nats-core';
import { onTestFinished, test } from 'vitest';
import { NatsServer, natsServerPath } from './nats-server.ts';

/** A test that needs a broker: without one it is skipped, and says so. */
export const withBroker = (title: string, run: () => Promise<void>, timeout?: number) =>
  test(
    title,
    async (context) => {
      if (natsServerPath === undefined) context.skip('there is no nats-server: apt-get install nats-server');
      await run();
    },
    timeout,
  );

/** A broker for one test, gone when the test is. */
export async function testBroker(config?: string): Promise<{ server: NatsServer; connection: NatsConnection }> {
  const server = await NatsServer.start(config);
  const connection = await server.connect();
  onTestFinished(async () => {
    await connection.close();
    await server.remove();
  });
  return { server, connection };
}
