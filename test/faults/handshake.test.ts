import { once } from 'node:events';
import { createServer as createHttpServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { SignJWT } from 'jose';
import { describe, expect, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { Admission } from '../../src/server/admission.ts';
import { Authenticator } from '../../src/server/auth/authenticator.ts';
import { Channel } from '../../src/server/channel.ts';
import { parseConfig } from '../../src/server/config.ts';
import { Log, type LogEntry } from '../../src/server/log.ts';
import { Sockets } from '../../src/server/sockets.ts';
import { bearer, bearerProtocols } from '../server/auth/tokens.ts';
import { Client, push, refused } from '../server/clients.ts';
import { startProcess } from '../server/server-process.ts';
import { besideBystander } from './beside-bystander.ts';
import { fault } from './fault.ts';

const CHANNELS = { c: { features: ['a', 'b'], method: 'cumulative' as const } };
const SECRET = 'a-shared-secret-of-more-than-32-bytes';
const FEED = 'token-of-the-feed-0123456789';
const READER = 'token-of-the-reader-0123456789';

/** One request, written by hand; its answer up to the end of the connection. */
async function answerTo(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1', () => socket.write(text));
  onTestFinished(() => void socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

const upgrade = (headers: string) =>
  'GET /out/c HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`;

const portOf = (url: string) => Number(new URL(url).port);

describe('Handshake', () => {
  fault('handshake-dawdles', async (run) => {
    let longestMs = 0;
    await besideBystander(run, {}, async ({ url }) => {
      const start = performance.now();
      const dawdlers = ['', 'GET /out/c HTTP/1.1\r\n', upgrade('').slice(0, -2)].map(async (head) => {
        const socket = connect(portOf(url), '127.0.0.1', () => socket.write(head));
        // a header more every now and then; a socket that was closed takes it without a word
        const dripping =
          head === '' ? undefined : setInterval(() => socket.write(`X-${performance.now()}: y\r\n`), 200);
        onTestFinished(() => {
          clearInterval(dripping);
          socket.destroy();
        });
        socket.on('error', () => {}).resume();
        await once(socket, 'close');
        longestMs = Math.max(longestMs, performance.now() - start);
      });
      await Promise.all(dawdlers);
    });
    // a second for a machine that is busy with other tests
    expect(longestMs).toBeLessThan(run.full ? 6_000 : 8_000);
    run.seen(`closed after ${(longestMs / 1_000).toFixed(1)} s`);
  });

  fault('handshake-origin', async (run) => {
    const pages = [
      ...['null', 'https://evil.example', 'https://good.example.evil.example', 'https://evilgood.example', ''],
      ...[
        'http://good.example',
        'https://good.example:444',
        'https://good.example/',
        'HTTPS://GOOD.EXAMPLE',
        'file://',
      ],
    ];
    const server = await startProcess({ channels: CHANNELS, listen: { port: 0, origins: ['https://good.example'] } });
    const url = `${server.url.replace('http', 'ws')}/out/c`;
    for (const origin of pages) expect([origin, (await refused(url, { origin })).status]).toEqual([origin, 403]);
    // the name of another host that was made to resolve to this machine
    const host = `evil.example:${portOf(url)}`;
    expect((await refused(url, { host, origin: `http://${host}` })).status).toBe(403);
    const [page] = await once(request(`${server.url}/channels`, { headers: { host } }).end(), 'response');
    page.resume();
    expect(page.statusCode).toBe(403);
    const allowed: Record<string, string>[] = [{}, { origin: 'https://good.example' }, { origin: server.url }];
    for (const headers of allowed) {
      expect(await (await Client.open(url, { headers })).next()).toMatchObject({ type: 'snapshot' });
    }
    expect(await server.ask('bugs')).toEqual([]);
    run.seen(`${pages.length + 1} pages refused; own, listed and no page let in`);
  });

  fault('handshake-token', async (run) => {
    const auth = { jwt: { secret: { env: 'SECRET' }, audience: 'streamnorm', clockTolerance: 1, out: ['*'] } };
    const server = await startProcess({ channels: CHANNELS, auth }, { env: { SECRET } });
    const url = `${server.url.replace('http', 'ws')}/out/c`;
    const token = (audience: string, seconds: number) =>
      new SignJWT({ sub: 'alice' })
        .setProtectedHeader({ alg: 'HS256' })
        .setAudience(audience)
        .setExpirationTime(Math.floor(Date.now() / 1_000) + seconds)
        .sign(new TextEncoder().encode(SECRET));
    const [, payload] = (await token('streamnorm', 60)).split('.');
    const bad = [
      undefined,
      await token('streamnorm', -10),
      await token('another', 60),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`,
    ];
    for (const each of bad) {
      expect((await refused(url, each === undefined ? {} : bearer(each))).status).toBe(401);
      const protocols = each === undefined ? ['streamnorm.v1'] : bearerProtocols(each);
      const browser = await Client.open(url, { protocols, origin: server.url });
      expect((await browser.closed).code).toBe(4401);
      expect(browser.texts).toEqual([expect.stringContaining('"AUTH"')]);
    }
    const expires = 2;
    const good = await Client.open(url, { headers: bearer(await token('streamnorm', expires)) });
    expect(await good.next()).toMatchObject({ type: 'snapshot' });
    expect((await good.closed).code).toBe(4401);
    const afterMs = Date.now() % 1_000;
    expect(await server.ask('bugs')).toEqual([]);
    run.seen(`${bad.length} × 401, of browsers 4401; expiry 4401, ${afterMs} ms after the second`);
  });

  fault('handshake-role', async (run) => {
    const tokens = [
      { name: 'feed', token: { env: 'FEED' }, in: ['c'] },
      { name: 'reader', token: { env: 'READER' }, out: ['*'], admin: ['*'] },
    ];
    const channels = { ...CHANNELS, other: CHANNELS.c };
    const server = await startProcess({ channels, auth: { tokens } }, { env: { FEED, READER } });
    const ws = server.url.replace('http', 'ws');
    expect((await refused(`${ws}/in/other`, bearer(FEED))).status).toBe(403);
    expect((await refused(`${ws}/in/c`, bearer(READER))).status).toBe(403);
    const foreign = await Client.open(`${ws}/in/other`, { protocols: bearerProtocols(FEED), origin: server.url });
    expect((await foreign.closed).code).toBe(4403);
    const producer = await Client.open(`${ws}/in/c`, { headers: bearer(FEED) });
    await push(producer, [[1, 2]]);
    const subscriber = await Client.open(`${ws}/out/c`, { headers: bearer(READER) });
    const { seq } = await subscriber.next();
    for (let i = 0; i < 3; i++) subscriber.send([[3, 4]]);
    for (let i = 0; i < 3; i++)
      expect(await subscriber.find('error')).toMatchObject({ code: 'READ_ONLY', retry: false });
    const metrics = await (await fetch(`${server.url}/metrics`, { headers: bearer(READER) })).text();
    expect(metrics).toContain('streamnorm_errors_total{channel="c",code="READ_ONLY"} 3\n');
    expect(metrics).toContain('streamnorm_refused_connections_total{status="403"} 2\n');
    expect(metrics).toContain('streamnorm_refused_connections_total{status="4403"} 1\n');
    expect(metrics).toContain('streamnorm_rows_total{channel="c"} 1\n');
    expect([seq, metrics.includes('streamnorm_rows_total{channel="other"} 0\n')]).toEqual([1, true]);
    run.seen('403, of browsers 4403; pushes READ_ONLY; each counted');
  });

  fault('handshake-large', async (run) => {
    const large: [string, number][] = [
      [upgrade(Array.from({ length: 3_000 }, (_, i) => `X-${i}: y\r\n`).join('')), 431],
      // so short that their bytes are no matter
      [upgrade('a:\r\n'.repeat(3_000)), 431],
      [upgrade(`X-Long: ${'x'.repeat(16_384)}\r\n`), 431],
      [upgrade(`Sec-WebSocket-Protocol: ${Array.from({ length: 50 }, (_, i) => `p${i}`).join(', ')}\r\n`), 400],
    ];
    await besideBystander(run, {}, async ({ url }) => {
      for (const [text, status] of large) {
        expect(await answerTo(portOf(url), text)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      }
      expect(await (await Client.open(`${url}/out/c`)).next()).toMatchObject({ type: 'snapshot' });
    });
    run.seen('431, 431, 400');
  });

  fault('handshake-exception', async (run) => {
    // the parts of a server by hand, so that one of them can fail
    const { channels, limits } = parseConfig({ channels: CHANNELS });
    const channel = new Channel('c', channels.get('c')!, limits, undefined, null);
    const entries: LogEntry[] = [];
    const log = new Log((entry) => entries.push(entry), 'info', 1_000);
    const admission = new Admission({
      ...{ limits, origins: [], trustedProxies: [], onlyLoopback: true, ready: () => true },
      authenticator: await Authenticator.open(undefined, {}, log),
    });
    const find = (name: string) => {
      if (name === 'broken') throw new Error('a bug of ours');
      return channel;
    };
    const sockets = new Sockets({ limits, admission, channel: find, log });
    const http = createHttpServer().listen(0, '127.0.0.1');
    http.on('upgrade', (head, stream, rest) => sockets.upgrade(head, stream, rest));
    await once(http, 'listening');
    onTestFinished(async () => {
      await sockets.close();
      http.close();
    });
    const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/out`;
    const calm = await Client.open(`${url}/c`);
    expect(await calm.next()).toMatchObject({ type: 'snapshot' });
    const broken = [await Client.open(`${url}/broken`), await Client.open(`${url}/broken`)];
    for (const client of broken) expect((await client.closed).code).toBe(1011);
    expect(entries.filter(({ event }) => event === 'bug').map(({ error }) => String(error))).toEqual([
      'Error: a bug of ours',
      'Error: a bug of ours',
    ]);
    expect(calm.socket.readyState).toBe(WebSocket.OPEN);
    expect(await (await Client.open(`${url}/c`)).next()).toMatchObject({ type: 'snapshot' });
    run.seen('2 × 1011 and 2 in the log; the others go on');
  });
});
