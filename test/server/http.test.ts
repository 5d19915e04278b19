import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { exportState } from '../../src/exchange/export-state.ts';
import { FORMAT_NAMES, FORMATS } from '../../src/exchange/format.ts';
import { Client, getJson, outUrl, produce, push, refused, rowsOf, serve, subscribe } from './clients.ts';

const features = ['bid', 'ask'];
const channels = { btc: { features, size: 4 }, eth: { features: ['x'], method: 'ewma' as const, halfLife: 20 } };

describe('GET', () => {
  test('/channels lists the channels', async () => {
    const server = await serve({ channels });
    const { epoch } = server.channel('btc');
    const { epoch: other } = server.channel('eth');
    expect(await getJson(server, '/channels')).toEqual({
      channels: [
        { name: 'btc', features, method: 'batch', seq: 0, epoch },
        { name: 'eth', features: ['x'], method: 'ewma', seq: 0, epoch: other },
      ],
    });
  });

  test('/channels/<channel> is its config and its statistics now', async () => {
    const server = await serve({ channels });
    await subscribe(server, 'btc');
    await push(await produce(server, 'btc'), [
      [1, 10],
      [2, 20],
      [3, 30],
      [6, 60],
      [7, 70],
    ]);
    const { epoch } = server.channel('btc');
    expect(await getJson(server, '/channels/btc')).toEqual({
      ...{ channel: 'btc', epoch, seq: 4, features, pending: 1, producers: 1, subscribers: 1 },
      config: { features, method: 'batch', size: 4, history: 10_000 },
      // test/server/connections.test.ts
      connections: { in: [expect.anything()], out: [expect.anything()] },
      state: {
        ...{ format: 'streamnorm.batchnorm/1', features, alpha: 0.1, eps: 1e-5, weight: null, bias: null },
        runningMean: [expect.closeTo(0.3, 12), expect.closeTo(3, 12)],
        runningVar: [expect.closeTo(0.9 + 0.1 * (14 / 3), 12), expect.closeTo(0.9 + 0.1 * (1_400 / 3), 12)],
        ...{ batches: 1, samples: 4 },
      },
      stats: {
        ...{
          version: 1,
          rows: 4,
          mean: [expect.closeTo(0.3), expect.closeTo(3)],
          std: [expect.any(Number), expect.any(Number)],
        },
        batch: { count: 4, mean: [3, 30], std: [Math.sqrt(3.5), Math.sqrt(350)], min: [1, 10], max: [6, 60] },
        time: expect.any(Number),
      },
      counters: {
        messages: 1,
        rows: 5,
        duplicates: 0,
        errors: {},
        flags: {},
        skipped: 0,
        drifts: 0,
        evicted: 0,
        snapshots: 1,
        gaps: {},
      },
    });
  });

  test('/channels/<channel>/state is the state, in the format asked for', async () => {
    const server = await serve({ channels });
    await push(await produce(server, 'btc'), rowsOf(8, 2));
    await push(await produce(server, 'eth'), rowsOf(8, 1));
    for (const name of ['btc', 'eth'] as const) {
      const state = server.channel(name).state();
      for (const query of ['', '?format=json'])
        expect(await getJson(server, `/channels/${name}/state${query}`)).toEqual(state);
      for (const format of FORMAT_NAMES.filter((each) => each !== 'json')) {
        const response = await fetch(`${server.url}/channels/${name}/state?format=${format}`);
        expect([format, response.status]).toEqual([format, 200]);
        const type = FORMATS[format].binary ? 'application/octet-stream' : 'application/json; charset=utf-8';
        expect(response.headers.get('content-type')).toBe(type);
        const bytes = Buffer.from(await response.arrayBuffer());
        const names = channels[name].features;
        const expected = exportState(state, format, format === 'sklearn' ? { features: names } : {});
        expect(bytes.equals(Buffer.from(expected as string)), format).toBe(true);
      }
    }
    const other = await fetch(`${server.url}/channels/eth/state?format=xml`);
    expect([other.status, await other.json()]).toEqual([400, { error: expect.stringContaining("got 'xml'") }]);
  });

  test('/channels/<channel>/state says why a format cannot hold it', async () => {
    const server = await serve({ channels: { c: { features, weight: [2, 3] } } });
    const response = await fetch(`${server.url}/channels/c/state?format=sklearn`);
    expect([response.status, await response.json()]).toEqual([
      409,
      { error: expect.stringContaining('weight and bias') },
    ]);
  });

  test('/healthz and /readyz say that all is well', async () => {
    const server = await serve({ channels });
    for (const [path, body] of [
      ['/healthz', { status: 'ok' }],
      ['/readyz', { ready: true }],
    ] as const) {
      const response = await fetch(server.url + path);
      expect([response.status, await response.json()]).toEqual([200, body]);
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
  });

  test('what is not there is 404, a WebSocket 426, another method 405', async () => {
    const server = await serve({ channels });
    for (const path of [
      '/nothing',
      '/channels/nope',
      '/channels/__proto__',
      '/channels/btc/nope',
      '/channels/btc/state/x',
      '/in',
      '/..%2f..%2fpackage.json',
      '/%2e%2e/package.json',
    ]) {
      const response = await fetch(server.url + path);
      expect([path, response.status]).toEqual([path, 404]);
      expect(((await response.json()) as { error: string }).error).toBeTruthy();
    }
    for (const path of ['/in/btc', '/out/btc']) {
      const response = await fetch(server.url + path);
      expect([response.status, response.headers.get('upgrade')]).toEqual([426, 'websocket']);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await fetch(`${server.url}/channels`, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    }
    const head = await fetch(`${server.url}/channels`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('a path that cannot be read is 400', async () => {
    const server = await serve({ channels });
    expect((await fetch(`${server.url}/%E0%A4%A`)).status).toBe(400);
  });
});

describe('a WebSocket is refused before the upgrade', () => {
  test('at any other path: 404', async () => {
    const server = await serve({ channels });
    for (const path of ['/', '/in', '/in/', '/in/a/b', '/both/btc', '/%E0%A4%A']) {
      expect((await refused(server.url.replace('http', 'ws') + path)).status).toBe(404);
    }
  });

  test('with the Origin of a page that is not allowed: 403', async () => {
    const server = await serve({ channels, listen: { port: 0, origins: ['https://good.example'] } });
    const { port } = server;
    for (const origin of [
      ...['https://evil.example', 'null', 'https://good.example.evil.example', 'http://good.example', ''],
      ...[
        'https://good.example:444',
        `http://127.0.0.1:${port + 1}`,
        'file://',
        `http://127.0.0.1.evil.example:${port}`,
      ],
    ]) {
      const answer = await refused(outUrl(server, 'btc'), { origin });
      expect([origin, answer.status]).toEqual([origin, 403]);
    }
    // a name that an attacker made resolve to this machine: its page is of the same host, and yet not of this server
    const host = `evil.example:${port}`;
    expect((await refused(outUrl(server, 'btc'), { host, origin: `http://${host}` })).status).toBe(403);
    const allowed: Record<string, string>[] = [
      {},
      { origin: 'https://good.example' },
      { origin: `http://127.0.0.1:${port}` },
      { host: `localhost:${port}`, origin: `http://localhost:${port}` },
    ];
    for (const headers of allowed) {
      expect(await (await Client.open(outUrl(server, 'btc'), { headers })).next()).toMatchObject({ type: 'snapshot' });
    }
  });

  test('of an address that has too many: 429, until one of them goes', async () => {
    const server = await serve({ channels, limits: { maxConnectionsPerAddress: 2 } });
    const { client } = await subscribe(server, 'btc');
    await subscribe(server, 'btc');
    expect(await refused(outUrl(server, 'btc'))).toMatchObject({ status: 429, retryAfter: '5' });
    client.socket.close();
    await client.closed;
    while (((await getJson(server, '/channels/btc')) as { subscribers: number }).subscribers === 2);
    await subscribe(server, 'btc');
  });

  test('when the server is full: 503 with Retry-After', async () => {
    const server = await serve({ channels, limits: { maxConnections: 2 } });
    await subscribe(server, 'btc');
    await produce(server, 'btc');
    expect(await refused(outUrl(server, 'btc'))).toEqual({
      ...{ status: 503, retryAfter: '5', error: 'too many connections' },
    });
  });
});

test('the subprotocol is chosen when it is offered, and a token beside it never comes back', async () => {
  const server = await serve({ channels });
  const protocols = ['streamnorm.bearer.c2VjcmV0', 'streamnorm.v1'];
  expect((await Client.open(outUrl(server, 'btc'), { protocols })).socket.protocol).toBe('streamnorm.v1');
  const socket = new WebSocket(outUrl(server, 'btc'), ['other']);
  // a client must not go on with a server that chose none of those it asked for
  await expect(once(socket, 'open')).rejects.toThrow('no subprotocol');
});

describe('a server that drains', () => {
  test('is alive, not ready, and lets nobody in until its sockets are gone', async () => {
    const server = await serve({ channels, limits: { drainMs: 60_000 } });
    const { client } = await subscribe(server, 'btc');
    const producer = await produce(server, 'btc');
    // a peer that does not answer the close holds the drain
    const stuck = connect(server.port, '127.0.0.1');
    onTestFinished(() => void stuck.destroy());
    stuck.write(
      'GET /out/btc HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await once(stuck, 'data');
    const closing = server.close();
    await client.closed;
    await producer.closed;
    const ready = await fetch(`${server.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false }]);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect(await refused(outUrl(server, 'btc'))).toMatchObject({ status: 503, retryAfter: '5' });
    stuck.destroy();
    await closing;
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  });

  test('tears down after drainMs who does not answer', async () => {
    const server = await serve({ channels, limits: { drainMs: 50 } });
    const stuck = connect(server.port, '127.0.0.1');
    stuck.write(
      'GET /out/btc HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await once(stuck, 'data');
    stuck.resume().on('error', () => {});
    const closed = once(stuck, 'close');
    await server.close();
    await closed;
  });

  test('tells producers to send again later', async () => {
    const server = await serve({ channels, limits: { drainMs: 60_000 } });
    const { client } = await subscribe(server, 'btc');
    const producer = await produce(server, 'btc');
    const closing = server.close();
    producer.send({ type: 'push', producer: 'p', seq: 1, x: rowsOf(4, 2) });
    await closing;
    // it was closed before, or told why
    if (producer.said.left > 0) expect(await producer.next()).toMatchObject({ code: 'OVERLOADED', retry: true });
    expect((await producer.closed).code).toBe(1012);
    expect((await client.said.take(client.said.left)).map(({ type }) => type)).toEqual(['bye']);
  });
});

test('a server on a port that is taken says so', async () => {
  const server = await serve({ channels });
  await expect(serve({ channels, listen: { port: server.port } })).rejects.toMatchObject({
    ...{ code: 'UNAVAILABLE', message: expect.stringContaining('another process uses the port') },
  });
});

describe('a client that dawdles over its request', () => {
  test('is gone within 7 s, whether it has said a word or not', async () => {
    const server = await serve({ channels });
    const start = performance.now();
    const sockets = ['', 'GET / HTTP/1.1\r\nHost:', 'GET /out/btc HTTP/1.1\r\nUpgrade: websocket\r\n'].map((head) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write(head));
      socket.on('error', () => {}).resume();
      onTestFinished(() => void socket.destroy());
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, 'close')));
    expect(performance.now() - start).toBeLessThan(7_000);
  });

  test('over too many headers is refused, and the server lives', async () => {
    const server = await serve({ channels });
    const options = { port: server.port, headers: { long: 'x'.repeat(17_000) } };
    const [response] = await once(
      request(options)
        .on('error', () => {})
        .end(),
      'response',
    );
    expect(response.statusCode).toBe(431);
    await subscribe(server, 'btc');
  });
});
