import { describe, expect, test } from 'vitest';
import type { ServerConfigInput } from '../../src/server/index.ts';
import { Client, getJson, outUrl, produce, push, rowsOf, serve, subscribe } from './clients.ts';
import { stateDir } from './state-dir.ts';

const ewma = { features: ['x'], method: 'ewma' as const, halfLife: 20 };
const from: ServerConfigInput = { listen: { port: 0 }, channels: { a: ewma, b: ewma } };
const with_ = (more: Partial<ServerConfigInput>): ServerConfigInput => ({ ...from, ...more });

describe('a server that reloads its config', () => {
  test('applies limits, origins and the level of the log, and goes on', async () => {
    const server = await serve(from);
    const { client, snapshot } = await subscribe(server, 'a');
    const origin = 'https://a.example';
    await expect(Client.open(outUrl(server, 'a'), { headers: { origin } })).rejects.toThrow('403');
    await server.reload(
      with_({ listen: { port: 0, origins: [origin] }, limits: { maxRowsPerMessage: 2 }, log: { level: 'debug' } }),
    );
    await Client.open(outUrl(server, 'a'), { headers: { origin } });
    const producer = await produce(server, 'a');
    producer.send(rowsOf(3, 1));
    expect(await producer.next()).toMatchObject({ type: 'error', code: 'BAD_DIM' });
    await push(producer, rowsOf(2, 1));
    await client.rows((snapshot.seq as number) + 1, 2);
    expect(server.log.find(({ event }) => event === 'config.reloaded')).toMatchObject({
      fields: { changed: ['listen.origins', 'limits.maxRowsPerMessage', 'log.level'] },
    });
    expect(server.log.some(({ event }) => event === 'connection.opened')).toBe(true);
  });

  test('opens channels that are new and closes those that are gone, whose rows go out and are kept', async () => {
    const state = { dir: stateDir(), every: '1h' };
    const batch = { features: ['x'], size: 100 };
    const server = await serve({ ...from, state, channels: { a: ewma, b: batch } });
    const producer = await produce(server, 'b');
    await push(producer, rowsOf(3, 1));
    const { client } = await subscribe(server, 'b');
    const stays = await subscribe(server, 'a');
    const { epoch } = server.channel('b');
    await server.reload(with_({ state, channels: { a: ewma, c: ewma } }));
    // the open window closes, then it is over
    await client.rows(1, 3);
    expect(await client.next()).toEqual({ type: 'bye', code: 4404 });
    expect((await client.closed).code).toBe(4404);
    expect((await producer.closed).code).toBe(4404);
    expect(Object.keys((await getJson(server, '/channels')) as object)).toEqual(['channels']);
    expect(() => server.channel('b')).toThrow('there are a, c');
    await push(await produce(server, 'c'), rowsOf(1, 1));
    expect(stays.client.socket.readyState).toBe(stays.client.socket.OPEN);
    // back again, it goes on where it was
    await server.reload(with_({ state, channels: { a: ewma, b: batch, c: ewma } }));
    expect(server.channel('b')).toMatchObject({ seq: 3, epoch });
    expect(server.channel('c').seq).toBe(1);
  });

  test.each<[string, Partial<ServerConfigInput>, RegExp]>([
    [
      'that needs a restart',
      { listen: { port: 1, origins: ['https://a.example'] }, channels: { a: { ...ewma, halfLife: 3 }, c: ewma } },
      /a change of listen\.port, channels\.a\.options\.halfLife needs a restart; nothing was applied$/,
    ],
    ['that is wrong', { limits: { maxConnections: 0 }, channels: { a: ewma, c: ewma } }, /limits\.maxConnections/],
    [
      'whose tokens cannot be read',
      { channels: { a: ewma, c: ewma }, auth: { tokens: [{ name: 't', token: { env: 'NOT_SET' }, in: ['*'] }] } },
      /NOT_SET/,
    ],
  ])('applies nothing of one %s, and says why in one place', async (_, more, why) => {
    const server = await serve(from);
    await expect(server.reload(with_(more))).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringMatching(why),
    });
    expect(server.log.at(-1)).toMatchObject({ event: 'config.refused', message: expect.stringMatching(why) });
    expect(() => server.channel('c')).toThrow('there are a, b');
    await subscribe(server, 'b');
    const text = await (await fetch(`${server.url}/metrics`)).text();
    expect(text).toContain('streamnorm_config_reloads_total{result="refused"} 1\n');
  });

  test('lets nobody stay on tokens of before', async () => {
    const server = await serve(from);
    const { client } = await subscribe(server, 'a');
    await server.reload(with_({ auth: { tokens: [{ name: 't', token: { sha256: 'ab'.repeat(32) }, out: ['*'] }] } }));
    expect(await client.next()).toMatchObject({ type: 'bye', code: 1012 });
    expect((await client.closed).code).toBe(1012);
    await expect(Client.open(outUrl(server, 'a'))).rejects.toThrow('401');
  });

  test('twice at once: one after the other', async () => {
    const server = await serve(from);
    await Promise.all([
      server.reload(with_({ channels: { a: ewma } })),
      server.reload(with_({ channels: { a: ewma, d: ewma } })),
    ]);
    expect(Object.values((await getJson(server, '/channels')) as object)[0]).toMatchObject([
      { name: 'a' },
      { name: 'd' },
    ]);
  });
});
