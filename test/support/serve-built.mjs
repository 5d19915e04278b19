/**
 * A server in a process of its own, from the built `dist/`: `node --expose-gc serve-built.mjs <dist> <config as JSON>`.
 * Prints its address once it listens; ends in order on SIGTERM, and with its parent; answers the questions of
 * `server-process.ts`. It listens to no `uncaughtException` and no `unhandledRejection`: either ends it, as in real life.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const [dist, config] = process.argv.slice(2);
const { createServer } = await import(new URL('server/index.js', pathToFileURL(`${dist}/`)));
const bugs = [];
const warnings = [];
const server = await createServer(JSON.parse(config), {
  env: process.env,
  log: ({ level, event, message }) => {
    if (event === 'bug') bugs.push(message);
    else if (level === 'warn') warnings.push(message);
  },
});
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

const answers = {
  memory: () => {
    globalThis.gc();
    const { heapUsed, external, rss } = process.memoryUsage();
    return { heldBytes: heapUsed + external, rssBytes: rss };
  },
  rss: () => ({ rssBytes: process.memoryUsage.rss() }),
  /** Longest and 99th percentile of how late timers were since the last question, in ms. */
  delay: () => {
    const figures = { maxMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6 };
    delay.reset();
    return figures;
  },
  bugs: () => bugs,
  warnings: () => warnings,
  degraded: () => server.degraded ?? null,
  polluted: () => Object.keys(Object.prototype).concat(Object.keys(Function.prototype)),
  cpu: () => process.cpuUsage(),
};
process.on('message', ({ ask, id }) => process.send({ id, answer: answers[ask]() }));
process.once('disconnect', () => process.exit(1));
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
process.once('SIGTERM', async () => {
  await server.close();
  process.exit(0);
});
