import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type { Subscription } from 'rxjs';
import type { RunningServer } from '../server/create-server.ts';
import { portOf } from './flag-values.ts';
import { type Host, type StopSignal, signalExitCode } from './host.ts';
import { Notices } from './notices.ts';
import { readConfig, type ServeFlags, serverConfig, wantsPretty, withDemoToken } from './serve-config.ts';
import { jsonLog, prettyLog, type ServeLog } from './serve-log.ts';
import { UsageError } from './usage-error.ts';

const EXAMPLES = `
The config is JSON; flags override it:
  { "listen": { "host": "127.0.0.1", "port": 8080 },
    "state": { "dir": "./state", "every": "5s" },
    "channels": { "btc": { "features": ["bid", "ask"], "method": "ewma", "halfLife": "30s" } } }

Examples:
  $ streamnorm serve --demo                       the dashboard at http://127.0.0.1:8080 with a real data set
  $ streamnorm serve --config streamnorm.json --state ./state

SIGHUP reads the config again, and applies all of it or nothing: limits, origins, tokens, the level of the log, channels
that are new or gone; what else has changed is named, and needs a restart. SIGINT and SIGTERM close it in order: open batches go out, states are saved, subscribers are told. A second signal ends it
at once.

Exit codes: 0 after a signal, 2 wrong options, 66 the config cannot be read, 69 the port is taken, 78 wrong config.`;

export function addServeCommand(program: Command, host: Host): void {
  program
    .command('serve')
    .summary('the server: channels in and out, dashboard, metrics')
    .description('Normalises what producers send to /in/<channel> and sends it to the subscribers of /out/<channel>.')
    .option('--config <file>', 'channels and everything else, as JSON')
    .option('--port <port>', 'to listen on; 0 is any that is free (default: 8080)', portOf)
    .option('--host <host>', 'to listen on (default: 127.0.0.1)')
    .option('--demo', 'two channels fed from a recording of humidity and temperature, for ever')
    .option('--state <dir>', 'where states are kept, so that a restart loses nothing')
    .option('--print-schema', 'prints the JSON Schema of the config, and ends')
    .option('--nats <url>', 'an edge: rows go over this broker to workers (streamnorm worker) and come back from there')
    .option('--insecure', 'allows a host that other machines can reach without auth')
    .addHelpText('after', EXAMPLES)
    .action((flags) => runServe(flags, host));
}

async function runServe(flags: ServeFlags, host: Host): Promise<void> {
  if (flags.printSchema === true) {
    const { configJsonSchema } = await import('../server/config-json-schema.ts');
    host.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
    return;
  }
  if (flags.config === undefined && flags.demo !== true) {
    throw new UsageError('nothing to serve: give --config FILE, or --demo to see it work');
  }
  const notices = new Notices('serve', host);
  const given = flags.config === undefined ? {} : await readConfig(flags.config);
  const written = serverConfig(given, flags);
  const demoToken =
    flags.demo === true && written?.auth !== undefined ? randomBytes(32).toString('base64url') : undefined;
  const config = demoToken === undefined ? written : withDemoToken(written, demoToken);
  if (flags.demo === true && config?.listen?.tls !== undefined) {
    throw new UsageError('--demo plays over a WebSocket without TLS: leave out listen.tls');
  }
  // listened to before there is a server: a signal meanwhile must not leave half of one
  const stopped = firstSignal(host);
  const { createServer } = await import('../server/create-server.ts');
  const log = (wantsPretty(config) ?? host.stderr.isTTY === true) ? prettyLog(notices) : jsonLog(host.stderr);
  let demo: Subscription | undefined;
  let server: RunningServer | undefined;
  let stopReloading: (() => void) | undefined;
  try {
    server = await createServer(config, { log: log.sink, env: host.env });
    if (flags.demo === true) {
      const { playDemo } = await import('./demo.ts');
      const line = (message: string) => log.sink({ level: 'info', event: 'demo', message, fields: {} });
      demo = playDemo(server.port, config.listen?.host, { line }, demoToken);
    }
    if (flags.config !== undefined) stopReloading = reloadOnHangup(server, flags, log, host);
    await stopped;
  } finally {
    stopReloading?.();
    demo?.unsubscribe();
    await server?.close();
    await log.flushed();
  }
}

/** Returns how to call it off. */
function reloadOnHangup(server: RunningServer, flags: ServeFlags, log: ServeLog, host: Host): () => void {
  const reload = async () => {
    let given: unknown;
    try {
      given = await readConfig(flags.config as string);
    } catch (error) {
      const message = `the config was not applied: ${(error as Error).message}`;
      log.sink({ level: 'error', event: 'config.refused', message, fields: {} });
      return;
    }
    // the server has told what was wrong
    await server.reload(serverConfig(given, flags)).catch(() => {});
  };
  return host.onHangup(() => void reload());
}

/** The first signal; the second ends the process. */
function firstSignal(host: Host): Promise<StopSignal> {
  return new Promise((resolve) => {
    let heard = false;
    host.onSignal((signal) => {
      if (heard) host.exit(signalExitCode(signal));
      heard = true;
      resolve(signal);
    });
  });
}
