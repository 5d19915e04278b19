import { catchError, defer, from, mergeMap, type Observable, tap, throwError, timeout } from 'rxjs';
import { SINCE_GONE } from './close-rules.ts';
import { type ConnectionEvent, connect } from './connect.ts';
import { ConnectionClosed } from './connection-closed.ts';
import { type Foreseen, reconnect } from './reconnect.ts';
import { checkedUrl, type Fresh, type SocketSettings } from './socket-options.ts';
import type { SocketRequest, Transport } from './socket-port.ts';
import type { SocketStatus } from './socket-status.ts';

/**
 * One connection after the other, as one stream of events. URL, headers and subprotocols are asked for anew for every
 * try; a position `since` that the server called gone (4410) is left out from then on.
 */
export function connections(
  transport: Transport,
  settings: SocketSettings,
  report: (event: SocketStatus) => void,
  foreseen: Foreseen,
): Observable<ConnectionEvent> {
  return defer(() => {
    let since: string | null = null;
    let gone: string | null = null;

    const once = defer(() => from(requestOf(settings))).pipe(
      catchError((cause) => throwError(() => new ConnectionClosed({ reason: 'no request could be made', cause }))),
      mergeMap((request) => {
        since = sinceOf(request.url);
        const url = since !== null && since === gone ? withoutSince(request.url) : request.url;
        return connect(transport, settings, { ...request, url });
      }),
      tap({
        error: (closed: ConnectionClosed) => {
          if (closed.code === SINCE_GONE) gone = since;
        },
      }),
      timeout({
        first: settings.handshakeTimeoutMs,
        scheduler: settings.scheduler,
        with: () =>
          throwError(() => new ConnectionClosed({ reason: `not open after ${settings.handshakeTimeoutMs} ms` })),
      }),
    );
    return once.pipe(reconnect(settings, report, foreseen));
  });
}

async function requestOf(settings: SocketSettings): Promise<SocketRequest> {
  const [url, protocols, headers] = await Promise.all([
    fresh(settings.url),
    fresh(settings.protocols),
    fresh(settings.headers),
  ]);
  return {
    url: checkedUrl(settings.where, url),
    protocols: typeof protocols === 'string' ? [protocols] : [...protocols],
    headers,
    ca: settings.ca,
    maxMessageBytes: settings.maxMessageBytes,
  };
}

function fresh<T>(value: Fresh<T>): T | Promise<T> {
  return typeof value === 'function' ? (value as () => T | Promise<T>)() : value;
}

function sinceOf(url: string): string | null {
  const query = url.indexOf('?');
  return query < 0 ? null : new URLSearchParams(url.slice(query)).get('since');
}

function withoutSince(url: string): string {
  const query = url.indexOf('?');
  const parameters = new URLSearchParams(url.slice(query));
  parameters.delete('since');
  return `${url.slice(0, query)}${parameters.size === 0 ? '' : `?${parameters}`}`;
}
