import { describe, expect, test } from 'vitest';
import type { RunningServer } from '../../src/server/index.ts';
import { encodeFrame } from '../../src/websocket/frame.ts';
import { type Client, expectFinite, getJson, produce, push, rowsOf, serve, stateHash, subscribe } from './clients.ts';

const features = ['a', 'b'];
const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

const good = encodeFrame({
  ...{ kind: 'push', dtype: 'f64', rows: 2, columns: 2, values: Float64Array.of(1, 2, 3, 4), seq: 0, time: 0 },
});

/** The good frame with bytes changed. */
function bent(change: (view: DataView) => void): Uint8Array {
  const bytes = good.slice();
  change(new DataView(bytes.buffer));
  return bytes;
}

/** What a producer can do wrong in one message: code, row, message. */
const BAD: [string, string, number | undefined, string | Uint8Array][] = [
  ['no JSON', 'BAD_JSON', undefined, '[1, 2'],
  ['an empty message', 'BAD_JSON', undefined, ''],
  ['a byte order mark', 'BAD_JSON', undefined, '\ufeff[1, 2]'],
  ['null', 'BAD_JSON', undefined, 'null'],
  ['an empty array', 'BAD_JSON', undefined, '[]'],
  ['a text', 'BAD_JSON', undefined, '"hello"'],
  ['NaN without quotes', 'BAD_JSON', undefined, '[NaN, 1]'],
  ['1,000 arrays in each other', 'BAD_JSON', 0, deep(1_000)],
  ['200,000 arrays in each other', 'BAD_JSON', undefined, deep(200_000)],
  ['200,000 arrays in a record', 'BAD_JSON', undefined, `{"a":${deep(200_000)}}`],
  ['too many values', 'BAD_DIM', 0, '[1, 2, 3]'],
  ['too few values', 'BAD_DIM', 0, '[1]'],
  ['ragged rows', 'BAD_DIM', 1, '[[1, 2], [3]]'],
  ['zero rows', 'BAD_DIM', undefined, '{"type":"push","x":[]}'],
  ['an empty row', 'BAD_DIM', 0, '[[]]'],
  ['rows over the limit', 'BAD_DIM', 100, JSON.stringify(rowsOf(101, 2))],
  ['a bad row after 99 good ones', 'BAD_DIM', 99, JSON.stringify([...rowsOf(99, 2), [1]])],
  ['"NaN" as a text', 'BAD_VALUE', 0, '["NaN", 1]'],
  ['a number as a text', 'BAD_VALUE', 1, '[[1, 2], ["1.5", 2]]'],
  ['true', 'BAD_VALUE', 0, '[true, 2]'],
  ['none of the features', 'BAD_DIM', 0, '{"c": 1}'],
  ['only __proto__', 'BAD_DIM', 0, '{"__proto__": {"a": 1, "polluted": true}}'],
  ['only constructor', 'BAD_DIM', 0, '{"constructor": {"prototype": {"polluted": true}}}'],
  ['a push with a wrong seq', 'BAD_VALUE', undefined, '{"type":"push","producer":"p","seq":-1,"x":[1,2]}'],
  ['a push whose rows are wrong', 'BAD_DIM', 1, '{"type":"push","producer":"p","seq":1,"x":[[1,2],[3]]}'],
  ['bytes that are no frame', 'BAD_FRAME', undefined, Uint8Array.of(1, 2, 3)],
  ['no bytes', 'BAD_FRAME', undefined, new Uint8Array(0)],
  ['another magic', 'BAD_FRAME', undefined, bent((view) => view.setUint8(0, 0))],
  ['another kind', 'BAD_FRAME', undefined, bent((view) => view.setUint8(4, 2))],
  ['another dtype', 'BAD_FRAME', undefined, bent((view) => view.setUint8(5, 9))],
  ['unknown flags', 'BAD_FRAME', undefined, bent((view) => view.setUint8(6, 128))],
  ['a short header', 'BAD_FRAME', undefined, bent((view) => view.setUint8(7, 1))],
  ['another size than said', 'BAD_FRAME', undefined, good.subarray(0, good.length - 1)],
  ['2^32 - 1 rows', 'BAD_DIM', undefined, bent((view) => view.setUint32(12, 0xffff_ffff, true))],
  [
    'other columns',
    'BAD_DIM',
    undefined,
    encodeFrame({
      ...{ kind: 'push', dtype: 'f32', rows: 1, columns: 3, values: Float64Array.of(1, 2, 3), seq: 0, time: 0 },
    }),
  ],
];

const METHODS = ['batch', 'ewma'] as const;
const servers = () =>
  serve({
    channels: { batch: { features, size: 4 }, ewma: { features, method: 'ewma' } },
    limits: { maxRowsPerMessage: 100 },
  });

async function sendBad(client: Client, message: string | Uint8Array, code: string, row: number | undefined) {
  client.send(message);
  const said = await client.next();
  expect(said).toMatchObject({ type: 'error', code, message: expect.any(String), retry: false });
  expect(said.row).toBe(row);
  expect(Object.keys(said)).toEqual(['type', 'code', 'message', ...(row === undefined ? [] : ['row']), 'retry']);
  expect((said.message as string).length).toBeLessThan(300);
}

describe('a bad message is refused whole: code and row, the socket stays, no state changes, the next one works', () => {
  test.each(BAD)('%s: %s', async (_, code, row, message) => {
    const server = await servers();
    for (const channel of METHODS) {
      const client = await produce(server, channel);
      await push(client, rowsOf(6, 2));
      const before = await stateHash(server, channel);
      await sendBad(client, message, code, row);
      expect(await stateHash(server, channel)).toBe(before);
      await push(client, rowsOf(2, 2, 6));
      expect(server.channel(channel).seq).toBe(8);
      expect(await countersOf(server, channel)).toMatchObject({ errors: { [code]: 1 }, rows: 8, messages: 3 });
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('and the numbers afterwards are those of the good rows alone', async () => {
    const server = await servers();
    const clean = await servers();
    for (const channel of METHODS) {
      const [client, witness] = [await produce(server, channel), await produce(clean, channel)];
      let from = 0;
      for (const [, code, row, message] of BAD) {
        for (const each of [client, witness]) await push(each, rowsOf(3, 2, from));
        await sendBad(client, message, code, row);
        from += 3;
      }
      expect(server.channel(channel).state()).toEqual(clean.channel(channel).state());
    }
  });
});

test('a refused push may be sent again under the same seq', async () => {
  const server = await servers();
  const client = await produce(server, 'ewma');
  client.send({ type: 'push', producer: 'p', seq: 1, x: [[1, 2], [3]] });
  expect(await client.next()).toMatchObject({ type: 'error', code: 'BAD_DIM', row: 1 });
  client.send({
    type: 'push',
    producer: 'p',
    seq: 1,
    x: [
      [1, 2],
      [3, 4],
    ],
  });
  expect(await client.next()).toEqual({ type: 'accepted', producer: 'p', seq: 1 });
  expect(server.channel('ewma').seq).toBe(2);
});

test('a push that was applied is acknowledged again and not applied', async () => {
  const server = await servers();
  const [first, second] = [await produce(server, 'ewma'), await produce(server, 'ewma')];
  for (const client of [first, first, second]) {
    client.send({ type: 'push', producer: 'p', seq: 7, x: [[1, 2]] });
    expect(await client.next()).toEqual({ type: 'accepted', producer: 'p', seq: 7 });
  }
  first.send({ type: 'push', producer: 'p', seq: 3, x: [[1, 2]] });
  expect(await first.next()).toMatchObject({ type: 'accepted', seq: 3 });
  expect(server.channel('ewma').seq).toBe(1);
  expect(await countersOf(server, 'ewma')).toMatchObject({ duplicates: 3, rows: 1 });
});

test('samples without an envelope are taken without an answer', async () => {
  const server = await serve({ channels: { c: { features: ['x'], method: 'cumulative' } } });
  const client = await produce(server, 'c');
  const { client: reader } = await subscribe(server, 'c', '?include=raw');
  for (const message of ['1', '[2]', '{"x":3}', '[[4],[5]]', '[{"x":6}]', '{"type":"push","x":7}'])
    client.send(message);
  expect((await reader.said.take(6)).flatMap((next) => next.raw)).toEqual([[1], [2], [3], [4], [5], [6], [7]]);
  expect(await client.next()).toEqual({ type: 'accepted' });
  expect(client.said.left).toBe(0);
});

test.each(['f32', 'f64'] as const)('frames of %s give what the same rows give in JSON', async (dtype) => {
  const server = await serve({
    channels: { json: { features, size: 8 }, frames: { features, size: 8 } },
  });
  const rows = rowsOf(24, 2).map((row) => row.map(Math.fround));
  await push(await produce(server, 'json'), rows);
  const { client } = await subscribe(server, 'frames', '?format=f64&include=raw');
  const producer = await produce(server, 'frames');
  const times = Float64Array.from({ length: 24 }, (_, row) => 1_000 + row);
  const values = Float64Array.from(rows.flat());
  producer.send(encodeFrame({ kind: 'push', dtype, rows: 24, columns: 2, values, seq: 0, time: 1_000, times }));
  expect(await client.frames.next()).toMatchObject({ rows: 24, values, times });
  expect(server.channel('frames').state()).toEqual(server.channel('json').state());
});

describe('numbers at the edge', () => {
  test('none that is not finite reaches a statistic or a subscriber', async () => {
    const server = await servers();
    for (const channel of METHODS) {
      const client = await produce(server, channel);
      const { client: reader } = await subscribe(server, channel, '?include=z,raw,stats,flags&digits=17');
      const edge = '[[1e309,1],[-1e309,null],[1.7976931348623157e308,5e-324],[-0,-1.7e308],[null,2]]';
      client.send(`{"type":"push","producer":"e","seq":1,"x":${edge}}`);
      expect(await client.next()).toMatchObject({ type: 'accepted' });
      await push(client, rowsOf(11, 2));
      for (const text of [...reader.texts, JSON.stringify(await getJson(server, `/channels/${channel}`))]) {
        expect(text).not.toMatch(/Infinity|NaN/);
      }
      expectFinite(server.channel(channel).state());
      // the same without the edge: in the statistics of the whole stream they have left no trace
      const flagged = (await countersOf(server, channel)).flags as Record<string, number>;
      expect(flagged.overflow).toBe(4);
      expect(flagged.missing).toBe(2);
    }
  });

  test('of missing and infinite values the others are what they would be alone', async () => {
    const server = await serve({
      channels: { c: { features, method: 'cumulative' }, alone: { features, method: 'cumulative' } },
    });
    const client = await produce(server, 'c');
    client.send('[[1,5],[1e309,6],[null,7],[3,null],[1e200,8]]');
    await push(client, [[4, 9]]);
    await push(await produce(server, 'alone'), [
      [1, 5],
      [3, 6],
      [4, 7],
      [null, 8],
      [null, 9],
    ]);
    expect({ ...server.channel('c').state(), version: 0 }).toEqual({ ...server.channel('alone').state(), version: 0 });
  });

  test('1e9 and noise keeps its digits', async () => {
    const server = await serve({ channels: { c: { features: ['x'], size: 64 } } });
    const { client } = await subscribe(server, 'c', '?digits=17');
    await push(
      await produce(server, 'c'),
      Array.from({ length: 64 }, (_, i) => [1e9 + (i % 2) * 2e-3]),
    );
    const z = (await client.rows(1, 64)).flatMap((block) => block.z);
    // a variance of 1e-6 under eps 1e-5
    for (const [x] of z) expect(Math.abs(x!)).toBeCloseTo(1e-3 / Math.sqrt(1e-6 + 1e-5), 4);
  });

  test('a feature that never changes is 0, not NaN and not 1e8', async () => {
    const server = await servers();
    const { client } = await subscribe(server, 'batch', '?include=z,flags');
    await push(await produce(server, 'batch'), [
      [5, 0.1],
      [5, 0.1],
      [5, 0.1],
      [5, 0.1],
    ]);
    expect(await client.next()).toMatchObject({
      ...{
        z: [
          [0, 0],
          [0, 0],
          [0, 0],
          [0, 0],
        ],
        flags: [['constant'], ['constant'], ['constant'], ['constant']],
      },
    });
  });
});

test('features may have the names that every object has', async () => {
  const names = ['constructor', 'toString', 'hasOwnProperty', 'valueOf'];
  const server = await serve({ channels: { constructor: { features: names, method: 'cumulative' as const } } });
  const client = await produce(server, 'constructor');
  const { client: reader } = await subscribe(server, 'constructor', '?include=raw');
  client.send('{"constructor":1,"toString":2,"hasOwnProperty":3}');
  expect(await reader.next()).toMatchObject({ raw: [[1, 2, 3, null]] });
  client.send('{"type":"push","producer":"__proto__","seq":1,"x":{"valueOf":4,"__proto__":{"constructor":9}}}');
  expect(await client.next()).toEqual({ type: 'accepted', producer: '__proto__', seq: 1 });
  expect(await reader.next()).toMatchObject({ raw: [[null, null, null, 4]] });
  expect(({} as { seq?: unknown }).seq).toBeUndefined();
});

describe('a connection is closed', () => {
  test('with 1009 for a message that is too large, and nothing of it is read', async () => {
    const server = await serve({ channels: { c: { features: ['x'] } }, limits: { maxMessageBytes: 4_096 } });
    const before = await stateHash(server, 'c');
    const other = await produce(server, 'c');
    for (const message of [`[${' '.repeat(4_095)}1]`, new Uint8Array(4_097)]) {
      const client = await produce(server, 'c');
      client.send(message);
      expect((await client.closed).code).toBe(1009);
    }
    expect(await stateHash(server, 'c')).toBe(before);
    other.send(`[${' '.repeat(4_093)}1]`);
    await push(other, [[1]]);
    expect((await countersOf(server, 'c')).rows).toBe(2);
  });

  test('with 1007 for text that is not UTF-8', async () => {
    const server = await servers();
    const client = await produce(server, 'batch');
    client.socket.send(Buffer.from([0x5b, 0xff, 0x5d]), { binary: false });
    expect((await client.closed).code).toBe(1007);
  });

  test('with 1008 when there are too many bad messages in a minute', async () => {
    const server = await serve({ channels: { c: { features: ['x'] } }, limits: { maxErrorsPerMinute: 20 } });
    const [client, other] = [await produce(server, 'c'), await produce(server, 'c')];
    for (let n = 0; n < 1_000; n++) client.send('');
    expect(await client.closed).toEqual({ code: 1008, reason: 'too many errors in a minute' });
    expect((await countersOf(server, 'c')).errors).toEqual({ BAD_JSON: 21 });
    await push(other, [[1]]);
  });

  test('when it floods with pings', async () => {
    const server = await serve({ channels: { c: { features: ['x'] } }, limits: { maxPingsPerMinute: 50 } });
    const [client, other] = [await produce(server, 'c'), await produce(server, 'c')];
    for (let n = 0; n < 60; n++) client.socket.ping();
    expect((await client.closed).code).toBe(1006);
    await push(other, [[1]]);
  });

  test('when a message comes in more fragments than any needs', async () => {
    const server = await servers();
    const client = await produce(server, 'batch');
    for (let n = 0; n < 17_000; n++) client.socket.send('', { fin: false });
    expect([1006, 1008]).toContain((await client.closed).code);
    await push(await produce(server, 'batch'), rowsOf(1, 2));
  });
});

test('a producer that does not read its answers is not listened to until it does', async () => {
  const server = await serve({ channels: { c: { features: ['x'], method: 'cumulative' } } });
  const client = await produce(server, 'c');
  const other = await produce(server, 'c');
  client.socket.pause();
  const name = 'p'.repeat(128);
  // some 10 MB of answers, more than the buffers of the system hold
  const COUNT = 60_000;
  for (let seq = 1; seq <= COUNT; seq++) client.send(`{"type":"push","producer":"${name}","seq":${seq},"x":[1]}`);
  // until no rows come but those of the other one
  for (let before = 0, still = 0; still < 20; ) {
    await push(other, [[1]]);
    const { seq } = server.channel('c');
    still = seq === before + 1 ? still + 1 : 0;
    before = seq;
  }
  expect(server.channel('c').seq).toBeLessThan(COUNT);
  client.socket.resume();
  for (let seq = 1; seq <= COUNT; seq++) expect((await client.next()).seq).toBe(seq);
});

async function countersOf(server: RunningServer, channel: string) {
  return ((await getJson(server, `/channels/${channel}`)) as { counters: Record<string, unknown> }).counters;
}
