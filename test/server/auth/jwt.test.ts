import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, exportPKCS8, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../../src/server/config.ts';
import { createServer } from '../../../src/server/create-server.ts';
import { Client, outUrl, push, refused, serve } from '../clients.ts';
import { bearer, bearerProtocols, CHANNELS, withToken } from './tokens.ts';

const ISSUER = 'https://issuer.example';
const AUDIENCE = 'streamnorm';
const SECRET = 'SECRET-of-thirty-two-characters!';

let rsa: CryptoKeyPair;
let other: CryptoKeyPair;
let curve: CryptoKeyPair;
type CryptoKeyPair = { publicKey: CryptoKey; privateKey: CryptoKey };
beforeAll(async () => {
  rsa = await generateKeyPair('RS256', { extractable: true });
  other = await generateKeyPair('RS256', { extractable: true });
  curve = await generateKeyPair('ES256', { extractable: true });
});

interface TokenOptions {
  alg?: string;
  kid?: string;
  key?: CryptoKey | Uint8Array;
  claims?: object;
  /** Seconds from now. */
  expires?: number | null;
  issuer?: string;
  audience?: string | string[];
}

function jwt({
  alg = 'RS256',
  kid,
  key,
  claims,
  expires = 60,
  issuer = ISSUER,
  audience = AUDIENCE,
}: TokenOptions = {}) {
  const token = new SignJWT({ sub: 'alice', streamnorm_out: ['btc-*'], ...claims })
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .setIssuer(issuer)
    .setAudience(audience);
  if (expires !== null) token.setExpirationTime(Math.floor(Date.now() / 1_000) + expires);
  return token.sign(key ?? rsa.privateKey);
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'streamnorm-jwt-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

async function pemFile(key: CryptoKey): Promise<string> {
  const file = join(folder(), 'key.pem');
  writeFileSync(file, await exportSPKI(key));
  return file;
}

/** A server that takes tokens signed with `rsa`. */
async function withKeyFile(more: object = {}) {
  const jwtConfig = {
    keyFile: await pemFile(rsa.publicKey),
    issuer: ISSUER,
    audience: AUDIENCE,
    clockTolerance: 1,
    ...more,
  };
  return serve({ channels: CHANNELS, auth: { jwt: jwtConfig as never } });
}

type Server = Awaited<ReturnType<typeof withKeyFile>>;

async function answer(server: Server, token: string): Promise<[number, string]> {
  const response = await fetch(`${server.url}/channels/btc-usd`, { headers: bearer(token) });
  return [response.status, ((await response.json()) as { error: string }).error];
}

describe('a token that the issuer has signed', () => {
  test('opens the channels that its claims name', async () => {
    const server = await withKeyFile();
    const token = await jwt({ claims: { streamnorm_in: 'btc-usd eth-*' } });
    expect((await answer(server, token))[0]).toBe(200);
    const producer = await Client.open(`${server.url.replace('http', 'ws')}/in/btc-usd`, withToken(token));
    const subscriber = await Client.open(outUrl(server, 'btc-usd'), {
      ...{ protocols: bearerProtocols(token), origin: server.url },
    });
    expect(await subscriber.next()).toMatchObject({ type: 'snapshot' });
    await push(producer, [[1], [2]]);
    await subscriber.rows(1, 2);
    expect((await refused(outUrl(server, 'eth-usd'), bearer(token))).status).toBe(403);
  });

  test('may do what every valid one may, and nothing that a claim of another form says', async () => {
    const server = await withKeyFile({ out: ['eth-*'] });
    for (const streamnorm_out of [undefined, 5, { 0: 'btc-usd' }, [5, null, ['btc-usd']], 'btc-usd,eth', '[btc-usd]']) {
      const token = await jwt({ claims: { streamnorm_out } });
      const response = await fetch(`${server.url}/channels`, { headers: bearer(token) });
      const { channels } = (await response.json()) as { channels: { name: string }[] };
      expect(channels.map(({ name }) => name)).toEqual(['eth-usd']);
    }
  });

  test('has its claims where the configuration says', async () => {
    const claims = { in: 'https://example.com/in', out: ['realm', 'streams'], name: 'email' };
    const server = await withKeyFile({ claims });
    const token = await jwt({
      claims: { streamnorm_out: ['*'], realm: { streams: ['eth-usd'] }, email: 'a@example.com' },
    });
    const response = await fetch(`${server.url}/channels`, { headers: bearer(token) });
    expect(((await response.json()) as { channels: { name: string }[] }).channels.map(({ name }) => name)).toEqual([
      'eth-usd',
    ]);
  });

  test('ends its connections when it expires: 4401', async () => {
    const server = await withKeyFile();
    const expires = Math.floor(Date.now() / 1_000) + 2;
    const token = await jwt({ expires: 2, claims: { streamnorm_in: ['*'] } });
    const clients = [
      await Client.open(outUrl(server, 'btc-usd'), withToken(token)),
      await Client.open(`${server.url.replace('http', 'ws')}/in/btc-usd`, withToken(token)),
    ];
    for (const client of clients) {
      expect(await client.find('error')).toMatchObject({
        code: 'AUTH',
        message: 'the token has expired',
        retry: false,
      });
      expect(await client.closed).toEqual({ code: 4401, reason: 'the token has expired' });
    }
    expect(Date.now()).toBeGreaterThanOrEqual(expires * 1_000);
  });
});

describe('a token is refused', () => {
  test('with the reason, which is counted', async () => {
    const server = await withKeyFile();
    const [header, payload, signature] = (await jwt()).split('.') as [string, string, string];
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const forged = encoded({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()), streamnorm_out: ['*'] });
    const none = encoded({ alg: 'none' });
    const spki = await exportSPKI(rsa.publicKey);
    // the public key, which everybody may have, taken as the secret of an HMAC
    const confusedHeader = encoded({ alg: 'HS256' });
    const confused = createHmac('sha256', spki).update(`${confusedHeader}.${payload}`).digest('base64url');
    const cases: [string, string, string][] = [
      ['expired', await jwt({ expires: -1 }), 'the token has expired'],
      ['audience', await jwt({ audience: 'another' }), 'the token is for another audience'],
      ['issuer', await jwt({ issuer: 'https://evil.example' }), 'the token is of another issuer'],
      ['claims', await jwt({ expires: null }), 'the claim exp of the token is missing or wrong'],
      ['not-yet-valid', await jwt({ claims: { nbf: Date.now() / 1_000 + 60 } }), 'the token is not valid yet'],
      ['signature', await jwt({ key: other.privateKey }), 'the signature of the token is wrong'],
      ['signature', `${header}.${forged}.${signature}`, 'the signature of the token is wrong'],
      ['algorithm', `${none}.${payload}.`, 'the token is signed in a way that is not taken here'],
      ['algorithm', `${none}.${payload}.${signature}`, 'the token is signed in a way that is not taken here'],
      ['algorithm', `${confusedHeader}.${payload}.${confused}`, 'the token is signed in a way that is not taken here'],
      ['key', await jwt({ alg: 'ES256', key: curve.privateKey }), 'the token is signed with an unknown key'],
      ['malformed', 'a.b.c', 'the token is no signed JWT'],
      ['unknown', 'no-jwt-at-all-0123456789', 'the token is unknown'],
    ];
    const counted = new Map<string, number>();
    for (const [reason, token, message] of cases) {
      expect([reason, ...(await answer(server, token))]).toEqual([reason, 401, message]);
      expect(await refused(outUrl(server, 'btc-usd'), bearer(token))).toMatchObject({ status: 401, error: message });
      counted.set(reason, (counted.get(reason) ?? 0) + 2);
    }
    const admin = await jwt({ claims: { streamnorm_admin: ['*'] } });
    const metrics = await (await fetch(`${server.url}/metrics`, { headers: bearer(admin) })).text();
    for (const [reason, n] of counted) {
      expect(metrics).toContain(`streamnorm_auth_failures_total{reason="${reason}"} ${n}\n`);
    }
  });

  test('unless the clocks differ by no more than the tolerance', async () => {
    const server = await withKeyFile({ clockTolerance: '30s' });
    expect((await answer(server, await jwt({ expires: -20 })))[0]).toBe(200);
    expect((await answer(server, await jwt({ expires: -40 })))[0]).toBe(401);
  });
});

describe('the key', () => {
  test('is a shared secret', async () => {
    const key = new TextEncoder().encode(SECRET);
    const jwtConfig = { secret: { env: 'JWT_SECRET' }, audience: AUDIENCE };
    const server = await serve({ channels: CHANNELS, auth: { jwt: jwtConfig } }, { JWT_SECRET: SECRET });
    expect((await answer(server, await jwt({ alg: 'HS256', key })))[0]).toBe(200);
    expect((await answer(server, await jwt({ alg: 'HS384', key })))[0]).toBe(200);
    expect((await answer(server, await jwt({ alg: 'HS256', key: key.slice(1) })))[0]).toBe(401);
    expect((await answer(server, await jwt()))[0]).toBe(401);
  });

  test('is a JWK or a JWKS in a file, or a key of another kind as PEM', async () => {
    const jwk = await exportJWK(curve.publicKey);
    for (const content of [
      JSON.stringify(jwk),
      JSON.stringify({ keys: [await exportJWK(other.publicKey), { ...jwk, kid: 'k' }] }),
      await exportSPKI(curve.publicKey),
    ]) {
      const keyFile = join(folder(), 'key');
      writeFileSync(keyFile, content);
      const server = await withKeyFile({ keyFile });
      expect((await answer(server, await jwt({ alg: 'ES256', kid: 'k', key: curve.privateKey })))[0]).toBe(200);
      expect((await answer(server, await jwt({ kid: 'k' })))[0]).toBe(401);
    }
  });

  test.each<[string, () => string | Promise<string>, string]>([
    ['is not there', () => '', 'cannot be read: ENOENT'],
    ['is no key', () => 'hello', 'is no public key: PEM, JWK or JWKS'],
    ['is private, as PEM', () => exportPKCS8(rsa.privateKey), 'holds a private key'],
    ['is private, as a JWK', async () => JSON.stringify(await exportJWK(rsa.privateKey)), 'holds a private key'],
  ])('that %s is refused at start', async (_, content, message) => {
    const keyFile = join(folder(), 'key');
    if ((await content()) !== '') writeFileSync(keyFile, await content());
    const auth = { jwt: { keyFile, audience: AUDIENCE } };
    await expect(createServer({ channels: CHANNELS, auth, listen: { port: 0 } })).rejects.toMatchObject({
      ...{ code: 'CONFIG', message: expect.stringContaining(`auth.jwt.keyFile: ${keyFile} ${message}`) },
    });
  });
});

describe('keys from a URL', () => {
  /** An issuer that publishes keys, or answers with a status. */
  async function issuer() {
    const state = { keys: [] as JWK[], status: 200, asked: 0 };
    const http = createHttpServer((_, response) => {
      state.asked++;
      response.writeHead(state.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: state.keys }));
    }).listen(0, '127.0.0.1');
    await once(http, 'listening');
    onTestFinished(() => {
      http.close();
      http.closeAllConnections();
    });
    return Object.assign(state, { jwks: `http://127.0.0.1:${(http.address() as AddressInfo).port}/jwks` });
  }
  const serveFor = (jwks: string) =>
    serve({ channels: CHANNELS, auth: { jwt: { jwks, issuer: ISSUER, audience: AUDIENCE } } });

  test('are fetched once, and several may fit', async () => {
    const keys = await issuer();
    keys.keys = [await exportJWK(other.publicKey), await exportJWK(rsa.publicKey)];
    const server = await serveFor(keys.jwks);
    for (let i = 0; i < 3; i++) expect((await answer(server, await jwt()))[0]).toBe(200);
    expect((await answer(server, await jwt({ key: curve.privateKey, alg: 'ES256' })))[0]).toBe(401);
    expect(keys.asked).toBe(1);
  });

  test('that cannot be had are no fault of the token: 503 with Retry-After, logged, and well again later', async () => {
    const keys = await issuer();
    keys.keys = [await exportJWK(rsa.publicKey)];
    keys.status = 500;
    const server = await serveFor(keys.jwks);
    const token = await jwt();
    expect(await answer(server, token)).toEqual([503, 'the token cannot be checked at the moment']);
    expect(await refused(outUrl(server, 'btc-usd'), bearer(token))).toMatchObject({ status: 503, retryAfter: '5' });
    expect(server.log.find(({ event }) => event === 'auth.unavailable')?.message).toContain('cannot be had');
    keys.status = 200;
    expect((await answer(server, token))[0]).toBe(200);
  });
});

test('a configuration that could let anybody in is refused', () => {
  const errors = (auth: object) => {
    try {
      parseConfig({ channels: CHANNELS, auth });
      return [];
    } catch (error) {
      return (error as Error).message
        .split('\n')
        .slice(1)
        .map((line) => line.trim());
    }
  };
  const jwks = 'https://issuer.example/jwks';
  const audience = AUDIENCE;
  const issuer = ISSUER;
  expect(errors({ jwt: { jwks, audience, issuer } })).toEqual([]);
  const cases: [object, string][] = [
    [{}, 'auth: nobody could connect'],
    [{ tokens: [] }, 'auth: nobody could connect'],
    [{ jwt: { audience } }, 'auth.jwt: takes exactly one of jwks, keyFile, secret, got none'],
    [{ jwt: { jwks, keyFile: 'k', audience, issuer } }, 'got jwks and keyFile'],
    [{ jwt: { jwks, audience } }, 'auth.jwt.issuer: is required with jwks'],
    [{ jwt: { jwks, issuer } }, 'auth.jwt.audience'],
    [{ jwt: { jwks: 'http://issuer.example/jwks', issuer, audience } }, 'auth.jwt.jwks: must be an https:// URL'],
    [{ jwt: { jwks: 'https://u:SECRET@issuer.example/', issuer, audience } }, 'auth.jwt.jwks: must be a URL without'],
    [{ jwt: { jwks, issuer, audience, algorithms: ['none'] } }, 'auth.jwt.algorithms.0'],
    [{ jwt: { jwks, issuer, audience, algorithms: ['RS256', 'HS256'] } }, 'auth.jwt.algorithms: HS256 does not go'],
    [{ jwt: { secret: { env: 'A' }, audience, algorithms: ['RS256'] } }, 'auth.jwt.algorithms: RS256 does not go'],
    [{ jwt: { secret: 'SECRET', audience } }, 'auth.jwt.secret: must be { "env": … } or { "file": … }'],
    [{ tokens: [{ name: 'a', token: 'SECRET', out: ['*'] }] }, 'auth.tokens.0.token: must be { "env": … }'],
    [{ tokens: [{ name: 'a', token: { sha256: 'SECRET' }, out: ['*'] }] }, 'auth.tokens.0.token.sha256: must be 64'],
    [{ tokens: [{ name: 'a', token: { env: 'A' } }] }, 'auth.tokens.0: may do nothing'],
    [
      { tokens: [{ name: 'a', token: { env: 'A' }, out: ['b c'] }] },
      'auth.tokens.0.out.0: must be the name of a channel',
    ],
    [{ tokens: ['A', 'B'].map((env) => ({ name: 'a', token: { env }, out: ['*'] })) }, 'auth.tokens.1.name: is taken'],
  ];
  for (const [auth, message] of cases) {
    const lines = errors(auth);
    expect(lines, JSON.stringify(auth)).toEqual([expect.stringContaining(message)]);
    expect(lines.join()).not.toContain('SECRET');
  }
});
