import { createServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Limits } from './config/limits.ts';
import type { ListenConfig, TlsConfig } from './config/listen.ts';
import type { Log } from './log.ts';
import { readTlsFiles, type TlsContent } from './tls-files.ts';
import { stampsOf, watchFiles } from './watched-files.ts';

/** What takes connections. */
export interface HttpListener {
  readonly server: Server;
  /** Until when its certificate is valid, ms since 1970; undefined without TLS. */
  readonly validToMs: number | undefined;
  /** Looks whether the files of the certificate have changed, until what is returned is called. */
  follow(): () => void;
}

/**
 * HTTP or, with `tls`, HTTPS, within the times and sizes that a request may take; not listening yet. Certificate and key
 * are read again when their files change; when they are wrong then, the former ones stay.
 *
 * @throws StreamnormError CONFIG for files that cannot be used
 */
export async function httpListener(listen: ListenConfig, limits: Limits, log: Log): Promise<HttpListener> {
  const options: ServerOptions = {
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: Math.max(1, limits.headersMs / 10),
    // nothing that is asked for here has a body
    requestTimeout: 2 * limits.headersMs,
    maxHeaderSize: limits.maxHeaderBytes,
  };
  const listener = listen.tls
    ? await tlsListener(listen.tls, { ...options, handshakeTimeout: limits.headersMs }, log)
    : { server: createServer(options), validToMs: undefined, follow: () => () => {} };
  // one more than is allowed: Node drops those beyond without a word
  listener.server.maxHeadersCount = limits.maxHeaders + 1;
  return listener;
}

async function tlsListener(
  files: TlsConfig,
  options: ServerOptions & { handshakeTimeout: number },
  log: Log,
): Promise<HttpListener> {
  const { cert, key, clientCa, checkEveryMs } = files;
  const watched = clientCa === undefined ? [cert, key] : [cert, key, clientCa];
  const stamps = await stampsOf(watched);
  let content = await readTlsFiles(files);
  const server = createTlsServer({ ...options, ...content.context, requestCert: files.clientCa !== undefined });
  tellExpired(log, content);
  const changed = async () => {
    try {
      content = await readTlsFiles(files);
      server.setSecureContext(content.context);
    } catch (error) {
      log.write('tls.kept', `the former certificate stays: ${(error as Error).message}`);
      return;
    }
    const validTo = new Date(content.validToMs).toISOString();
    log.write('tls.reloaded', `certificate and key were read again: valid until ${validTo}`, { validTo });
    tellExpired(log, content);
  };
  return {
    server,
    get validToMs() {
      return content.validToMs;
    },
    follow: () => watchFiles(watched, stamps, checkEveryMs, changed),
  };
}

function tellExpired(log: Log, { validToMs }: TlsContent): void {
  if (validToMs > Date.now()) return;
  const validTo = new Date(validToMs).toISOString();
  log.write('tls.expired', `the certificate expired on ${validTo}`, { validTo });
}
