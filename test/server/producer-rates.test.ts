import { expect, test } from 'vitest';
import { bearer, CHANNELS } from './auth/tokens.ts';
import { Client, produce, type Said, serve } from './clients.ts';

const RATE = 1_000;
const channels = { c: { features: ['x'], method: 'cumulative' as const } };
const rows = (count: number) => Array.from({ length: count }, (_, i) => [i]);
const push = (seq: number, x: unknown) => ({ type: 'push', producer: 'p', seq, x });

/**
 * Sends a second's worth on each connection at once, several times. Returns the answers, and how many of them can be
 * `accepted` if all share one rate, however slow the machine is.
 */
async function flood(clients: Client[], times: number, firstSeq = 1) {
  const start = performance.now();
  let seq = firstSeq;
  for (let i = 0; i < times; i++) for (const client of clients) client.send(push(seq++, rows(RATE)));
  const answers = (await Promise.all(clients.map((client) => client.said.take(times)))).flat() as Said[];
  const seconds = (performance.now() - start) / 1_000;
  return { answers, accepted: answers.filter(({ type }) => type === 'accepted').length, most: 1 + seconds };
}

test('more rows than its rate are refused whole, with the time to wait, and taken after it', async () => {
  const server = await serve({ channels, limits: { maxRowsPerSecond: RATE, maxErrorsPerMinute: 1_000_000 } });
  const client = await produce(server, 'c');
  const { answers, accepted, most } = await flood([client], 20);
  expect(accepted).toBeGreaterThanOrEqual(1);
  expect(accepted).toBeLessThanOrEqual(most);
  for (const said of answers.filter(({ type }) => type === 'error')) {
    expect(said).toEqual({
      ...{ type: 'error', code: 'RATE', message: 'more than 1000 rows a second', retry: true },
      retryAfterMs: expect.any(Number),
    });
    expect(said.retryAfterMs).toBeGreaterThan(0);
    expect(said.retryAfterMs).toBeLessThanOrEqual(1_000);
  }
  expect(server.channel('c').seq).toBe(accepted * RATE);
  for (let said: Said | undefined; said?.type !== 'accepted'; said = await client.next())
    client.send(push(99, rows(RATE)));
  expect(server.channel('c').seq).toBe((accepted + 1) * RATE);
});

test('a message that could never pass says so: no retry', async () => {
  const server = await serve({ channels, limits: { maxRowsPerSecond: 10, maxBytesPerSecond: 2_000 } });
  const client = await produce(server, 'c');
  client.send(push(1, rows(11)));
  expect(await client.next()).toEqual({
    ...{ type: 'error', code: 'RATE', message: 'the message has 11 rows, and 10 a second are allowed', retry: false },
  });
  client.send('x'.repeat(2_001));
  expect(await client.next()).toEqual({
    ...{
      type: 'error',
      code: 'RATE',
      message: 'the message has 2001 bytes, and 2000 a second are allowed',
      retry: false,
    },
  });
});

test('bytes count before they are read', async () => {
  const server = await serve({ channels, limits: { maxBytesPerSecond: 1_024, maxErrorsPerMinute: 1_000_000 } });
  const client = await produce(server, 'c');
  for (let i = 0; i < 20; i++) client.send('#'.repeat(1_000));
  const codes = (await client.said.take(20)).map(({ code }) => code);
  expect(codes[0]).toBe('BAD_JSON');
  expect(new Set(codes)).toEqual(new Set(['BAD_JSON', 'RATE']));
});

test('one connection above its rate is no matter of another', async () => {
  const server = await serve({ channels, limits: { maxRowsPerSecond: RATE } });
  const [mad, calm] = [await produce(server, 'c'), await produce(server, 'c')];
  const { accepted } = await flood([mad], 20);
  expect(accepted).toBeLessThan(20);
  calm.send(push(99, rows(RATE)));
  expect(await calm.next()).toMatchObject({ type: 'accepted' });
});

test('all connections of a token share its rate, and a new one is no fresh start', async () => {
  const auth = { tokens: [{ name: 'feed', token: { env: 'FEED' }, in: ['*'] }] };
  const limits = { maxRowsPerSecond: RATE, maxErrorsPerMinute: 1_000_000 };
  const server = await serve({ channels: CHANNELS, auth, limits }, { FEED: 'feed-token-0123456789' });
  const open = (channel: string) =>
    Client.open(`${server.url.replace('http', 'ws')}/in/${channel}`, { headers: bearer('feed-token-0123456789') });
  const start = performance.now();
  const together = await flood([await open('btc-usd'), await open('eth-usd'), await open('btc-usd')], 3);
  const anew = await flood([await open('eth-usd'), await open('eth-usd')], 1, 99);
  const seconds = (performance.now() - start) / 1_000;
  expect(together.accepted + anew.accepted).toBeLessThanOrEqual(1 + seconds);
});

test('who goes on above its rate is closed: 4429', async () => {
  const server = await serve({ channels, limits: { maxRowsPerSecond: 1, maxErrorsPerMinute: 20 } });
  const client = await produce(server, 'c');
  for (let seq = 1; seq <= 200; seq++) client.send(push(seq, [1]));
  expect((await client.closed).code).toBe(4429);
});
