import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { AUTH, bearer, CHANNELS, ENV, TOKENS } from './auth/tokens.ts';
import { Client, outUrl, refused, serve } from './clients.ts';

/** Tries so many connections at once; returns how many came in and what the others were told. */
async function crowd(url: string, count: number, headers: Record<string, string> = {}) {
  const start = performance.now();
  const ends = Array.from({ length: count }, async () => {
    const socket = new WebSocket(url, { headers });
    socket.on('error', () => {});
    onTestFinished(() => socket.terminate());
    return Promise.race([
      once(socket, 'open').then(() => undefined),
      once(socket, 'unexpected-response').then(([, response]) => [
        response.statusCode,
        response.headers['retry-after'],
      ]),
    ]);
  });
  const answers = await Promise.all(ends);
  const told = answers.filter((answer) => answer !== undefined);
  return { open: count - told.length, told, seconds: (performance.now() - start) / 1_000 };
}

const channels = { c: { features: ['x'] } };

describe('connections a second', () => {
  test('of one address above the limit: 429 with Retry-After', async () => {
    const server = await serve({ channels, limits: { maxConnectsPerSecondPerAddress: 2 } });
    const { open, told, seconds } = await crowd(outUrl(server, 'c'), 40);
    expect(open).toBeGreaterThanOrEqual(2);
    expect(open).toBeLessThanOrEqual(2 + 2 * seconds);
    for (const answer of told) expect(answer).toEqual([429, '1']);
  });

  test('of one token above the limit: 429 with Retry-After', async () => {
    const limits = { maxConnectsPerSecondPerToken: 2 };
    const server = await serve({ channels: CHANNELS, auth: AUTH, limits }, ENV);
    const { open, told, seconds } = await crowd(outUrl(server, 'btc-usd'), 40, bearer(TOKENS.page));
    expect(open).toBeLessThanOrEqual(2 + 2 * seconds);
    for (const answer of told) expect(answer).toEqual([429, '1']);
    // another token has its own
    await Client.open(outUrl(server, 'btc-usd'), { headers: bearer(TOKENS.ops) });
  });

  test('refused tokens count, by HTTP as well, so nobody tries many', async () => {
    const limits = { maxConnectsPerSecondPerAddress: 5 };
    const server = await serve({ channels: CHANNELS, auth: AUTH, limits }, ENV);
    const start = performance.now();
    const statuses: number[] = [];
    for (let i = 0; i < 100; i++) {
      const headers = bearer(`wrong-token-0123456789-${i}`);
      const response = await fetch(`${server.url}/channels`, { headers });
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    const seconds = (performance.now() - start) / 1_000;
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(5 + 5 * seconds);
  });
});

test('connections with one token above the limit: 429, until one of them goes', async () => {
  const limits = { maxConnectionsPerToken: 2 };
  const server = await serve({ channels: CHANNELS, auth: AUTH, limits }, ENV);
  const url = outUrl(server, 'btc-usd');
  const headers = bearer(TOKENS.page);
  const [first] = [await Client.open(url, { headers }), await Client.open(url, { headers })];
  expect(await refused(url, headers)).toMatchObject({ status: 429, error: 'too many connections with this token' });
  await Client.open(url, { headers: bearer(TOKENS.ops) });
  first.socket.close();
  await first.closed;
  let again: Client | undefined;
  while (again === undefined) again = await Client.open(url, { headers }).catch(() => undefined);
});

describe('behind a proxy', () => {
  const limits = { maxConnectionsPerAddress: 1 };
  const from = (address: string) => ({ 'x-forwarded-for': address });

  test('that is trusted, the address that it tells counts; an IPv6 /64 is one', async () => {
    const server = await serve({ channels, limits, listen: { port: 0, trustedProxies: ['127.0.0.1'] } });
    const url = outUrl(server, 'c');
    for (const address of ['1.2.3.4', '1.2.3.5', '2001:db8::1']) await Client.open(url, { headers: from(address) });
    for (const address of ['1.2.3.4', '9.9.9.9, 1.2.3.5', '2001:db8::ffff']) {
      expect([address, (await refused(url, from(address))).status]).toEqual([address, 429]);
    }
    const told = server.log.filter(({ event }) => event === 'connection.refused');
    expect(told.map(({ fields }) => fields.address)).toEqual(['1.2.3.4', '1.2.3.5', '2001:db8:0:0::/64']);
  });

  test('that is not trusted, what the header says is no matter', async () => {
    const server = await serve({ channels, limits });
    const url = outUrl(server, 'c');
    await Client.open(url, { headers: from('1.2.3.4') });
    expect((await refused(url, from('1.2.3.5'))).status).toBe(429);
  });
});

test('a request by a name that is not this machine is refused where only this machine can connect', async () => {
  const server = await serve({ channels, listen: { port: 0, origins: ['https://known.example'] } });
  const status = async (host: string) => {
    const [response] = await once(request(`${server.url}/channels`, { headers: { host } }).end(), 'response');
    response.resume();
    return response.statusCode;
  };
  for (const host of ['evil.example', `evil.example:${server.port}`, '127.0.0.1.evil.example', '%']) {
    expect([host, await status(host)]).toEqual([host, 403]);
  }
  for (const host of ['127.0.0.1', `localhost:${server.port}`, '[::1]:80', 'known.example']) {
    expect([host, await status(host)]).toEqual([host, 200]);
  }
});
