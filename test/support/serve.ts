/**
 * A server in a process of its own, for tests that kill it: `node --import tsx test/support/serve.ts <config as JSON>`.
 * Prints its address once it listens; ends in order on SIGTERM.
 */
import { createServer } from '../../src/server/create-server.ts';

const server = await createServer(JSON.parse(process.argv[2]!));
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
process.once('SIGTERM', async () => {
  await server.close();
  process.exit(0);
});
