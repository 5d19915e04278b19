import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StreamnormError } from '../errors.ts';
import { Admission } from './admission.ts';
import { Authenticator } from './auth/authenticator.ts';
import type { Environment } from './auth/read-secret.ts';
import { Channel } from './channel.ts';
import { type ChannelHandle, channelHandle } from './channel-handle.ts';
import { type Checkpoint, CheckpointStore } from './checkpoint.ts';
import { Checkpointer } from './checkpointer.ts';
import { isLoopback } from './config/listen.ts';
import { parseConfig, type ServerConfigInput } from './config.ts';
import { Log, type LogSink } from './log.ts';
import { answer } from './routes.ts';
import { Sockets } from './sockets.ts';
import { version } from './version.ts';

export interface RunningServer {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** Why it serves without being able to keep its state; undefined when all is well. */
  readonly degraded: string | undefined;
  /** @throws StreamnormError NO_CHANNEL */
  channel(name: string): ChannelHandle;
  /**
   * Stops in order: no new connections, open windows closed, checkpoints written, `bye` and close code 1012 to all.
   * Resolves when the last socket is gone, after `limits.drainMs` at the latest.
   */
  close(): Promise<void>;
}

export interface ServerOptions {
  /** Told of everything that an operator should know, `LOG_EVENTS`; without it the server says nothing. */
  readonly log?: LogSink;
  /** Environment variables, for those that the configuration names; none. The command line gives its own. */
  readonly env?: Environment;
}

/**
 * Starts a server: producers at `/in/<channel>`, subscribers at `/out/<channel>`, the dashboard at `/`.
 *
 * @param input the configuration, as in the file of `streamnorm serve --config`
 * @param options where its log goes
 * @returns when it listens
 * @throws StreamnormError CONFIG with every error and its path; STATE when a checkpoint cannot be used; STATE_LOCKED
 *   when another process uses the state directory; UNAVAILABLE when the port is taken
 * @example
 * const server = await createServer({ listen: { port: 0 }, channels: { btc: { features: ['bid', 'ask'] } } });
 * server.url; // http://127.0.0.1:…
 * await server.close();
 */
export async function createServer(input: ServerConfigInput, options: ServerOptions = {}): Promise<RunningServer> {
  const config = parseConfig(input);
  const { limits, listen } = config;
  const log = new Log(options.log ?? (() => {}), config.log.level, limits.maxLogEntriesPerMinute);
  const authenticator = await Authenticator.open(config.auth, options.env ?? {}, log);
  for (const { name, pattern } of authenticator.patternsWithout(config.channels.keys())) {
    log.write('auth.pattern', `token ${name}: there is no channel ${pattern}`, { name, pattern });
  }
  if (authenticator.asksForToken && !isLoopback(listen.host)) {
    log.write('auth.unencrypted', `tokens reach ${listen.host} unencrypted: put a proxy with TLS in front`);
  }
  const store = config.state && (await CheckpointStore.open(config.state.dir));
  const channels = new Map<string, Channel>();
  const checkpointer = store && new Checkpointer(store, channels, log);
  try {
    for (const [name, channel] of config.channels) {
      const loaded = await store?.load(name, channel.features, channel.method);
      if (loaded?.warning !== undefined) log.write('checkpoint.damaged', loaded.warning, { channel: name });
      const saveNow = checkpointer ? (checkpoint: Checkpoint) => checkpointer.saveNow(checkpoint) : null;
      channels.set(name, newChannel(name, channel, limits, loaded?.checkpoint, saveNow));
    }
  } catch (error) {
    await store?.close();
    throw error;
  }

  const running = version();
  let ready = false;
  const admission = new Admission({
    limits,
    origins: listen.origins,
    trustedProxies: listen.trustedProxies,
    onlyLoopback: isLoopback(listen.host),
    authenticator,
    ready: () => ready,
  });
  const sockets = new Sockets({
    limits,
    admission,
    channel: (name) => channels.get(name),
    log,
  });
  const timing = {
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: Math.max(1, limits.headersMs / 10),
    // nothing that is asked for here has a body
    requestTimeout: 2 * limits.headersMs,
    maxHeaderSize: limits.maxHeaderBytes,
  };
  const http = createHttpServer(timing, (request, response) => {
    answer(request, response, {
      version: running,
      channels: channels.values(),
      channel: (name) => channels.get(name),
      ready,
      degraded: checkpointer?.failure,
      peers: sockets.peers(),
      refused: sockets.refused,
      bugs: log.bugs,
      suppressed: log.suppressed,
      reloads: new Map(),
      checkpoints: checkpointer,
      maxFeatureSeries: limits.maxFeatureSeries,
      asksForToken: authenticator.asksForToken,
      authFailures: authenticator.failures,
      forgottenAddresses: admission.forgotten,
      visit: (visitor, parameters) => admission.visit(visitor, parameters),
    }).catch((error) => {
      log.bug(error);
      response.destroy();
    });
  });
  http.on('upgrade', (request, stream, head) => {
    sockets.upgrade(request, stream, head).catch((error) => {
      log.bug(error);
      stream.destroy();
    });
  });
  http.maxHeadersCount = limits.maxHeaders + 1;

  try {
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject);
      http.listen(listen.port, listen.host, resolve);
    });
  } catch (cause) {
    await sockets.close();
    await store?.close();
    throw cannotListen(listen.host, listen.port, cause as NodeJS.ErrnoException);
  }
  // numbers are kept free on disk before the first row goes out
  if (config.state) await checkpointer?.start(config.state.everyMs);
  for (const channel of channels.values()) channel.start();
  ready = true;
  const { port } = http.address() as AddressInfo;
  const url = `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port}`;
  log.write('listening', `ready at ${url}`, { url });
  for (const channel of channels.values()) {
    const { name, seq, epoch } = channel;
    const [from, to] = [`${url}/in/${name}`, `${url}/out/${name}`].map((each) => each.replace(/^http/, 'ws'));
    log.write('channel.opened', `channel ${name}: ${from} → ${to}`, { channel: name, in: from, out: to, seq, epoch });
  }

  const stop = async () => {
    // the listening goes on, so that who asks is told that this server is not ready
    ready = false;
    log.write('closing', 'closing');
    for (const channel of channels.values()) channel.drain();
    await checkpointer?.close();
    await sockets.close();
    for (const channel of channels.values()) channel.close();
    await store?.close();
    await new Promise((resolve) => {
      http.close(resolve);
      http.closeAllConnections();
    });
    log.write('closed', 'closed');
    log.close();
  };
  let closing: Promise<void> | undefined;
  return {
    url,
    port,
    get degraded() {
      return checkpointer?.failure;
    },
    channel(name) {
      const channel = channels.get(name);
      if (channel === undefined) {
        throw new StreamnormError(
          'NO_CHANNEL',
          `there is no channel '${name}'; there are ${Array.from(channels.keys()).join(', ')}`,
        );
      }
      return channelHandle(channel);
    },
    close() {
      closing ??= stop();
      return closing;
    },
  };
}

/** A state that does not fit is told with the name of its channel. */
function newChannel(...[name, config, limits, saved, saveNow]: ConstructorParameters<typeof Channel>): Channel {
  try {
    return new Channel(name, config, limits, saved, saveNow);
  } catch (cause) {
    if (!(cause instanceof StreamnormError)) throw cause;
    throw new StreamnormError(cause.code, `the checkpoint of channel ${name} cannot be used: ${cause.message}`, {
      cause,
    });
  }
}

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): StreamnormError {
  const why = cause.code === 'EADDRINUSE' ? 'another process uses the port; choose one with --port' : cause.message;
  return new StreamnormError('UNAVAILABLE', `cannot listen on ${host}:${port}: ${why}`, { cause });
}
