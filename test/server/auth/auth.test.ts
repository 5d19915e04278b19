import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createServer } from '../../../src/server/create-server.ts';
import { Client, outUrl, push, refused, serve } from '../clients.ts';
import { AUTH, bearer, bearerProtocols, CHANNELS, ENV, TOKENS, withToken } from './tokens.ts';

const protectedServer = (more: object = {}) => serve({ channels: CHANNELS, auth: AUTH, ...more }, ENV);
type Server = Awaited<ReturnType<typeof protectedServer>>;
const inUrl = (server: Server, channel: string) => `${server.url.replace('http', 'ws')}/in/${channel}`;

async function status(server: Server, path: string, token?: string): Promise<number> {
  const response = await fetch(server.url + path, token === undefined ? {} : { headers: bearer(token) });
  await response.arrayBuffer();
  return response.status;
}

/** How a WebSocket of a browser, which sends an Origin and no headers of its own, ends. */
async function browserEnd(server: Server, url: string, token?: string) {
  const protocols = token === undefined ? ['streamnorm.v1'] : bearerProtocols(token);
  const client = await Client.open(url, { protocols, origin: server.url });
  const said = await client.next();
  return { said, ...(await client.closed), protocol: client.socket.protocol };
}

describe('without a token', () => {
  test('nothing but health and the dashboard is served, and no path says which channels there are', async () => {
    const server = await protectedServer();
    for (const path of [
      '/channels',
      '/channels/btc-usd',
      '/channels/nope',
      '/channels/btc-usd/state',
      '/metrics',
      '/no',
    ]) {
      const response = await fetch(server.url + path);
      expect([path, response.status, response.headers.get('www-authenticate')]).toEqual([path, 401, 'Bearer']);
      expect(await response.json()).toEqual({ error: 'a token is required' });
    }
    for (const path of ['/healthz', '/readyz', '/', '/style.css'])
      expect([path, await status(server, path)]).toEqual([path, 200]);
  });

  test('a WebSocket is refused before the upgrade, in the same words whether there is the channel or not', async () => {
    const server = await protectedServer();
    const known = await refused(outUrl(server, 'btc-usd'));
    expect(known).toEqual({ status: 401, retryAfter: undefined, error: 'a token is required' });
    expect(await refused(outUrl(server, 'nope'))).toEqual(known);
    expect(await refused(inUrl(server, 'btc-usd'))).toEqual(known);
  });

  test('a browser, which would not see that, is let in and told: 4401', async () => {
    const server = await protectedServer();
    for (const channel of ['btc-usd', 'nope']) {
      expect(await browserEnd(server, outUrl(server, channel))).toEqual({
        said: { type: 'error', code: 'AUTH', message: 'a token is required', retry: false },
        ...{ code: 4401, reason: 'a token is required', protocol: 'streamnorm.v1' },
      });
    }
  });
});

describe('with a token', () => {
  test('a producer pushes to the channels of its token and a subscriber reads those of its own', async () => {
    const server = await protectedServer();
    const producer = await Client.open(inUrl(server, 'btc-usd'), withToken(TOKENS.feed));
    const subscriber = await Client.open(outUrl(server, 'btc-usd'), withToken(TOKENS.page));
    expect(await subscriber.next()).toMatchObject({ type: 'snapshot' });
    await push(producer, [[1], [3]]);
    expect((await subscriber.rows(1, 2))[0].z).toEqual([[expect.closeTo(-1, 4)], [expect.closeTo(1, 4)]]);
  });

  test('a browser sends it as a subprotocol, which is not chosen', async () => {
    const server = await protectedServer();
    const client = await Client.open(outUrl(server, 'btc-usd'), {
      ...{ protocols: bearerProtocols(TOKENS.page), origin: server.url },
    });
    expect(await client.next()).toMatchObject({ type: 'snapshot' });
    expect(client.socket.protocol).toBe('streamnorm.v1');
  });

  test('every other channel and role is 403, whether there is the channel or not; of a browser 4403', async () => {
    const server = await protectedServer();
    for (const [url, token] of [
      [inUrl(server, 'eth-usd'), TOKENS.feed],
      [inUrl(server, 'no-such'), TOKENS.feed],
      [outUrl(server, 'btc-usd'), TOKENS.feed],
      [inUrl(server, 'btc-usd'), TOKENS.page],
      [outUrl(server, 'eth-usd'), TOKENS.page],
    ] as const) {
      expect([url, (await refused(url, bearer(token))).status]).toEqual([url, 403]);
      expect(await browserEnd(server, url, token)).toMatchObject({ code: 4403, said: { code: 'FORBIDDEN' } });
    }
    // only who may use a name is told that there is no such channel
    const client = await Client.open(outUrl(server, 'nope'), withToken(TOKENS.page));
    expect((await client.closed).code).toBe(4404);
  });

  test('HTTP shows the channels of the token, and figures to admin alone', async () => {
    const server = await protectedServer();
    const seen = async (path: string, token: string) => {
      const response = await fetch(server.url + path, { headers: bearer(token) });
      return [response.status, await response.text()] as const;
    };
    const [, listed] = await seen('/channels', TOKENS.page);
    expect(JSON.parse(listed).channels.map(({ name }: { name: string }) => name)).toEqual(['btc-usd']);
    expect(JSON.parse((await seen('/channels', TOKENS.feed))[1]).channels).toEqual([]);
    for (const path of ['/channels/btc-usd', '/channels/btc-usd/state']) {
      expect((await seen(path, TOKENS.page))[0]).toBe(200);
      expect((await seen(path, TOKENS.feed))[0]).toBe(403);
    }
    for (const path of ['/channels/eth-usd', '/channels/no-such']) expect((await seen(path, TOKENS.page))[0]).toBe(403);
    expect((await seen('/metrics', TOKENS.page))[0]).toBe(403);
    expect((await seen('/metrics', TOKENS.ops))[1]).toContain('channel="eth-usd"');
  });

  test('admin of some channels sees the figures of these', async () => {
    const auth = { tokens: [{ name: 'a', token: { env: 'OPS_TOKEN' }, admin: ['btc-*'] }] };
    const server = await serve({ channels: CHANNELS, auth }, ENV);
    const text = await (await fetch(`${server.url}/metrics`, { headers: bearer(TOKENS.ops) })).text();
    expect(text).toContain('channel="btc-usd"');
    expect(text).not.toContain('eth-usd');
  });

  test('several tokens of one holder are valid at once', async () => {
    const server = await protectedServer();
    for (const token of [TOKENS.ops, TOKENS.old]) expect(await status(server, '/metrics', token)).toBe(200);
  });
});

describe('a token is refused', () => {
  test('when it is unknown, a part of a known one, or sent in another way', async () => {
    const server = await protectedServer();
    for (const token of [
      'wrong-token-0123456789',
      TOKENS.ops.slice(0, -1),
      `${TOKENS.ops}x`,
      TOKENS.ops.toLowerCase(),
    ]) {
      expect([token, await status(server, '/channels', token)]).toEqual([token, 401]);
    }
    for (const authorization of [
      `Basic ${TOKENS.ops}`,
      TOKENS.ops,
      'Bearer',
      'Bearer ',
      `Bearer ${TOKENS.ops} x`,
      '',
    ]) {
      const response = await fetch(`${server.url}/channels`, { headers: { authorization } });
      expect([authorization, response.status]).toEqual([authorization, 401]);
    }
    for (const authorization of [`bearer ${TOKENS.ops}`, `BEARER   ${TOKENS.ops}`]) {
      expect((await fetch(`${server.url}/channels`, { headers: { authorization } })).status).toBe(200);
    }
  });

  test('in a URL, where logs and histories keep it, even a right one', async () => {
    const server = await protectedServer();
    for (const name of ['token', 'access_token', 'Authorization', 'api_key']) {
      const query = `?${name}=${TOKENS.page}`;
      const answer = await refused(outUrl(server, 'btc-usd', query), bearer(TOKENS.page));
      expect([name, answer.status, answer.error]).toEqual([
        name,
        400,
        expect.stringContaining('Authorization: Bearer'),
      ]);
      expect(await status(server, `/channels${query}`, TOKENS.page)).toBe(400);
    }
    expect(JSON.stringify(server.log)).not.toContain('SECRET');
  });

  test('when there are two', async () => {
    const server = await protectedServer();
    const answer = await refused(outUrl(server, 'btc-usd'), bearer(TOKENS.ops), bearerProtocols(TOKENS.page));
    expect([answer.status, answer.error]).toEqual([400, 'the request brings two tokens']);
  });

  test('and counted by the reason', async () => {
    const server = await protectedServer();
    await status(server, '/channels');
    await status(server, '/channels', 'wrong-token-0123456789');
    await refused(outUrl(server, 'btc-usd'));
    const metrics = await (await fetch(`${server.url}/metrics`, { headers: bearer(TOKENS.ops) })).text();
    expect(metrics).toContain('streamnorm_auth_failures_total{reason="missing"} 2\n');
    expect(metrics).toContain('streamnorm_auth_failures_total{reason="unknown"} 1\n');
    expect(metrics).toContain('streamnorm_refused_connections_total{status="401"} 1\n');
  });

  test('whatever is sent as one, and the server lives', async () => {
    const server = await protectedServer({
      limits: { maxConnectsPerSecondPerAddress: 1_000_000, maxConnectionsPerAddress: 10_000 },
    });
    const visible = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
      maxLength: 200,
    });
    const jwtLike = fc.tuple(fc.base64String(), fc.base64String(), fc.base64String()).map((parts) => parts.join('.'));
    await fc.assert(
      fc.asyncProperty(fc.oneof(visible, jwtLike, fc.base64String({ maxLength: 4_000 })), async (text) => {
        expect(await status(server, '/channels', text)).toBe(401);
        const protocol = `streamnorm.bearer.${Buffer.from(text).toString('base64url')}`;
        const answer = await refused(outUrl(server, 'btc-usd'), {}, ['streamnorm.v1', protocol]);
        expect(answer.status).toBe(401);
        if (text.length > 3) expect(answer.error).not.toContain(text);
      }),
      { numRuns: 100 },
    );
    expect(await status(server, '/channels', TOKENS.page)).toBe(200);
  });
});

describe('where a token is', () => {
  const folder = () => {
    const path = mkdtempSync(join(tmpdir(), 'streamnorm-auth-'));
    onTestFinished(() => rmSync(path, { recursive: true }));
    return path;
  };
  const one = (token: object) => ({ tokens: [{ name: 'a', token, out: ['*'] }] });

  test('a file: its only word', async () => {
    const file = join(folder(), 'token');
    writeFileSync(file, `${TOKENS.page}\n`);
    const server = await serve({ channels: CHANNELS, auth: one({ file }) as never });
    expect(await status(server as Server, '/channels', TOKENS.page)).toBe(200);
  });

  test.each<[string, object, RegExp]>([
    [
      'an environment variable that is not set',
      { env: 'NOT_SET' },
      /^ {2}auth\.tokens\.0\.token: the environment variable NOT_SET is not set$/m,
    ],
    [
      'a file that is not there',
      { file: '/nowhere/token' },
      /auth\.tokens\.0\.token: \/nowhere\/token cannot be read: ENOENT/,
    ],
    ['one that can be guessed', { plain: 'SECRET' }, /plain has 6 characters: a secret has at least 16/],
    ['one of several words', { plain: 'SECRET with many words' }, /plain holds more than one word/],
  ])('%s: refused at start, in one line, without the secret', async (_, token, message) => {
    const error = await createServer({ channels: CHANNELS, listen: { port: 0 }, auth: one(token) as never }).catch(
      (e) => e,
    );
    expect(error).toMatchObject({ code: 'CONFIG', message: expect.stringMatching(message) });
    expect(error.message).not.toContain('SECRET');
  });

  test('two holders with one token: refused at start', async () => {
    const auth = {
      tokens: [
        { name: 'a', token: { env: 'OPS_TOKEN' }, out: ['*'] },
        { name: 'b', token: { env: 'OPS_TOKEN' }, in: ['*'] },
      ],
    };
    await expect(createServer({ channels: CHANNELS, auth, listen: { port: 0 } }, { env: ENV })).rejects.toMatchObject({
      message: expect.stringContaining('auth.tokens.1.token: is the token of a, too'),
    });
  });

  test('a pattern that no channel has is told at start', async () => {
    const server = await protectedServer();
    expect(server.log.filter(({ event }) => event === 'auth.pattern').map(({ message }) => message)).toEqual([
      'token page: there is no channel nope*',
    ]);
  });
});

test('nothing that a server says holds a token: answers, messages, logs, errors, metrics', async () => {
  const server = await protectedServer({ log: { level: 'debug' } });
  const said: string[] = [];
  const base64 = (token: string) => Buffer.from(token).toString('base64url');
  for (const path of [
    '/channels',
    '/channels/btc-usd',
    '/channels/btc-usd/state',
    '/channels/nope',
    '/metrics',
    '/healthz',
    '/',
  ]) {
    for (const token of [...Object.values(TOKENS), 'SECRET-unknown-0123456789', 'a.SECRET.c']) {
      const response = await fetch(server.url + path, { headers: bearer(token) });
      said.push(JSON.stringify([...response.headers]), await response.text());
    }
    said.push(await (await fetch(`${server.url}${path}?token=${TOKENS.ops}`)).text());
  }
  const subscriber = await Client.open(outUrl(server, 'btc-usd'), withToken(TOKENS.ops));
  const producer = await Client.open(inUrl(server, 'btc-usd'), { protocols: bearerProtocols(TOKENS.feed) });
  await push(producer, [[1], [2]]);
  await subscriber.rows(1, 2);
  said.push(...subscriber.texts, ...producer.texts);
  for (const token of ['SECRET-unknown-0123456789', TOKENS.feed]) {
    said.push(JSON.stringify(await refused(outUrl(server, 'eth-usd'), bearer(token))));
    said.push(JSON.stringify(await browserEnd(server, outUrl(server, 'eth-usd'), token)));
  }
  said.push(JSON.stringify(server.log), JSON.stringify(server));
  const all = said.join('\n');
  expect(all.length).toBeGreaterThan(10_000);
  for (const word of ['SECRET', ...Object.values(TOKENS).map(base64)]) expect(all).not.toContain(word);
  const hash = createHash('sha256').update(TOKENS.ops).digest();
  for (const form of ['hex', 'base64', 'base64url'] as const) expect(all).not.toContain(hash.toString(form));
});

test('a client that goes away while its token is checked leaves no place taken', async () => {
  const server = await protectedServer({ limits: { maxConnectionsPerAddress: 1 } });
  const socket = new WebSocket(outUrl(server, 'btc-usd'), withToken(TOKENS.page));
  socket.on('error', () => {});
  socket.terminate();
  let client: Client | undefined;
  while (client === undefined) {
    client = await Client.open(outUrl(server, 'btc-usd'), withToken(TOKENS.page)).catch(() => undefined);
  }
});
