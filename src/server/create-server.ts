import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KeyedEntry } from '../core/keyed-normalizer.ts';
import type { MethodOptions } from '../core/methods.ts';
import { StreamnormError } from '../errors.ts';
import { Admission } from './admission.ts';
import { Authenticator } from './auth/authenticator.ts';
import type { Environment } from './auth/read-secret.ts';
import { Channel } from './channel.ts';
import { type ChannelHandle, channelHandle } from './channel-handle.ts';
import { type Checkpoint, CheckpointStore } from './checkpoint.ts';
import { Checkpointer } from './checkpointer.ts';
import type { ChannelConfig } from './config/channel.ts';
import { isLoopback } from './config/listen.ts';
import type { NatsConfig } from './config/nats.ts';
import { parseConfig, type ServerConfigInput } from './config.ts';
import { configChanges } from './config-changes.ts';
import { ConfigFault, withAllFaults } from './config-fault.ts';
import type { Edge } from './edge.ts';
import { httpListener } from './http-listener.ts';
import { Log, type LogSink } from './log.ts';
import { answer } from './routes.ts';
import { Sockets } from './sockets.ts';
import { Sources, unsetVariables } from './source/sources.ts';
import { version } from './version.ts';

export interface RunningServer {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** Why it does not do all that it should: its state cannot be kept, a source has failed; undefined when all is well. */
  readonly degraded: string | undefined;
  /** @throws StreamnormError NO_CHANNEL */
  channel(name: string): ChannelHandle;
  /**
   * Takes another configuration while it runs, all of it or nothing: limits, origins, tokens, the level of the log, and
   * channels that are new or gone. Everything else needs a restart.
   *
   * @throws StreamnormError CONFIG for one that is wrong, or that needs a restart, with the paths that do; STATE for a
   *   new channel whose checkpoint cannot be used
   */
  reload(input: ServerConfigInput): Promise<void>;
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
  let config = parseConfig(input);
  // one object for all that hold it, so that a reload reaches them
  const { limits, listen } = config;
  const env = options.env ?? {};
  const log = new Log(options.log ?? (() => {}), config.log.level, limits.maxLogEntriesPerMinute);
  const opened = await withAllFaults(
    requireVariables(config.channels, env),
    Authenticator.open(config.auth, env, log),
    httpListener(listen, limits, log),
  );
  let authenticator = opened[1];
  const listener = opened[2];
  for (const { name, pattern } of authenticator.patternsWithout(config.channels.keys())) {
    log.write('auth.pattern', `token ${name}: there is no channel ${pattern}`, { name, pattern });
  }
  if (authenticator.asksForToken && listen.tls === undefined && !isLoopback(listen.host)) {
    log.write(
      'auth.unencrypted',
      `tokens reach ${listen.host} unencrypted: set listen.tls, or put a proxy with TLS in front`,
    );
  }
  const edge = config.nats && (await openEdge(config.nats, log));
  // an edge has no state of its own: workers have
  const store = edge === undefined && config.state ? await CheckpointStore.open(config.state.dir) : undefined;
  const channels = new Map<string, Channel>();
  const checkpointer = store && new Checkpointer(store, channels, log);
  const load = async (name: string, channel: ChannelConfig): Promise<Channel> => {
    if (edge !== undefined) return edge.channel(name, channel, limits);
    const { features, method, keys } = channel;
    const loaded = await store?.load({ channel: name, features, method, key: keys?.field });
    if (loaded?.warning !== undefined) log.write('checkpoint.damaged', loaded.warning, { channel: name });
    const saveNow = checkpointer ? (checkpoint: Checkpoint) => checkpointer.saveNow(checkpoint) : null;
    const channelOpened = newChannel(name, channel, limits, loaded?.checkpoint, saveNow, undefined, (guarded) => {
      const { producer, rows, action } = guarded;
      const what = { flag: 'kept out of the statistics', drop: 'left out', refuse: 'refused' }[action];
      // a name that a client gave itself stays in the fields
      log.write(
        'producer.guarded',
        `rows of a producer of ${name} are far from all others, and were ${what}: ${rows}`,
        {
          ...{ channel: name, producer, rows },
        },
      );
    });
    if (loaded?.keys !== undefined) await restoreKeys(channelOpened, loaded.keys, loaded.checkpoint.options);
    return channelOpened;
  };
  try {
    for (const [name, channel] of config.channels) channels.set(name, await load(name, channel));
  } catch (error) {
    await store?.close();
    await edge?.close();
    throw error;
  }

  const sources = new Sources(limits, env, log);
  const degraded = () => checkpointer?.failure ?? edge?.failure ?? sources.failure;
  await sources.prepare(config.channels.values());
  const running = version();
  const reloads = new Map<string, number>();
  let ready = false;
  const admission = new Admission({
    limits,
    get origins() {
      return config.listen.origins;
    },
    trustedProxies: listen.trustedProxies,
    onlyLoopback: isLoopback(listen.host),
    get authenticator() {
      return authenticator;
    },
    ready: () => ready,
  });
  const sockets = new Sockets({
    limits,
    admission,
    channel: (name) => channels.get(name),
    log,
  });
  const handle: RequestListener = (request, response) => {
    answer(request, response, {
      version: running,
      channels: channels.values(),
      channel: (name) => channels.get(name),
      ready,
      degraded: degraded(),
      source: (name) => sources.figures(name),
      peers: sockets.peers(),
      refused: sockets.refused,
      bugs: log.bugs,
      suppressed: log.suppressed,
      reloads,
      checkpoints: checkpointer,
      maxFeatureSeries: limits.maxFeatureSeries,
      maxListed: limits.maxListed,
      connections: (channel, who) => sockets.list(channel, who),
      asksForToken: authenticator.asksForToken,
      authFailures: authenticator.failures,
      forgottenAddresses: admission.forgotten,
      certificateValidToMs: listener.validToMs,
      visit: (visitor, parameters) => admission.visit(visitor, parameters),
    }).catch((error) => {
      log.bug(error);
      response.destroy();
    });
  };
  const http = listener.server;
  http.on('request', handle);
  http.on('upgrade', (request, stream, head) => {
    sockets.upgrade(request, stream, head).catch((error) => {
      log.bug(error);
      stream.destroy();
    });
  });

  try {
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject);
      http.listen(listen.port, listen.host, resolve);
    });
  } catch (cause) {
    await sockets.close();
    await store?.close();
    await edge?.close();
    throw cannotListen(listen.host, listen.port, cause as NodeJS.ErrnoException);
  }
  // numbers are kept free on disk before the first row goes out
  if (config.state) await checkpointer?.start(config.state.everyMs);
  for (const channel of channels.values()) channel.start();
  ready = true;
  const stopFollowingTls = listener.follow();
  const followTokens = () => authenticator.follow(() => sockets.keepOnly((access) => authenticator.holds(access)));
  let stopFollowingTokens = followTokens();
  const { port } = http.address() as AddressInfo;
  const url = `${listen.tls === undefined ? 'http' : 'https'}://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port}`;
  log.write('listening', `ready at ${url}`, { url });
  const announce = (channel: Channel) => {
    const { name, seq, epoch } = channel;
    const [from, to] = [`${url}/in/${name}`, `${url}/out/${name}`].map((each) => each.replace(/^http/, 'ws'));
    sources.start(channel, channel.config.source);
    log.write('channel.opened', `channel ${name}: ${from} → ${to}`, { channel: name, in: from, out: to, seq, epoch });
  };
  for (const channel of channels.values()) announce(channel);

  const apply = async (given: ServerConfigInput): Promise<void> => {
    const next = parseConfig(given);
    const changes = configChanges(config, next);
    if (!ready) throw new StreamnormError('OVERLOADED', 'the server is closing');
    if (changes.restart.length > 0) {
      const paths = changes.restart.join(', ');
      throw new StreamnormError('CONFIG', `a change of ${paths} needs a restart; nothing was applied`);
    }
    edge?.requirePossible(next.channels);
    // all that can fail comes before all that shows
    await sources.prepare(next.channels.values());
    const [, nextAuthenticator] = await withAllFaults(
      requireVariables(next.channels, env),
      Authenticator.open(next.auth, env, log, authenticator),
    );
    const added: Channel[] = [];
    try {
      for (const name of changes.added) added.push(await load(name, next.channels.get(name) as ChannelConfig));
      if (!ready) throw new StreamnormError('OVERLOADED', 'the server is closing');
    } catch (error) {
      for (const name of changes.added) await edge?.closeChannel(name);
      throw error;
    }
    Object.assign(limits, next.limits);
    config = { ...next, limits };
    log.level = config.log.level;
    log.maxPerMinute = limits.maxLogEntriesPerMinute;
    stopFollowingTokens();
    authenticator = nextAuthenticator;
    stopFollowingTokens = followTokens();
    sockets.limitsChanged();
    for (const [name, { source }] of next.channels) {
      const channel = channels.get(name);
      if (channel !== undefined && changes.live.includes(`channels.${name}.source`)) sources.start(channel, source);
    }
    for (const channel of added) {
      channels.set(channel.name, channel);
      channel.start();
      announce(channel);
    }
    for (const name of changes.removed) {
      const channel = channels.get(name) as Channel;
      channels.delete(name);
      sources.stop(name);
      channel.drain();
      await checkpointer?.retire(channel);
      sockets.closeChannel(channel);
      channel.close();
      await edge?.closeChannel(name);
      log.write('channel.closed', `channel ${name} is closed`, { channel: name });
    }
    if (changes.live.includes('auth')) sockets.reconnectAll();
    // a file may have changed since it was looked at last, and who looks from now on will not tell of that
    else sockets.keepOnly((access) => authenticator.holds(access));
    const { live, added: names, removed } = changes;
    const changed = [...live, ...[...names, ...removed].map((name) => `channels.${name}`)];
    log.write('config.reloaded', `the config was read again: ${changed.join(', ') || 'nothing has changed'}`, {
      changed,
    });
  };
  const reload = async (given: ServerConfigInput): Promise<void> => {
    let result = 'refused';
    try {
      await apply(given);
      result = 'applied';
    } catch (error) {
      log.write('config.refused', `the config was not applied: ${(error as Error).message}`);
      throw error;
    } finally {
      reloads.set(result, (reloads.get(result) ?? 0) + 1);
    }
  };
  // one after the other: each begins where the one before has ended
  let reloading: Promise<unknown> = Promise.resolve();

  const stop = async () => {
    // the listening goes on, so that who asks is told that this server is not ready
    ready = false;
    await reloading;
    log.write('closing', 'closing');
    sources.stopAll();
    stopFollowingTls();
    stopFollowingTokens();
    for (const channel of channels.values()) channel.drain();
    await checkpointer?.close();
    // what producers have sent is answered first
    await edge?.idle();
    await sockets.close();
    for (const channel of channels.values()) channel.close();
    await store?.close();
    await edge?.close();
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
      return degraded();
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
    reload(given) {
      const done = reloading.then(() => reload(given));
      reloading = done.catch(() => {});
      return done;
    },
    close() {
      closing ??= stop();
      return closing;
    },
  };
}

/** @throws ConfigFault for environment variables that sources name and that are not set */
async function requireVariables(channels: ReadonlyMap<string, ChannelConfig>, env: Environment): Promise<void> {
  const unset = unsetVariables(channels, env);
  if (unset.length > 0) throw new ConfigFault(unset);
}

/** Loaded where it is used: nobody else needs to have the client of the broker. */
async function openEdge(config: NatsConfig, log: Log): Promise<Edge> {
  const { Edge } = await import('./edge.ts');
  return Edge.open(config, log);
}

async function restoreKeys(channel: Channel, keys: AsyncIterable<KeyedEntry>, options: MethodOptions): Promise<void> {
  const nowMs = performance.now();
  try {
    for await (const [key, state, pending] of keys) {
      channel.keyed?.restore(key, { state, options, ...(pending && { pending }) }, nowMs);
    }
  } catch (cause) {
    throw unusable(channel.name, cause);
  }
}

/** A state that does not fit is told with the name of its channel. */
function newChannel(...[name, config, ...rest]: ConstructorParameters<typeof Channel>): Channel {
  try {
    return new Channel(name, config, ...rest);
  } catch (cause) {
    throw unusable(name, cause);
  }
}

function unusable(channel: string, cause: unknown): unknown {
  if (!(cause instanceof StreamnormError)) return cause;
  return new StreamnormError(cause.code, `the checkpoint of channel ${channel} cannot be used: ${cause.message}`, {
    cause,
  });
}

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): StreamnormError {
  const why = cause.code === 'EADDRINUSE' ? 'another process uses the port; choose one with --port' : cause.message;
  return new StreamnormError('UNAVAILABLE', `cannot listen on ${host}:${port}: ${why}`, { cause });
}
