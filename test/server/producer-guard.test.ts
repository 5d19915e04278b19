import { expect, test } from 'vitest';
import { bearer } from './auth/tokens.ts';
import { Client, getJson, produce, push, type Said, serve, subscribe } from './clients.ts';
import { parseExposition } from './exposition.ts';

const warm = Array.from({ length: 20 }, (_, i) => [Math.sin(i)]);
const channel = (guard: object) => ({
  features: ['x'],
  method: 'cumulative' as const,
  producerGuard: { minSamples: 10, ...guard },
});
const about = async (server: { url: string }, name: string) => (await getJson(server, `/channels/${name}`)) as Said;

test('rows of a mad producer go out flagged and unlearned, and are counted and told by producer, once a minute', async () => {
  const server = await serve({ channels: { c: channel({}), sane: channel({}) } });
  const { client: reader } = await subscribe(server, 'c', '?include=z,flags');
  const [sane, mad, alone] = await Promise.all([produce(server, 'c'), produce(server, 'c'), produce(server, 'sane')]);
  for (const client of [sane, alone]) await push(client, warm, 'sane');
  await push(mad, [[0.5], [1e6], [-0.5]], 'mad');
  await push(mad, [[2e6]], 'mad');
  mad.send([[3e6]]);
  await push(alone, [[0.5], [-0.5]], 'sane');
  const blocks = (await reader.rows(1, 25)).slice(1);
  expect(blocks.flatMap(({ flags }) => flags)).toEqual([
    [],
    ...[['range', 'quarantined'], []],
    ...[
      ['range', 'quarantined'],
      ['range', 'quarantined'],
    ],
  ]);
  expect(blocks.flatMap(({ z }) => z).map(([z]) => z === null)).toEqual([false, true, false, true, true]);
  const { state, guardedRows, counters } = await about(server, 'c');
  expect(state).toEqual((await about(server, 'sane')).state);
  expect(guardedRows).toEqual({ mad: 2, 'connection:2': 1 });
  expect(counters).toMatchObject({ rows: 25, flags: { range: 3, quarantined: 3 } });
  const families = parseExposition(await (await fetch(`${server.url}/metrics`)).text());
  expect(families.get('streamnorm_guarded_rows_total')?.samples.map(({ labels, value }) => [labels, value])).toEqual([
    [{ channel: 'c', producer: 'mad' }, 2],
    [{ channel: 'c', producer: 'connection:2' }, 1],
  ]);
  const told = server.log.filter(({ event }) => event === 'producer.guarded').map(({ fields }) => fields);
  expect(told).toEqual([
    { channel: 'c', producer: 'mad', rows: 1 },
    { channel: 'c', producer: 'connection:2', rows: 1 },
  ]);
});

test("action 'drop': they go to nobody, and are counted", async () => {
  const server = await serve({ channels: { c: channel({ action: 'drop' }) } });
  const client = await produce(server, 'c');
  await push(client, warm);
  await push(client, [[1e6], [0.5]]);
  const { seq, counters, guardedRows } = await about(server, 'c');
  expect([seq, guardedRows]).toEqual([21, { test: 1 }]);
  expect(counters).toMatchObject({ flags: { range: 1, quarantined: 1, dropped: 1 } });
});

test("action 'refuse': BAD_VALUE with the row, and nothing of the message is applied", async () => {
  const server = await serve({ channels: { c: channel({ action: 'refuse', maxZ: 20 }) } });
  const client = await produce(server, 'c');
  await push(client, warm);
  const { state } = await about(server, 'c');
  client.send({ type: 'push', producer: 'p', seq: 1, x: [[0.5], [1e6]] });
  expect(await client.next()).toEqual({
    ...{ type: 'error', code: 'BAD_VALUE', row: 1, retry: false },
    message: 'row 1 is more than 20 standard deviations from the mean of the channel (producerGuard)',
  });
  expect(await about(server, 'c')).toMatchObject({ state, seq: 20, guardedRows: { p: 1 } });
  // its number was not used up
  client.send({ type: 'push', producer: 'p', seq: 1, x: [[0.5]] });
  expect(await client.next()).toEqual({ type: 'accepted', producer: 'p', seq: 1 });
});

test('a level that all producers have shifted to is followed after releaseRows rows and releaseAfter', async () => {
  const server = await serve({ channels: { c: channel({ releaseRows: 5, releaseAfter: 50 }) } });
  const clients = await Promise.all(['a', 'b'].map(() => produce(server, 'c')));
  await push(clients[0]!, warm, 'a');
  await push(clients[1]!, warm, 'b');
  let guarded = 0;
  for (let rows = 0; ; rows++) {
    for (const [i, client] of clients.entries()) await push(client, [[1e6 + Math.sin(rows)]], 'ab'[i]);
    const { a, b } = (await about(server, 'c')).guardedRows as Record<string, number>;
    expect([a! >= 5, b! >= 4].every(Boolean) || rows < 5).toBe(true);
    if (a! + b! === guarded) break;
    guarded = a! + b!;
  }
  const { stats } = (await about(server, 'c')) as unknown as { stats: { mean: number[] } };
  expect(stats.mean[0]).toBeGreaterThan(1e4);
});

test('who has a token is counted by it, beyond maxGuardedProducers of all others together', async () => {
  const tokens = [{ name: 'feed', token: { env: 'FEED' }, in: ['*'], out: ['*'] }];
  const token = 'token-of-the-feed-0123456789';
  const server = await serve(
    { channels: { c: channel({}) }, auth: { tokens }, limits: { maxGuardedProducers: 2 } },
    { FEED: token },
  );
  const client = await Client.open(`${server.url.replace('http', 'ws')}/in/c`, { headers: bearer(token) });
  await push(client, warm, 'p');
  await push(client, [[1e6]], 'p');
  client.send([[1e6]]);
  await push(client, [[1e6]], '__proto__');
  await push(client, [[1e6]], 'q');
  const response = await fetch(`${server.url}/channels/c`, { headers: bearer(token) });
  expect((await response.json()).guardedRows).toEqual({ 'token:feed/p': 1, 'token:feed': 1, '': 2 });
});

test('given statistics are a guard from the first row on', async () => {
  const frozen = { features: ['x'], method: 'frozen' as const, mean: [0], std: [1], producerGuard: {} };
  const server = await serve({ channels: { c: frozen } });
  const client = await produce(server, 'c');
  await push(client, [[49], [51]]);
  expect((await about(server, 'c')).guardedRows).toEqual({ test: 1 });
});

test('together with quarantine each keeps out what it judges, and a message is refused whole', async () => {
  const both = { ...channel({}), quarantine: 'flag' as const, range: { x: [-1, null] as [number, null] } };
  const server = await serve({ channels: { c: both, strict: { ...channel({}), missing: 'error' as const } } });
  const client = await produce(server, 'c');
  await push(client, warm);
  await push(client, [[1e6], [-2], [0.5], [null]]);
  const { counters, stats } = (await about(server, 'c')) as unknown as Record<string, Record<string, unknown>>;
  expect(counters!.flags).toMatchObject({ quarantined: 3, range: 2, missing: 1 });
  expect(stats!.rows).toBe(21);
  const strict = await produce(server, 'strict');
  await push(strict, warm);
  const { state } = await about(server, 'strict');
  strict.send([[1e6], [null]]);
  expect(await strict.next()).toMatchObject({ code: 'BAD_VALUE', row: 1 });
  expect((await about(server, 'strict')).state).toEqual(state);
});

test.each([
  [{ maxZ: 0 }, 'producerGuard.maxZ'],
  [{ action: 'clip' }, 'producerGuard.action'],
  [{ releaseAfter: 'soon' }, 'producerGuard.releaseAfter'],
  [{ maxz: 3 }, 'producerGuard'],
])('a wrong guard is an error of the config with its path: %j', async (producerGuard, path) => {
  const config = { channels: { c: { features: ['x'], producerGuard } } } as never;
  await expect(serve(config)).rejects.toThrow(new RegExp(`^the config has 1 error:\\n  channels\\.c\\.${path}: `));
});

test('a channel with keys has none: what is common to a producer is not to a key', async () => {
  const config = { channels: { c: { features: ['x'], key: 'k', producerGuard: {} } } };
  await expect(serve(config)).rejects.toThrow('channels.c.producerGuard: is not possible with key');
});
