import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MockExchange } from '../../examples/mock-exchange/exchange.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { createServer, type ServerConfigInput } from '../../src/server/index.ts';
import { getJson, type Next, produce, push, subscribe } from './clients.ts';
import { bids, exchangeOf, FEATURES, fed, QUOTES, rawBids, subscribed } from './mock-feed.ts';

test('rows of the feed go out like those of a producer, acknowledgements and heartbeats are passed over', async () => {
  const exchange = await exchangeOf({ heartbeatMs: 5 });
  const server = await fed(exchange);
  const { client } = await subscribe(server, 'btc', '?include=z,raw');
  await subscribed(exchange);
  exchange.quote(3);
  const producer = await produce(server, 'btc');
  expect(await rawBids(client, 3)).toEqual(bids(1, 3));
  await push(producer, [1, 2]);
  expect(await rawBids(client, 1)).toEqual([1]);
  await expect.poll(async () => (await server.about()).source.counts.ignored).toBeGreaterThan(2);
  const { source, counters } = await server.about();
  expect(source).toMatchObject({
    url: exchange.url,
    state: 'open',
    counts: { connected: 1, message: 3, bad: 0, hole: 0 },
  });
  expect(counters).toMatchObject({ rows: 4, errors: {} });
  expect(server.channel('btc').report().rows).toBe(4);
});

test('the key comes from the message, as any field does', async () => {
  const exchange = await exchangeOf();
  const server = await fed(exchange, { fields: { ...QUOTES.fields, symbol: 's' } }, { key: 'symbol' });
  const { client } = await subscribe(server, 'btc');
  await subscribed(exchange);
  exchange.quote();
  expect(await client.find('next')).toMatchObject({ k: ['BTCUSDT'] });
  expect(server.channel('btc').ofKey('BTCUSDT')?.stats).toMatchObject({ rows: 1 });
});

test('time comes from the message', async () => {
  const exchange = await exchangeOf();
  const server = await fed(exchange, { time: '$.data.E', timeUnit: 's' });
  const { client } = await subscribe(server, 'btc');
  await subscribed(exchange);
  const before = Date.now();
  exchange.quote();
  const { t } = await client.find<Next>('next');
  expect(t[0]).toBeGreaterThanOrEqual(before * 1_000);
});

describe('a hole', () => {
  test('is a gap between two rows, of reason upstream, with what is known of it', async () => {
    const exchange = await exchangeOf();
    const server = await fed(exchange, { sequence: { path: 'data.u' } });
    const { client } = await subscribe(server, 'btc', '?include=z,raw,flags');
    await subscribed(exchange);
    exchange.quote(2);
    exchange.gap(3);
    exchange.quote(2);
    const seen: unknown[] = [];
    for (let rows = 0; rows < 4; ) {
      const said = await client.next();
      if (said.type === 'next') rows += (said as Next).z.length;
      if (said.type !== 'heartbeat')
        seen.push(said.type === 'next' ? (said as unknown as { flags: string[][] }).flags : said);
    }
    expect(seen.flat()).toEqual([
      ['notReady'],
      ['notReady'],
      { type: 'gap', from: 3, to: 2, reason: 'upstream', missed: 3, t: [expect.any(Number), expect.any(Number)] },
      ['gap'],
      [],
    ]);
    const { source, counters } = await server.about();
    expect(source.counts).toMatchObject({ hole: 1, missed: 3 });
    expect(counters).toMatchObject({ gaps: { upstream: 1 }, flags: { gap: 1 } });
  });

  test('is told to who resumes, where it was, and not to who joins later', async () => {
    const exchange = await exchangeOf();
    const server = await fed(exchange, { sequence: { path: 'data.u' } });
    const { client, snapshot } = await subscribe(server, 'btc');
    await subscribed(exchange);
    exchange.quote(2);
    await client.rows(1, 2);
    exchange.gap();
    exchange.quote();
    await client.rows(3, 1);
    const types = async (query: string, count: number) => {
      const { client: other } = await subscribe(server, 'btc', query);
      const list: string[] = [];
      while (list.length < count) {
        const { type, seq } = await other.next();
        if (type !== 'heartbeat') list.push(type === 'next' ? `next ${seq}` : type);
      }
      return list;
    };
    expect(await types(`?since=${snapshot.epoch}.1`, 3)).toEqual(['next 2', 'gap', 'next 3']);
    expect(await types(`?since=${snapshot.epoch}.2`, 2)).toEqual(['gap', 'next 3']);
    const { client: late } = await subscribe(server, 'btc');
    exchange.quote();
    expect((await late.next()).type).toBe('next');
  });

  test('cuts the window: rows before it and after it are in batches of their own, bit for bit', async () => {
    const exchange = await exchangeOf();
    const server = await fed(exchange, { sequence: { path: 'data.u' } }, { method: 'batch', size: 4 });
    const { client } = await subscribe(server, 'btc');
    await subscribed(exchange);
    exchange.quote(6);
    exchange.gap();
    exchange.quote(4);
    await client.rows(1, 10);
    const offline = new BatchNorm({ features: ['bid', 'ask'] });
    const quotes = (from: number, count: number) =>
      bids(from, count).map((bid) => ({ bid, ask: Number((bid + 0.01).toFixed(2)) }));
    for (const rows of [quotes(1, 4), quotes(5, 2), quotes(8, 4)]) offline.learn(rows);
    expect(server.channel('btc').state()).toEqual(offline.state());
  });

  test("with onGap 'count' is counted, and changes nothing else", async () => {
    const exchange = await exchangeOf();
    const server = await fed(exchange, { sequence: { path: 'data.u', onGap: 'count' } }, { method: 'batch', size: 4 });
    const { client } = await subscribe(server, 'btc');
    await subscribed(exchange);
    exchange.quote(2);
    exchange.gap();
    exchange.quote(2);
    expect((await client.find<Next>('next')).z).toHaveLength(4);
    expect((await server.about()).source.counts).toMatchObject({ hole: 0, missed: 1 });
  });

  test('after a restart is told with the first row: what came meanwhile is lost', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'source-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const exchange = await exchangeOf();
    const channel = { ...FEATURES, method: 'cumulative', source: { url: exchange.url, ...QUOTES } } as const;
    const config = { listen: { port: 0 }, state: { dir }, channels: { btc: channel } };
    const first = await createServer(config as ServerConfigInput);
    await subscribed(exchange);
    exchange.quote(3);
    await expect.poll(() => first.channel('btc').seq).toBe(3);
    await first.close();
    await expect.poll(() => exchange.clients).toBe(0);
    const second = await createServer(config as ServerConfigInput);
    onTestFinished(() => second.close());
    const { client } = await subscribe(second, 'btc');
    await subscribed(exchange);
    exchange.quote();
    expect(await client.next()).toMatchObject({ type: 'gap', from: 4, to: 3, reason: 'upstream', missed: null });
    expect(await client.next()).toMatchObject({ type: 'next', seq: 4 });
  });
});

test('duplicates are left out and disorder is sorted within the window', async () => {
  const exchange = await exchangeOf();
  const server = await fed(exchange, { sequence: { path: 'data.u', reorder: 5 } });
  const { client } = await subscribe(server, 'btc', '?include=raw');
  await subscribed(exchange);
  exchange.quote(2);
  exchange.duplicate();
  exchange.reorder();
  exchange.quote();
  expect(await rawBids(client, 6)).toEqual(bids(1, 6));
  expect((await server.about()).source.counts).toMatchObject({ duplicate: 1, sorted: 1, hole: 0, message: 6 });
});

test('a message that cannot be read is counted by code, told with its reason, and changes nothing', async () => {
  const exchange = await exchangeOf();
  const server = await fed(exchange, { fields: { bid: 'b', ask: 's' } });
  await subscribed(exchange);
  exchange.quote(2);
  await expect.poll(async () => (await server.about()).source.counts.bad).toBe(2);
  const { source, counters, seq } = await server.about();
  expect([seq, counters.errors]).toEqual([0, { BAD_VALUE: 2 }]);
  expect(source.lastBad).toBe("ask of row 0 must be a number or null, got 'BTCUSDT'");
  expect(source.state).toBe('open');
});

describe('secrets', () => {
  test('a token from the environment and a key from a file are used, and shown nowhere', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'source-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const exchange = await exchangeOf({ token: 'top-secret', listenKeyMs: 60_000 });
    const file = join(dir, 'key');
    const key = exchange.listenKey();
    writeFileSync(file, `${key}\n`);
    const open = [...QUOTES.open, { auth: { $env: 'TOKEN' }, key: { $file: file } }];
    const source = { token: { env: 'TOKEN' }, query: { listenKey: { file } }, open };
    const server = await fed(exchange, source, {}, { TOKEN: 'top-secret' });
    await subscribed(exchange);
    await expect.poll(() => exchange.received).toContainEqual({ auth: 'top-secret', key });
    const shown = JSON.stringify([
      server.log,
      await server.about(),
      await (await fetch(`${server.url}/metrics`)).text(),
    ]);
    expect(shown).not.toContain('top-secret');
    expect(shown).not.toContain(key);
  });

  test('a listen key that expires is read anew from its file', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'source-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const exchange = await exchangeOf({ listenKeyMs: 1_000 });
    const file = join(dir, 'key');
    writeFileSync(file, exchange.listenKey());
    const server = await fed(exchange, { query: { listenKey: { file } } });
    await subscribed(exchange);
    // what an operator's cron does
    const fresh = setInterval(() => writeFileSync(file, exchange.listenKey()), 100);
    onTestFinished(() => clearInterval(fresh));
    await expect.poll(() => exchange.attempts.length, { timeout: 20_000 }).toBeGreaterThan(1);
    await subscribed(exchange);
    expect((await server.about()).source.state).not.toBe('failed');
  });

  test('an environment variable that is not set is an error of the config, all of them at once', async () => {
    const source = { url: 'ws://127.0.0.1:1', token: { env: 'NO_TOKEN' }, open: [{ key: { $env: 'NO_KEY' } }] };
    const config = { listen: { port: 0 }, channels: { btc: { ...FEATURES, source } } };
    await expect(createServer(config)).rejects.toMatchObject({
      code: 'CONFIG',
      message: [
        'the config has 2 errors:',
        '  channels.btc.source: the environment variable NO_TOKEN is not set',
        '  channels.btc.source: the environment variable NO_KEY is not set',
      ].join('\n'),
    });
  });

  test('a file that is not there is a failed try with its reason, and tried again', async () => {
    const exchange = await exchangeOf();
    const server = await fed(exchange, { token: { file: '/nowhere/token' } });
    await expect.poll(async () => (await server.about()).source.counts.closed, { timeout: 20_000 }).toBeGreaterThan(0);
    expect((await server.about()).source.reason).toContain('/nowhere/token cannot be read: ENOENT');
  });
});

test('a source that is refused for good fails, is not tried again, and the server says so', async () => {
  const exchange = await exchangeOf({ token: 'right' });
  const server = await fed(exchange, { headers: { authorization: 'Bearer wrong' } });
  await expect.poll(async () => (await server.about()).source.state).toBe('failed');
  const reason = 'the source of channel btc has failed: HTTP 401';
  expect(await getJson(server, '/healthz')).toMatchObject({ status: 'degraded', reason });
  expect(await getJson(server, '/readyz')).toMatchObject({ ready: true, degraded: reason });
  expect(server.degraded).toBe(reason);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('streamnorm_source_state{channel="btc",state="failed"} 1');
  expect(metrics).toContain('streamnorm_source_state{channel="btc",state="open"} 0');
  expect(metrics).toContain('streamnorm_source_events_total{channel="btc",event="closed"} 1');
  expect(server.log.map(({ event }) => event)).toContain('source.failed');
  // its own rows it takes and gives all the same
  const producer = await produce(server, 'btc');
  await push(producer, [1, 2]);
  expect(exchange.attempts).toHaveLength(1);
});

test('a reload with another source connects it in the place of the one that has failed, and tells the hole', async () => {
  const exchange = await exchangeOf();
  const server = await fed(exchange);
  const { client } = await subscribe(server, 'btc');
  await subscribed(exchange);
  exchange.quote();
  await client.rows(1, 1);
  exchange.close(4401, 'token');
  await expect.poll(() => server.degraded).toContain('close code 4401: token');
  const source = { url: exchange.url, ...QUOTES, deadline: '1m' };
  await server.reload({ listen: { port: 0 }, channels: { btc: { ...FEATURES, method: 'cumulative', source } } });
  await subscribed(exchange);
  expect(server.degraded).toBeUndefined();
  exchange.quote();
  expect(await client.find('gap')).toMatchObject({ from: 2, to: 1, reason: 'upstream' });
  await client.rows(2, 1);
  expect(server.log.find(({ event }) => event === 'config.reloaded')?.fields).toEqual({
    changed: ['channels.btc.source'],
  });
});

test('a source that fails for good closes the window that is open', async () => {
  const exchange = await exchangeOf();
  const server = await fed(exchange, {}, { method: 'batch', size: 100 });
  const { client } = await subscribe(server, 'btc');
  await subscribed(exchange);
  exchange.quote(2);
  exchange.close(4401, 'token');
  expect((await client.find<Next>('next')).z).toHaveLength(2);
});

test('heartbeats and answers go as the configuration says, within the rate of the exchange', async () => {
  const exchange = await exchangeOf({ pingMs: 2_000, maxIncomingPerSecond: 5 });
  const server = await fed(exchange, {
    heartbeat: { every: '1s', message: { method: 'PING', id: 9 }, expect: '20s' },
    answer: [{ match: { ping: { exists: true } }, send: { pong: { $copy: 'ping' } } }],
    maxSendPerSecond: 2,
    open: [...QUOTES.open, ...Array.from({ length: 4 }, (_, id) => ({ method: 'SUBSCRIBE', params: [], id }))],
  });
  await expect.poll(() => exchange.received, { timeout: 25_000 }).toContainEqual({ pong: expect.any(Number) });
  await expect.poll(() => exchange.received).toContainEqual({ method: 'PING', id: 9 });
  expect((await server.about()).source.counts).toMatchObject({ connected: 1, closed: 0 });
}, 40_000);

describe('a wrong source is an error of the config with its path', () => {
  const errorsOf = async (source: object) => {
    const channels = { btc: { ...FEATURES, source } } as ServerConfigInput['channels'];
    const error = await createServer({ listen: { port: 0 }, channels }).then(
      () => undefined,
      (reason: Error) => reason,
    );
    return (
      error?.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim()) ?? []
    );
  };
  const url = 'ws://127.0.0.1:1';

  test.each<[string, object, (string | RegExp)[]]>([
    ['no URL', {}, [/^channels.btc.source.url: /]],
    [
      'a URL of the web',
      { url: 'https://x.example' },
      ['channels.btc.source.url: must begin with ws:// or wss://, got https://'],
    ],
    ['a password in it', { url: 'wss://u:p@x.example' }, [/source.url: must hold no password/]],
    ['an unknown option', { url, row: 'data' }, [/channels.btc.source: .*row/]],
    [
      'a token in plain text',
      { url, token: 'abc' },
      ['channels.btc.source.token: must be { "env": … } or { "file": … }'],
    ],
    ['a field that is no feature', { url, fields: { mid: 'm' } }, [/source.fields: the channel has no feature mid/]],
    ['a path that is none', { url, rows: 'a..b' }, [/channels.btc.source: source requires rows to be a path/]],
    [
      'a wrong path of numbers',
      { url, sequence: { path: 'a..b' } },
      [/source.sequence.path: source requires path to be a path/],
    ],
    [
      'a condition by an object',
      { url, match: { a: {} } },
      [/source.match: must be values by path, or a list of such/],
    ],
    ['a heartbeat without a message', { url, heartbeat: { every: '1s' } }, [/source.heartbeat.message: /]],
    [
      'a wrong $copy',
      { url, answer: [{ match: { a: 1 }, send: { b: { $copy: 'a..' } } }] },
      [/source.answer.0.send: source requires \$copy/],
    ],
    ['a wrong deadline', { url, deadline: 'soon' }, [/source.deadline: /]],
  ])('%s', async (_, source, expected) => {
    const errors = await errorsOf(source);
    expect(errors).toEqual(expected.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line))));
    expect(errors.join()).not.toContain('abc');
  });
});

test('a source that nobody serves says why once', async () => {
  const gone = await MockExchange.open();
  await gone.stop();
  const server = await fed(gone);
  await expect.poll(async () => (await server.about()).source.reason?.match(/ECONNREFUSED/g)).toHaveLength(1);
});
