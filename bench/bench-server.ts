/** The server that is measured, in a process of its own. */
import { createServer } from 'streamnorm/server';
import { serveMeasurements } from './child-port.ts';

const features = Array.from({ length: 8 }, (_, j) => `x${j}`);
const server = await createServer({
  listen: { port: 0 },
  // all clients are at one address here, and come as fast as they can
  limits: { maxConnectionsPerAddress: 10_000, maxConnectsPerSecondPerAddress: 100_000 },
  channels: { live: { features, method: 'ewma' }, batch: { features, method: 'batch', size: 64 } },
});
serveMeasurements(server.port);
