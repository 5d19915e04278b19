import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createNormalizer } from '../../src/core/methods.ts';
import { createServer, type ServerConfigInput } from '../../src/server/index.ts';
import { encodeFrame } from '../../src/websocket/frame.ts';
import { Client, getJson, type Next, outUrl, produce, push, type Said, serve, subscribe } from './clients.ts';
import { stateDir } from './state-dir.ts';

const features = ['bid', 'ask'];
const channels: ServerConfigInput['channels'] = {
  ticks: { features, method: 'ewma', alpha: 0.2, key: 'symbol', history: 100 },
};
type Row = { symbol: string; bid: number; ask: number };

/** Rows of three keys in turn, each around its own numbers. */
function ticks(count: number, from = 0): Row[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    const which = (n * 7) % 3;
    return { symbol: ['AAPL', 'MSFT', '__proto__'][which], bid: 10 ** which + Math.sin(n), ask: Math.cos(n) };
  });
}

/** z of each row by a normalizer of its key alone, and their states. */
function alone(rows: readonly Row[]) {
  const byKey = new Map<string, ReturnType<typeof createNormalizer>>();
  const z = rows.map(({ symbol, bid, ask }) => {
    const normalizer = byKey.get(symbol) ?? createNormalizer('ewma', features, { alpha: 0.2 });
    byKey.set(symbol, normalizer);
    const out = normalizer.push(Float64Array.of(bid, ask), 1, new Float64Array(1));
    return Array.from(out?.z ?? [], (x) => (Number.isNaN(x) ? null : x));
  });
  return { z, state: (key: string) => byKey.get(key)?.state() };
}

interface KeyedNext extends Next {
  k: string[];
  seqs?: number[];
}

describe('a channel with a key has statistics for each', () => {
  test('rows come out as from a channel of their own, with the key of each', async () => {
    const server = await serve({ channels });
    const { client, snapshot } = await subscribe(server, 'ticks', '?digits=17&include=z,raw,flags');
    expect(snapshot).toMatchObject({
      config: { key: 'symbol' },
      state: { format: 'streamnorm.keyed/1', keys: 0 },
      stats: { mean: [null, null] },
    });
    const rows = ticks(60);
    const producer = await produce(server, 'ticks');
    for (let i = 0; i < 60; i += 20) await push(producer, rows.slice(i, i + 20));
    const blocks = (await client.rows(1, 60)) as KeyedNext[];
    const expected = alone(rows);
    expect(blocks.flatMap(({ z }) => z)).toEqual(expected.z);
    expect(blocks.flatMap(({ k }) => k)).toEqual(rows.map(({ symbol }) => symbol));
    expect(server.channel('ticks').ofKey('__proto__')?.state).toEqual(expected.state('__proto__'));
    expect(Object.prototype).not.toHaveProperty('format');
  });

  test('/channels/<channel>?key= has its statistics, and /state its state in each format', async () => {
    const server = await serve({ channels });
    const rows = ticks(30);
    server.channel('ticks').push(rows);
    const expected = alone(rows).state('MSFT');
    expect(await getJson(server, '/channels/ticks')).toMatchObject({ keys: 3, evictedKeys: { maxKeys: 0, idle: 0 } });
    expect(await getJson(server, '/channels/ticks?key=MSFT')).toMatchObject({ key: 'MSFT', state: expected });
    expect(await getJson(server, '/channels/ticks/state?key=MSFT')).toEqual(expected);
    expect(await getJson(server, '/channels/ticks/state?key=MSFT&format=sklearn')).toMatchObject({
      feature_names_in_: features,
    });
    for (const [path, status, message] of [
      ['/channels/ticks?key=IBM', 404, "key 'IBM' has no statistics"],
      ['/channels/ticks/state', 409, 'say which with ?key='],
    ] as const) {
      const response = await fetch(server.url + path);
      expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
        status,
        expect.stringContaining(message),
      ]);
    }
  });

  test('windows are of one key each, and close after `within`', async () => {
    const server = await serve({
      channels: { ticks: { features: ['x'], size: 3, within: 50, eps: 0, key: 'k', single: 'flag' } },
    });
    const { client } = await subscribe(server, 'ticks');
    await push(await produce(server, 'ticks'), [
      ...[1, 2, 3].flatMap((x) => [
        { k: 'a', x },
        { k: 'b', x: 10 * x },
      ]),
      { k: 'c', x: 1 },
      { k: 'c', x: 3 },
    ]);
    const [first, second] = [await client.find<KeyedNext>('next'), await client.find<KeyedNext>('next')];
    expect([first.k, first.z]).toEqual([
      ['a', 'a', 'a', 'b', 'b', 'b'],
      [-1.224745, 0, 1.224745, -1.224745, 0, 1.224745].map((z) => [z]),
    ]);
    expect(second).toMatchObject({ seq: 7, k: ['c', 'c'], z: [[-1], [1]] });
  });

  test('above maxKeys the one unused for longest loses its statistics, and that is counted', async () => {
    const server = await serve({ channels: { ticks: { ...channels.ticks, maxKeys: 2 } } });
    const rows = ['a', 'b', 'a', 'c', 'b'].map((symbol) => ({ symbol, bid: 1, ask: 2 }));
    for (const row of rows) server.channel('ticks').push(row);
    expect(await getJson(server, '/channels/ticks')).toMatchObject({ keys: 2, evictedKeys: { maxKeys: 2, idle: 0 } });
    expect(server.channel('ticks').ofKey('a')).toBeUndefined();
    expect(server.channel('ticks').ofKey('b')?.stats).toMatchObject({ rows: 1 });
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toContain('streamnorm_evicted_keys_total{channel="ticks",reason="maxKeys"} 2');
    expect(metrics).toContain('streamnorm_keys{channel="ticks"} 2');
  });

  test('rows that are kept out leave the keys of the others where they belong', async () => {
    const server = await serve({ channels: { ticks: { ...channels.ticks, missing: 'dropRow' } } });
    const { client } = await subscribe(server, 'ticks');
    server.channel('ticks').push([
      { symbol: 'a', bid: 1, ask: 2 },
      { symbol: 'b', bid: null, ask: 2 },
      { symbol: 'c', bid: 1, ask: 2 },
    ]);
    const first = await client.find<KeyedNext>('next');
    const k = first.z.length === 2 ? first.k : [...first.k, ...(await client.find<KeyedNext>('next')).k];
    expect(k).toEqual(['a', 'c']);
  });

  test('limits.maxKeys is the bound of channels that have none', async () => {
    const server = await serve({ channels, limits: { maxKeys: 1 } });
    server.channel('ticks').push(ticks(3));
    expect(await getJson(server, '/channels/ticks')).toMatchObject({ keys: 1, evictedKeys: { maxKeys: 2 } });
  });

  test('a key that was unused for keyIdle loses its statistics, without a row to tell', async () => {
    const server = await serve({ channels: { ticks: { ...channels.ticks, keyIdle: 20 } } });
    server.channel('ticks').push(ticks(3));
    await expect.poll(() => getJson(server, '/channels/ticks')).toMatchObject({ keys: 0, evictedKeys: { idle: 3 } });
  });
});

describe('where a row has its key', () => {
  const x = [
    [1, 2],
    [3, 4],
  ];
  test.each<[string, unknown, string[]]>([
    ['the field of a record', { symbol: 'a', bid: 1, ask: 2 }, ['a']],
    ['a number', { symbol: 17, bid: 1, ask: 2 }, ['17']],
    ['a push of records', { type: 'push', x: ticks(2) }, ['AAPL', 'MSFT']],
    ['key of a push', { type: 'push', key: 'a', x }, ['a', 'a']],
    ['keys of a push', { type: 'push', keys: ['a', 'b'], x }, ['a', 'b']],
    ['keys before the field', { type: 'push', keys: ['a', 'b'], x: ticks(2) }, ['a', 'b']],
  ])('%s', async (_, message, keys) => {
    const server = await serve({ channels });
    const { client } = await subscribe(server, 'ticks');
    (await produce(server, 'ticks')).send(message);
    expect(await client.find('next')).toMatchObject({ k: keys });
  });

  test('?key= of the producer, for arrays and binary frames', async () => {
    const server = await serve({ channels });
    const { client } = await subscribe(server, 'ticks');
    const producer = await produce(server, 'ticks?key=A%26B');
    producer.send(x);
    producer.send(
      encodeFrame({ kind: 'push', dtype: 'f64', rows: 1, columns: 2, values: Float64Array.of(5, 6), seq: 0, time: 7 }),
    );
    producer.send({ symbol: 'own', bid: 1, ask: 2 });
    expect(await client.find('next')).toMatchObject({ k: ['A&B', 'A&B'] });
    expect(await client.find('next')).toMatchObject({ k: ['A&B'], t: [7] });
    expect(await client.find('next')).toMatchObject({ k: ['own'] });
  });

  const noKey = /row 0 has no key, and this channel has statistics for each 'symbol': send records with that field/;
  test.each<[string, unknown, string, RegExp]>([
    ['a bare array', [1, 2], 'BAD_VALUE', noKey],
    ['a record without it', { bid: 1, ask: 2 }, 'BAD_VALUE', noKey],
    [
      'a binary frame',
      encodeFrame({ kind: 'push', dtype: 'f64', rows: 1, columns: 2, values: Float64Array.of(5, 6), seq: 0, time: 7 }),
      'BAD_VALUE',
      noKey,
    ],
    ['null', { symbol: null, bid: 1, ask: 2 }, 'BAD_VALUE', /symbol of row 0 must be the key: .*, got null/],
    ['an empty text', { symbol: '', bid: 1, ask: 2 }, 'BAD_VALUE', /a text of 1 to 256 characters or a number/],
    ['a long text', { symbol: 'x'.repeat(257), bid: 1, ask: 2 }, 'BAD_VALUE', /got a text of 257/],
    ['keys of another number', { type: 'push', keys: ['a'], x }, 'BAD_DIM', /keys has 1 keys for 2 rows/],
    ['keys that are no list', { type: 'push', keys: 'a', x }, 'BAD_VALUE', /keys must be a list/],
    ['key and keys', { type: 'push', key: 'a', keys: ['a', 'b'], x }, 'BAD_VALUE', /not both/],
    ['a bad one among keys', { type: 'push', keys: ['a', {}], x }, 'BAD_VALUE', /keys of row 1 must be the key/],
  ])('%s is refused, and nothing has changed', async (_, message, code, text) => {
    const server = await serve({ channels });
    const producer = await produce(server, 'ticks');
    producer.send(message);
    const said = await producer.next<Said & { message: string }>();
    expect([said.code, said.message]).toEqual([code, expect.stringMatching(text)]);
    expect(await getJson(server, '/channels/ticks')).toMatchObject({ keys: 0, seq: 0, counters: { rows: 0 } });
  });

  test('?key= where the channel has none is refused', async () => {
    const server = await serve({ channels: { c: { features } } });
    const producer = await produce(server, 'c?key=a');
    expect(await producer.next()).toMatchObject({ type: 'error', code: 'BAD_QUERY' });
    expect(await producer.closed).toMatchObject({ code: 4400 });
  });
});

describe('a subscriber of one key', () => {
  test('gets its snapshot and its rows, with the numbers they have in the channel', async () => {
    const server = await serve({ channels });
    const producer = await produce(server, 'ticks');
    const rows = ticks(30);
    await push(producer, rows.slice(0, 10));
    const { client, snapshot } = await subscribe(server, 'ticks', '?key=AAPL&digits=17');
    const expected = alone(rows);
    expect(snapshot).toMatchObject({ key: 'AAPL', seq: 10, state: alone(rows.slice(0, 10)).state('AAPL') });
    expect(snapshot.last).toEqual({ t: expect.any(Number), z: expected.z[9] });
    await push(producer, rows.slice(10, 25));
    await push(producer, { symbol: 'MSFT', bid: 1, ask: 2 });
    await push(producer, rows.slice(25));
    const own = rows.flatMap(({ symbol }, i) => (symbol === 'AAPL' && i >= 10 ? [i] : []));
    const got = [await client.find<KeyedNext>('next'), await client.find<KeyedNext>('next')];
    expect(got.flatMap(({ z }) => z)).toEqual(own.map((i) => expected.z[i]));
    expect(got.flatMap(({ seqs = [] }) => seqs)).toEqual(own.map((i) => i + 1 + (i >= 25 ? 1 : 0)));
    expect(got.every(({ k, z }) => k.length === z.length && k.every((key) => key === 'AAPL'))).toBe(true);
  });

  test('of a key that has not come gets null, then its first row', async () => {
    const server = await serve({ channels });
    const { client, snapshot } = await subscribe(server, 'ticks', '?key=MSFT');
    expect(snapshot).toMatchObject({ key: 'MSFT', state: null, stats: null, last: null });
    server.channel('ticks').push(ticks(2));
    expect(await client.find('next')).toMatchObject({ seq: 2, seqs: [2], k: ['MSFT'] });
  });

  test('since replays its rows alone', async () => {
    const server = await serve({ channels });
    for (const row of ticks(9)) server.channel('ticks').push(row);
    const { epoch } = server.channel('ticks');
    const { client, snapshot } = await subscribe(server, 'ticks', `?key=AAPL&since=${epoch}.2`);
    expect(snapshot).toMatchObject({ recovered: true, seq: 2 });
    expect((await client.find<KeyedNext>('next')).seqs).toEqual([4]);
    expect((await client.find<KeyedNext>('next')).seqs).toEqual([7]);
  });

  test('held to a rate it gets the newest of its rows, and how many of them were left out', async () => {
    const server = await serve({ channels });
    const { client } = await subscribe(server, 'ticks', '?key=AAPL&maxRate=5');
    const [first, ...others] = ticks(30);
    server.channel('ticks').push(first);
    expect(await client.find('next')).toMatchObject({ seqs: [1] });
    for (const row of others) server.channel('ticks').push(row);
    expect(await client.find('next')).toMatchObject({ seqs: [28], skipped: 8 });
  });

  test('may have its rows in binary frames; those of all keys have no place in them', async () => {
    const server = await serve({ channels });
    const { client } = await subscribe(server, 'ticks', '?key=MSFT&format=f64&include=raw');
    server.channel('ticks').push(ticks(6));
    const frame = await client.frames.next();
    expect([frame.rows, frame.seq, frame.values[0]]).toEqual([2, 2, ticks(6)[1].bid]);
    for (const [query, message] of [
      ['?format=f32', 'no place for the keys of its rows'],
      ['?include=z,stats', 'ask /channels/<channel>?key= for those of one'],
    ]) {
      const refused = await Client.open(outUrl(server, 'ticks', query));
      expect(await refused.next()).toMatchObject({ code: 'BAD_QUERY', message: expect.stringContaining(message) });
      expect(await refused.closed).toMatchObject({ code: 4400 });
    }
  });

  test('where the channel has no keys is refused', async () => {
    const server = await serve({ channels: { c: { features } } });
    const refused = await Client.open(outUrl(server, 'c', '?key=a'));
    expect(await refused.next()).toMatchObject({ code: 'BAD_QUERY', message: expect.stringContaining('has no keys') });
  });
});

describe('a restart', () => {
  const configIn = (dir: string, channel: Partial<ServerConfigInput['channels'][string]> = {}) => ({
    state: { dir, every: '1h' },
    channels: { ticks: { ...channels.ticks, ...channel } as ServerConfigInput['channels'][string] },
  });
  const usedDir = async (rows: readonly Row[], channel = {}): Promise<string> => {
    const dir = stateDir();
    const server = await createServer({ listen: { port: 0 }, ...configIn(dir, channel) });
    server.channel('ticks').push(rows);
    await server.close();
    return dir;
  };

  test('goes on with the statistics of every key, to the last bit, and evicts in the same order', async () => {
    const rows = ticks(40);
    const dir = await usedDir(rows.slice(0, 20));
    const server = await serve(configIn(dir, { maxKeys: 3 }));
    const { client, snapshot } = await subscribe(server, 'ticks', '?digits=17');
    expect(snapshot).toMatchObject({ seq: 20, state: { keys: 3 } });
    server.channel('ticks').push(rows.slice(20));
    const blocks = await client.rows(21, 20);
    expect(blocks.flatMap(({ z }) => z)).toEqual(alone(rows).z.slice(20));
    const [oldest] = rows.slice(38 - 1, 38).map(({ symbol }) => symbol);
    server.channel('ticks').push({ symbol: 'new', bid: 1, ask: 1 });
    expect(server.channel('ticks').ofKey(oldest)).toBeUndefined();
  });

  test('keeps open windows where the process was killed, and closes them in their turn', async () => {
    const dir = stateDir();
    const window = { method: 'batch' as const, alpha: undefined, size: 3, within: '1h' };
    const first = await serve({ ...configIn(dir, window), state: { dir, every: 10 } });
    first.channel('ticks').push(ticks(5));
    await expect
      .poll(() => readFileSync(join(dir, 'ticks.json'), 'utf8').split('\n').length, { timeout: 10_000 })
      .toBe(1 + 3 + 1 + 1);
    // what a kill leaves: the files as they are
    const copy = stateDir();
    writeFileSync(join(copy, 'ticks.json'), readFileSync(join(dir, 'ticks.json')));
    const second = await serve(configIn(copy, window));
    const { client } = await subscribe(second, 'ticks');
    second.channel('ticks').push(ticks(1, 6));
    expect(await client.find<KeyedNext>('next')).toMatchObject({ k: ['AAPL', 'AAPL', 'AAPL'] });
  });

  test('numbers that were sent since the checkpoint are not given again', async () => {
    const dir = stateDir();
    const first = await serve(configIn(dir));
    for (let i = 0; i < 25; i++) first.channel('ticks').push(ticks(1_000, 1_000 * i));
    const { seq, epoch } = first.channel('ticks');
    const copy = stateDir();
    for (const name of ['ticks.json', 'ticks.json.reserve']) {
      writeFileSync(join(copy, name), readFileSync(join(dir, name)));
    }
    const second = await serve(configIn(copy));
    expect(second.channel('ticks').epoch).toBe(epoch);
    expect(second.channel('ticks').seq).toBeGreaterThanOrEqual(seq);
  });

  test('a checkpoint is of one moment: rows that come while it is written are not in it', async () => {
    const keys = 20_000;
    const row = (i: number) => ({ symbol: `s${i}`, bid: i, ask: -i });
    const dir = stateDir();
    const first = await serve({ ...configIn(dir), state: { dir, every: 1 } });
    const all = Array.from({ length: keys }, (_, i) => row(i));
    first.channel('ticks').push(all);
    const { seq } = first.channel('ticks');
    // each push is a moment of its own; whatever is on disk must be one of them
    for (let n = 1; n <= 30; n++) {
      first.channel('ticks').push(all.filter((_, i) => i % 40 === n));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect
      .poll(() => JSON.parse(readFileSync(join(dir, 'ticks.json'), 'utf8').split('\n')[0]).seq, { timeout: 20_000 })
      .toBeGreaterThanOrEqual(seq);
    const text = readFileSync(join(dir, 'ticks.json'), 'utf8');
    const lines = text.trim().split('\n');
    const saved = JSON.parse(lines[0]) as { seq: number };
    const learned = lines.slice(1, -1).reduce((sum, line) => sum + JSON.parse(line)[1].count[0], 0);
    expect(learned).toBe(saved.seq);
  });

  test('a checkpoint that a disk has changed is passed over for the one before it', async () => {
    const dir = await usedDir(ticks(10));
    const again = await createServer({ listen: { port: 0 }, ...configIn(dir) });
    again.channel('ticks').push(ticks(5, 10));
    await again.close();
    const file = join(dir, 'ticks.json');
    const text = readFileSync(file, 'utf8');
    for (const damaged of [
      text.slice(0, -40),
      text.replace('"mean":[', '"mean":[1'),
      text.replace('["AAPL"', '["aapl"'),
    ]) {
      const copy = stateDir();
      writeFileSync(join(copy, 'ticks.json'), damaged);
      writeFileSync(join(copy, 'ticks.json.former'), readFileSync(`${file}.former`));
      const server = await serve(configIn(copy));
      expect(server.log.map(({ event }) => event)).toContain('checkpoint.damaged');
      expect(await getJson(server, '/channels/ticks')).toMatchObject({ keys: 3 });
    }
  });

  test('an option that is gone takes its default again', async () => {
    const dir = await usedDir(ticks(10));
    const server = await serve(configIn(dir, { alpha: undefined }));
    expect(server.channel('ticks').ofKey('AAPL')?.state).toMatchObject({ alpha: 0.1 });
  });

  test.each<[string, object, object, RegExp]>([
    ['a key where there was none', { key: undefined }, {}, /was saved with no key, the config has key 'symbol'/],
    ['no key where there was one', {}, { key: undefined }, /was saved with key 'symbol', the config has no key/],
    ['another key', {}, { key: 'isin' }, /was saved with key 'symbol', the config has key 'isin'/],
    ['another method', {}, { method: 'cumulative', alpha: undefined }, /was saved by method ewma/],
  ])('with %s is refused in one line', async (_, before, after, message) => {
    const dir = await usedDir(ticks(10), before);
    await expect(serve(configIn(dir, after))).rejects.toMatchObject({
      code: 'STATE',
      message: expect.stringMatching(message),
    });
  });

  test('tens of thousands of keys are saved without holding up the server, and restored', async () => {
    const dir = stateDir();
    const first = await createServer({ listen: { port: 0 }, ...configIn(dir) });
    const rows = Array.from({ length: 30_000 }, (_, i) => ({ symbol: `sensor-${i}`, bid: i, ask: -i }));
    for (let i = 0; i < rows.length; i += 10_000) first.channel('ticks').push(rows.slice(i, i + 10_000));
    // turns of the event loop while the last checkpoint is written
    let turns = 0;
    let closed = false;
    const turn = () => {
      turns++;
      if (!closed) setImmediate(turn);
    };
    turn();
    await first.close();
    closed = true;
    expect(turns).toBeGreaterThan(30);
    const second = await serve(configIn(dir));
    expect(await getJson(second, '/channels/ticks')).toMatchObject({ keys: 30_000, seq: 30_000 });
    expect(second.channel('ticks').ofKey('sensor-29999')?.stats).toMatchObject({ rows: 1, mean: [29_999, -29_999] });
  }, 120_000);
});

describe('config', () => {
  test.each<[object, RegExp]>([
    [{ key: 'bid' }, /channels\.ticks\.key: 'bid' is a feature/],
    [{ key: 't', time: 't' }, /channels\.ticks\.key: 't' is the time/],
    [{ maxKeys: 5 }, /channels\.ticks\.maxKeys: needs key/],
    [{ keyIdle: '5m' }, /channels\.ticks\.keyIdle: needs key/],
    [{ key: 'k', missing: 'error' }, /channels\.ticks\.missing: 'error' would refuse the rows of all keys/],
    [{ key: 'k', maxKeys: 0 }, /channels\.ticks\.maxKeys: /],
    [{ key: 'k', keyIdle: 'soon' }, /channels\.ticks\.keyIdle: /],
  ])('%j is refused', async (channel, message) => {
    await expect(serve({ channels: { ticks: { features, ...channel } } })).rejects.toThrow(message);
  });
});
