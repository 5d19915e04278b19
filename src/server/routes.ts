import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';
import type { Access } from './auth/access.ts';
import { Refused } from './auth/refused.ts';
import type { Channel } from './channel.ts';
import { renderMetrics, type ServerFigures } from './metrics.ts';
import type { PeerList } from './peer-list.ts';
import { describeConfig } from './snapshots.ts';
import type { SourceFigures } from './source/source-figures.ts';
import { sendDashboardFile } from './static-files.ts';

/** What the HTTP side asks of the server. */
export interface Served extends ServerFigures {
  readonly asksForToken: boolean;
  channel(name: string): Channel | undefined;
  /** Who is connected to it; with addresses and holders of tokens where `who`. */
  connections(channel: Channel, who: boolean): PeerList;
  /** Most keys that are listed. */
  readonly maxListed: number;
  /** Who asks. @throws Refused */
  visit(request: IncomingMessage, parameters: URLSearchParams): Promise<Access>;
}

/**
 * Answers everything that is no WebSocket: the dashboard, channels as JSON, health and metrics.
 *
 * Health and the files of the dashboard are for everybody; all else needs the token, where there is `auth`. Without one it
 * is 401 whatever the path, so that nobody learns which channels there are.
 */
export async function answer(request: IncomingMessage, response: ServerResponse, served: Served): Promise<void> {
  response.setHeader('x-content-type-options', 'nosniff');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, 405, { error: `${request.method} is not allowed; use GET` });
  }
  const url = pathOf(request);
  if (url === undefined) return send(response, 400, { error: 'the path cannot be read' });
  const { path, parameters } = url;
  const [, first, name, last, ...rest] = path.split('/');
  // the reason names files and channels, which are not for everybody
  const reason = served.asksForToken ? undefined : served.degraded;
  if (path === '/healthz') {
    return send(response, 200, { status: served.degraded ? 'degraded' : 'ok', reason });
  }
  if (path === '/readyz') return send(response, served.ready ? 200 : 503, { ready: served.ready, degraded: reason });
  if (await sendDashboardFile(path, response)) return;
  const access = await served.visit(request, parameters).catch((error) => {
    if (!(error instanceof Refused)) throw error;
    for (const [header, value] of Object.entries(error.headers)) response.setHeader(header, value);
    send(response, error.status, { error: error.message });
  });
  if (access === undefined) return;
  const readable = (channel: string) => access.may(channel, 'out', 'admin');
  if (path === '/metrics') {
    if (!access.has('admin'))
      return send(response, 403, { error: 'the token does not allow /metrics: it needs admin' });
    const channels = Array.from(served.channels).filter(({ name }) => access.may(name, 'admin'));
    const { type, text } = await renderMetrics({ ...served, channels });
    response.writeHead(200, { 'content-type': type });
    response.end(text);
    return;
  }
  if (path === '/asyncapi.json') {
    // loaded with the first request, so that starting stays quick
    const { asyncApi } = await import('./asyncapi.ts');
    return send(response, 200, asyncApi(served.version));
  }
  if (path === '/channels')
    return send(response, 200, {
      channels: Array.from(served.channels)
        .filter(({ name }) => readable(name))
        .map(summary),
    });
  if (first === 'channels' && name && rest.length === 0) {
    if (!readable(name)) return send(response, 403, { error: `the token does not allow ${name.slice(0, 64)}` });
    const channel = served.channel(name);
    if (channel === undefined) return send(response, 404, { error: `there is no channel '${name.slice(0, 64)}'` });
    const key = parameters.get('key') ?? undefined;
    if (key !== undefined && channel.config.keys === undefined) {
      return send(response, 400, { error: `channel ${name} has no keys: leave ?key= out` });
    }
    if (key !== undefined && channel.keyed === undefined) {
      return send(response, 409, { error: 'workers have the statistics of single keys, an edge has not' });
    }
    const ofKey = key === undefined ? undefined : channel.ofKey(key);
    if (key !== undefined && ofKey === undefined) {
      return send(response, 404, {
        error: `key '${key.slice(0, 64)}' has no statistics: it has not come, or was evicted`,
      });
    }
    if (last === undefined)
      return send(response, 200, {
        ...details(channel, served.source(name), served.maxListed),
        connections: served.connections(channel, access.may(name, 'admin')),
        ...(ofKey && { key, ...ofKey }),
      });
    if (last === 'state') {
      if (channel.config.keys !== undefined && ofKey === undefined) {
        return send(response, 409, { error: `channel ${name} has statistics for each key: say which with ?key=` });
      }
      return sendState(response, channel, ofKey?.state ?? channel.state(), parameters.get('format') ?? 'json');
    }
  }
  if ((first === 'in' || first === 'out') && name) {
    response.setHeader('upgrade', 'websocket');
    return send(response, 426, { error: 'this is a WebSocket: connect with ws://' });
  }
  const hint = path === '/' ? 'the dashboard is not built: npm run build' : `nothing is at ${path.slice(0, 100)}`;
  return send(response, 404, { error: hint });
}

/** Path, decoded, and parameters of a request; undefined when they are malformed. */
export function pathOf(request: IncomingMessage): { path: string; parameters: URLSearchParams } | undefined {
  try {
    const url = new URL(request.url ?? '/', 'http://localhost');
    return { path: decodeURIComponent(url.pathname), parameters: url.searchParams };
  } catch {
    return undefined;
  }
}

/** The state as another program reads it. What cannot be written in a format is refused with its reason. */
async function sendState(
  response: ServerResponse,
  channel: Channel,
  state: StatisticState,
  format: string,
): Promise<void> {
  // loaded with the first request, so that starting stays quick
  const { FORMAT_NAMES, FORMATS } = await import('../exchange/format.ts');
  const { exportState } = await import('../exchange/export-state.ts');
  const known = FORMAT_NAMES.find((name) => name === format);
  if (known === undefined) {
    return send(response, 400, { error: `format is one of ${FORMAT_NAMES.join(', ')}, got '${format.slice(0, 40)}'` });
  }
  if (known === 'json') return send(response, 200, state);
  let content: string | Uint8Array;
  try {
    // of the others the layers have no place for names
    content = exportState(state, known, known === 'sklearn' ? { features: channel.config.features } : {});
  } catch (error) {
    if (!(error instanceof StreamnormError)) throw error;
    return send(response, 409, { error: error.message });
  }
  response.writeHead(200, {
    'content-type': FORMATS[known].binary ? 'application/octet-stream' : 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(content),
    'cache-control': 'no-store',
  });
  response.end(content);
}

function summary(channel: Channel): object {
  const { name, config, seq, epoch } = channel;
  return { name, features: config.features, method: config.method, seq, epoch };
}

function details(channel: Channel, source: SourceFigures | undefined, maxListed: number): object {
  return {
    channel: channel.name,
    epoch: channel.epoch,
    seq: channel.seq,
    features: channel.config.features,
    config: describeConfig(channel),
    state: channel.state(),
    stats: channel.report(),
    pending: channel.pending,
    ...(channel.keyed && {
      ...{ keys: channel.keyed.size, recentKeys: channel.keyed.newestKeys(maxListed) },
      evictedKeys: channel.keyed.evictions,
    }),
    counters: channel.counters,
    ...(channel.guard && { guardedRows: channel.guard.rows }),
    producers: channel.producerCount,
    subscribers: channel.subscriberCount,
    ...(source !== undefined && { source }),
  };
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}
