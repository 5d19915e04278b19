/** The server that is measured, in a process of its own. */
import { createServer } from 'streamnorm/server';
import { serveMeasurements } from './child-port.ts';

const features = Array.from({ length: 8 }, (_, j) => `x${j}`);
const server = await createServer({
  listen: { port: 0 },
  limits: { maxConnectionsPerAddress: 10_000 },
  channels: { live: { features, method: 'ewma' }, batch: { features, method: 'batch', size: 64 } },
});
serveMeasurements(server.port);
