import { createServer } from 'node:net';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { brokerOf } from '../../src/nats/broker.ts';
import { NatsServer } from '../nats/nats-server.ts';

/** One broker, or three that are one. */
export class Brokers {
  readonly nodes: readonly NatsServer[];

  private constructor(nodes: readonly NatsServer[]) {
    this.nodes = nodes;
  }

  static async one(host?: string): Promise<Brokers> {
    return new Brokers([await NatsServer.start('', host === undefined ? {} : { host })]);
  }

  static async three(): Promise<Brokers> {
    const [ports, clients] = [await freePorts(3), await freePorts(3)];
    const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
    const nodes = await Promise.all(
      ports.map((port, i) =>
        NatsServer.start(
          `server_name: n${i}\ncluster { name: chaos, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
          { port: clients[i] as number },
        ),
      ),
    );
    const brokers = new Brokers(nodes);
    await brokers.ready();
    return brokers;
  }

  get servers(): string {
    return this.nodes.map(({ url }) => url).join(',');
  }

  connect(): Promise<NatsConnection> {
    return connect({ servers: this.servers.split(','), maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  }

  /** The node that leads a stream. */
  async leaderOf(connection: NatsConnection, stream: string): Promise<NatsServer | undefined> {
    const { manager } = await brokerOf(connection);
    const { cluster } = await manager.streams.info(stream);
    return this.nodes[Number(cluster?.leader?.slice(1) ?? Number.NaN)];
  }

  /** A cluster takes a while to agree on who leads. */
  async ready(): Promise<void> {
    const connection = await this.connect();
    const { manager } = await brokerOf(connection);
    for (let tries = 0; ; tries++) {
      try {
        await manager.streams.add({ name: 'READY', subjects: ['ready'], num_replicas: this.nodes.length });
        break;
      } catch (error) {
        if (tries > 200) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    // it may not have been there when the leader went
    await manager.streams.delete('READY').catch(() => false);
    await connection.close();
  }

  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.remove()));
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer();
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
