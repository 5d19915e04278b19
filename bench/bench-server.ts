/** The server that is measured, in a process of its own. Prints its port. */
import { createServer } from '../src/server/create-server.ts';

const features = Array.from({ length: 8 }, (_, j) => `x${j}`);
const server = await createServer({
  listen: { port: 0 },
  channels: { live: { features, method: 'ewma' }, batch: { features, method: 'batch', size: 64 } },
});
process.stdout.write(`${server.port}\n`);
process.stdin.on('end', () => process.exit(0)).resume();
