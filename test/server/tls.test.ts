import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { firstValueFrom, of, toArray } from 'rxjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createServer } from '../../src/server/create-server.ts';
import { fromWebSocket, toWebSocket } from '../../src/websocket/index.ts';
import { type Certificate, makeCertificate } from '../support/certificate.ts';
import { AUTH, bearer, ENV, TOKENS } from './auth/tokens.ts';
import { Client, outUrl, serve } from './clients.ts';

const channels = { 'btc-usd': { features: ['x'], method: 'cumulative' as const } };
const ROOT = makeCertificate('root');
const SERVER = makeCertificate('server', ROOT);

/** Files of a certificate that can be replaced, each at once. */
function files({ cert, key }: Pick<Certificate, 'cert' | 'key'>) {
  const folder = mkdtempSync(join(tmpdir(), 'streamnorm-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const put = (name: string, content: string) => {
    const path = join(folder, name);
    writeFileSync(`${path}.new`, content);
    renameSync(`${path}.new`, path);
    return path;
  };
  return { cert: put('cert.pem', cert), key: put('key.pem', key), put };
}

const withTls = (tls: object, more: object = {}) =>
  serve({ channels, listen: { port: 0, tls: tls as never }, ...more }, ENV);

async function status(url: string, options: ConnectionOptions = {}): Promise<number | undefined> {
  const [response] = await once(get(url, { ...options, ca: ROOT.cert, agent: false }), 'response');
  response.resume();
  return response.statusCode;
}

async function subjectOf(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', ca: ROOT.cert });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

test('with a certificate, HTTP and WebSockets are encrypted, with tokens as well', async () => {
  const { cert, key } = files(SERVER);
  const server = await withTls({ cert, key }, { auth: AUTH });
  expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
  expect(await status(`${server.url}/healthz`)).toBe(200);
  const options = { ca: ROOT.cert, headers: bearer(TOKENS.page) };
  const client = await Client.open(outUrl(server, 'btc-usd'), options);
  expect(await client.next()).toMatchObject({ type: 'snapshot' });
  const told = server.log.find(({ event }) => event === 'channel.opened');
  expect(told?.fields.in).toBe(`wss://127.0.0.1:${server.port}/in/btc-usd`);
  const [admin] = await once(get(`${server.url}/metrics`, { ca: ROOT.cert, headers: bearer(TOKENS.ops) }), 'response');
  const metrics = (await admin.toArray()).join('');
  const expiry = Date.parse('2120-01-01T00:00:00Z') / 1_000;
  expect(metrics).toContain(`streamnorm_tls_certificate_expiry_timestamp_seconds ${expiry}\n`);
});

test('fromWebSocket and toWebSocket believe the certificates that they are given', async () => {
  const { cert, key } = files(SERVER);
  const server = await withTls({ cert, key });
  const row = firstValueFrom(
    fromWebSocket<number[]>(`${outUrl(server, 'btc-usd')}?include=raw`, {
      ca: ROOT.cert,
      samples: (message) => (message as { raw?: number[][] }).raw ?? [],
    }),
  );
  const events: string[] = [];
  const refused = fromWebSocket(outUrl(server, 'btc-usd'), {
    status: (event) => event.type === 'closed' && events.push(event.reason),
  }).subscribe();
  while (events.length === 0) await status(`${server.url}/healthz`);
  refused.unsubscribe();
  expect(events[0]).toContain('certificate');
  await once(await subscribed(server), 'message');
  const url = `${server.url.replace('http', 'ws')}/in/btc-usd`;
  await firstValueFrom(of([1.5], [2.5]).pipe(toWebSocket(url, { ca: Buffer.from(ROOT.cert) }), toArray()));
  expect(await row).toEqual([1.5]);
});

async function subscribed(server: { url: string }) {
  return (await Client.open(outUrl(server, 'btc-usd'), { ca: ROOT.cert })).socket;
}

test('a client needs a certificate of its own where clientCa says so', async () => {
  const { cert, key, put } = files(SERVER);
  const server = await withTls({ cert, key, clientCa: put('ca.pem', ROOT.cert) });
  await expect(status(`${server.url}/healthz`)).rejects.toThrow();
  const stranger = makeCertificate('stranger');
  await expect(status(`${server.url}/healthz`, { cert: stranger.cert, key: stranger.key })).rejects.toThrow();
  const client = makeCertificate('client', ROOT);
  expect(await status(`${server.url}/healthz`, { cert: client.cert, key: client.key })).toBe(200);
});

describe('files that change', () => {
  test('hold from then on; those that are wrong are told, and the former ones stay', async () => {
    const { cert, key, put } = files(SERVER);
    const server = await withTls({ cert, key, checkEvery: 20 });
    const open = await subscribed(server);
    const told = async (event: string, count: number) => {
      while (server.log.filter((entry) => entry.event === event).length < count) await status(`${server.url}/healthz`);
    };
    expect(await subjectOf(server.port)).toBe('server');
    put('cert.pem', 'no certificate');
    await told('tls.kept', 1);
    expect(server.log.at(-1)?.message).toBe(
      `the former certificate stays: listen.tls.cert: ${cert} holds no certificate in PEM`,
    );
    expect(await subjectOf(server.port)).toBe('server');
    const next = makeCertificate('next', ROOT);
    put('key.pem', next.key);
    put('cert.pem', next.cert);
    while ((await subjectOf(server.port)) !== 'next');
    await told('tls.reloaded', 1);
    expect(open.readyState).toBe(open.OPEN);
  });
});

describe('at start', () => {
  const other = makeCertificate('other');
  test.each<[string, string, string, RegExp]>([
    [
      'a certificate that is no such thing',
      'hello',
      SERVER.key,
      /^ {2}listen\.tls\.cert: \S+ holds no certificate in PEM$/m,
    ],
    ['a key that is no such thing', SERVER.cert, 'hello', /^ {2}listen\.tls\.key: \S+ holds no private key in PEM/m],
    [
      'a key of another certificate',
      SERVER.cert,
      other.key,
      /^ {2}listen\.tls\.key: \S+ does not belong to the certificate/m,
    ],
  ])('%s is refused in one line that names the file', async (_, cert, key, message) => {
    const paths = files({ cert, key });
    const tls = { cert: paths.cert, key: paths.key };
    const error = await createServer({ channels, listen: { port: 0, tls } }).catch((cause) => cause);
    expect(error).toMatchObject({ code: 'CONFIG', message: expect.stringMatching(message) });
    expect(error.message).not.toContain('PRIVATE KEY');
  });

  test('a file that is not there is refused', async () => {
    const { key } = files(SERVER);
    await expect(createServer({ channels, listen: { port: 0, tls: { cert: '/nowhere.pem', key } } })).rejects.toThrow(
      'listen.tls.cert: /nowhere.pem cannot be read: ENOENT',
    );
  });

  test('at start everything that the config names and that cannot be used is told at once, with its path', async () => {
    const source = { url: 'ws://127.0.0.1:1', token: { env: 'NO_TOKEN' } };
    const config = {
      listen: { port: 0, tls: { cert: '/nowhere.pem', key: '/nowhere.key' } },
      auth: { tokens: [{ name: 'feed', token: { env: 'NOT_SET' }, in: ['*'] }] },
      channels: { c: { features: ['x'], source } },
    };
    await expect(createServer(config)).rejects.toMatchObject({
      code: 'CONFIG',
      message: [
        'the config has 4 errors:',
        '  channels.c.source: the environment variable NO_TOKEN is not set',
        '  auth.tokens.0.token: the environment variable NOT_SET is not set',
        '  listen.tls.cert: /nowhere.pem cannot be read: ENOENT',
        '  listen.tls.key: /nowhere.key cannot be read: ENOENT',
      ].join('\n'),
    });
  });

  test('a certificate that has expired is told, and serves', async () => {
    const paths = files(makeCertificate('old', ROOT, new Date('2021-01-01T00:00:00Z')));
    const server = await withTls({ cert: paths.cert, key: paths.key });
    expect(
      server.log.filter(({ event }) => event === 'tls.expired').map(({ level, fields }) => [level, fields]),
    ).toEqual([['error', { validTo: '2021-01-01T00:00:00.000Z' }]]);
  });
});

test('who speaks no TLS, or nothing at all, is gone in time, and the server lives', async () => {
  const { cert, key } = files(SERVER);
  const server = await withTls({ cert, key }, { limits: { headersMs: 500 } });
  for (const text of ['', 'GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01']) {
    const socket = connectTcp(server.port, '127.0.0.1', () => socket.write(text));
    socket.on('error', () => {}).resume();
    await once(socket, 'close');
  }
  expect(await status(`${server.url}/healthz`)).toBe(200);
});
