import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createNormalizer, type MethodOptions } from '../../src/core/methods.ts';
import type { Checkpoint } from '../../src/server/checkpoint.ts';
import { type Client, getJson, type Next, produce, push, rowsOf, serve, stateHash, subscribe } from './clients.ts';
import { startProcess } from './server-process.ts';
import { stateDir } from './state-dir.ts';

interface Flagged extends Next {
  raw: (number | null)[][];
  flags: string[][];
}

/** The next rows out, one by one, whose numbers go on without a hole. */
async function rowsFrom(client: Client, first: number, count: number) {
  const blocks = (await client.rows(first, count)) as Flagged[];
  return blocks.flatMap(({ z, raw, flags }) => z.map((row, i) => ({ z: row[0], x: raw[i][0], flags: flags[i] })));
}

const counters = async (server: { url: string }) =>
  ((await getJson(server, '/channels/c')) as { counters: { rows: number; flags: Record<string, number> } }).counters;

const metrics = async (server: { url: string }) => (await fetch(`${server.url}/metrics`)).text();

describe('lateness', () => {
  test('rows leave by their own times, late ones at once and flagged, and the numbers go on without a hole', async () => {
    const channel = { features: ['x'], time: 'at', within: 10, lateness: 5, eps: 0 };
    const server = await serve({ channels: { c: channel } });
    const { client } = await subscribe(server, 'c', '?include=z,raw,flags');
    const producer = await produce(server, 'c');
    for (const at of [1, 12, 4, 27, 3, 41]) await push(producer, { x: at, at });
    expect(await rowsFrom(client, 1, 5)).toEqual([
      { x: 1, z: -1, flags: [] },
      { x: 4, z: 1, flags: [] },
      { x: 12, z: 0, flags: ['single'] },
      { x: 3, z: null, flags: ['late', 'quarantined'] },
      { x: 27, z: 0, flags: ['single'] },
    ]);
    expect(await counters(server)).toMatchObject({ rows: 6, flags: { late: 1, quarantined: 1 } });
    expect(await metrics(server)).toMatch(/streamnorm_flagged_rows_total\{channel="c",flag="late"\} 1/);
  });

  test('a time without a zone is UTC, wherever the server is', async () => {
    const server = await serve({ channels: { c: { features: ['x'], time: 'at', method: 'cumulative' } } });
    const { client } = await subscribe(server, 'c');
    await push(await produce(server, 'c'), { x: 1, at: '2024-11-05 12:00:00' });
    expect((await client.rows(1, 1))[0].t).toEqual([Date.UTC(2024, 10, 5, 12)]);
  });
});

describe('windows by arrival', () => {
  test.each([
    ['gap', { gap: 30 }],
    ['within and every', { within: 60, every: 30 }],
  ])('%s: a window closes by the clock, though no more rows come', async (_, options) => {
    const server = await serve({ channels: { c: { features: ['x'], eps: 0, ...options } } });
    const { client } = await subscribe(server, 'c');
    const producer = await produce(server, 'c');
    await push(producer, [[1], [3]]);
    expect((await client.rows(1, 2)).flatMap(({ z }) => z)).toEqual([[-1], [1]]);
    await push(producer, [[5]]);
    await client.rows(3, 1);
  });
});

describe('quarantine', () => {
  test("'flag' lets bad rows out at once without values, and tells why", async () => {
    const channel = { features: ['x'], size: 2, eps: 0, quarantine: 'flag', range: { x: [0, 10] as [number, number] } };
    const server = await serve({ channels: { c: channel as never } });
    const { client } = await subscribe(server, 'c', '?include=z,raw,flags');
    const producer = await produce(server, 'c');
    await push(producer, [[1], [99], [null], [3]]);
    expect(await rowsFrom(client, 1, 4)).toEqual([
      { x: 99, z: null, flags: ['range', 'quarantined'] },
      { x: null, z: null, flags: ['missing', 'quarantined'] },
      { x: 1, z: -1, flags: [] },
      { x: 3, z: 1, flags: [] },
    ]);
    expect(await counters(server)).toMatchObject({ flags: { quarantined: 2, range: 1, missing: 1 } });
  });

  test("'drop' lets them out to nobody, and counts them; the numbers go on without a hole", async () => {
    const server = await serve({ channels: { c: { features: ['x'], method: 'cumulative', quarantine: 'drop' } } });
    const { client } = await subscribe(server, 'c', '?include=z,raw,flags');
    const producer = await produce(server, 'c');
    await push(producer, [[1], [null], [3]]);
    await push(producer, [[null]]);
    await push(producer, [[5]]);
    expect((await rowsFrom(client, 1, 3)).map(({ x }) => x)).toEqual([1, 3, 5]);
    expect(await counters(server)).toMatchObject({ rows: 5, flags: { dropped: 2, missing: 2 } });
    expect(await metrics(server)).toMatch(/flagged_rows_total\{channel="c",flag="dropped"\} 2/);
  });

  test("missing: 'error' refuses the push with its row, and its number may be sent again", async () => {
    const server = await serve({ channels: { c: { features: ['x'], size: 4, missing: 'error' } } });
    const producer = await produce(server, 'c');
    await push(producer, [[1], [2]]);
    const before = await stateHash(server, 'c');
    producer.send({ type: 'push', producer: 'test', seq: 2, x: [[3], [4], [null]] });
    expect(await producer.next()).toEqual({
      type: 'error',
      code: 'BAD_VALUE',
      message: "row 2 has no value of x (missing: 'error')",
      row: 2,
      retry: false,
    });
    expect(await stateHash(server, 'c')).toBe(before);
    await push(producer, [[3], [4]]);
    expect(await counters(server)).toMatchObject({ rows: 4, duplicates: 0 });
  });
});

describe('a server that is killed with windows open', () => {
  const features = ['a', 'b', 'c'];
  const KINDS: MethodOptions[] = [
    { size: 16, every: 4 },
    { gap: '1h', size: 24 },
    { within: 16, lateness: 8 },
    { within: 16, every: 4, lateness: 8, quarantine: 'flag' },
  ];

  test.each(KINDS)('%j: goes on from its checkpoint as if it had never stopped', async (options) => {
    const dir = stateDir();
    const channels = { c: { features, time: 't', ...options } as never };
    const rows = rowsOf(200, 3).map(([a, b, c], i) => ({ a, b, c, t: 1_000 + i + ((i * 7) % 5) }));
    const file = join(dir, 'c.json');
    const first = await startProcess({ state: { dir, every: 20 }, channels });
    const producer = await produce(first, 'c');
    await push(producer, rows.slice(0, 90));
    const taken = () => {
      const { producers } = JSON.parse(readFileSync(file, 'utf8')) as Checkpoint;
      return producers.length > 0;
    };
    // each question is a turn of the server, which saves meanwhile
    while (!taken()) await getJson(first, '/channels/c');
    expect(await first.end('SIGKILL')).toBe('SIGKILL');

    const offline = createNormalizer('batch', features, options);
    const flat = (part: typeof rows) => Float64Array.from(part.flatMap(({ a, b, c }) => [a, b, c]));
    const times = (part: typeof rows) => Float64Array.from(part, ({ t }) => t);
    const [head, tail] = [rows.slice(0, 90), rows.slice(90)];
    offline.push(flat(head), 90, times(head));

    const second = await startProcess({ state: { dir, every: '1h' }, channels });
    const { client, snapshot } = await subscribe(second, 'c', '?digits=17');
    const again = await produce(second, 'c');
    // the sequence of the producer goes on: the first push had number 1
    again.send({ type: 'push', producer: 'test', seq: 1, x: head });
    expect(await again.next()).toMatchObject({ type: 'accepted', seq: 1 });
    again.send({ type: 'push', producer: 'test', seq: 2, x: tail });
    expect(await again.next()).toMatchObject({ type: 'accepted', seq: 2 });
    const expected = offline.push(flat(tail), tail.length, times(tail));
    const out = await client.rows(snapshot.seq + 1, expected?.rows ?? 0);
    expect(out.flatMap(({ z }) => z.flat())).toEqual(
      Array.from(expected?.z ?? [], (z) => (Number.isNaN(z) ? null : z)),
    );
    const { state, pending } = (await getJson(second, '/channels/c')) as Record<string, unknown>;
    expect([state, pending]).toEqual([JSON.parse(JSON.stringify(offline.state())), offline.pending]);
  });
});
