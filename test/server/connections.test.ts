import { describe, expect, test } from 'vitest';
import type { ServerConfigInput } from '../../src/server/index.ts';
import { highest } from '../../src/server/peer-list.ts';
import { Client, getJson, outUrl, produce, push, serve, subscribe } from './clients.ts';

interface Details {
  producers: number;
  subscribers: number;
  connections: { in: Record<string, unknown>[]; out: Record<string, unknown>[] };
}

const channels: ServerConfigInput['channels'] = {
  c: { features: ['x'], method: 'ewma', alpha: 0.5 },
  other: { features: ['x'] },
};
const ADMIN = 'admin-0123456789';
const READER = 'reader-0123456789';

describe('/channels/<channel> lists who is connected', () => {
  test('producers with what they pushed and what was refused, subscribers with what they asked for', async () => {
    const server = await serve({ channels });
    await subscribe(server, 'c', '?include=z,raw&onSlow=drop&maxRate=500');
    await subscribe(server, 'other');
    const producer = await produce(server, 'c');
    await push(producer, [[1], [2]]);
    producer.send([1, 2]);
    await producer.find('error');
    const { connections } = (await getJson(server, '/channels/c')) as Details;
    expect(connections).toEqual({
      in: [
        {
          ...{ address: '127.0.0.1', connectedMs: expect.any(Number), queuedBytes: 0 },
          ...{ rows: 2, refused: 1, silentMs: expect.any(Number) },
        },
      ],
      out: [
        {
          ...{ address: '127.0.0.1', connectedMs: expect.any(Number), queuedBytes: 0 },
          ...{ format: 'json', include: ['z', 'raw'], onSlow: 'drop', maxRate: 500 },
          ...{ lagRows: 0, skippedRows: 0, stalenessMs: null },
        },
      ],
    });
  });

  test('no more than maxListed of each, and how many there are beside', async () => {
    const server = await serve({ channels, limits: { maxListed: 2 } });
    for (let i = 0; i < 3; i++) {
      await subscribe(server, 'c');
      await produce(server, 'c');
    }
    const { connections, producers, subscribers } = (await getJson(server, '/channels/c')) as Details;
    expect([connections.in.length, connections.out.length, producers, subscribers]).toEqual([2, 2, 3, 3]);
  });

  test('addresses and holders of tokens are for those who administer the channel', async () => {
    const tokens = [
      { name: 'chief', token: { env: 'ADMIN' }, admin: ['*'] },
      { name: 'reader', token: { env: 'READER' }, out: ['*'] },
    ];
    const server = await serve({ channels, auth: { tokens } }, { ADMIN, READER });
    await Client.open(outUrl(server, 'c'), { headers: { authorization: `Bearer ${READER}` } });
    const asked = async (token: string) => {
      const response = await fetch(`${server.url}/channels/c`, { headers: { authorization: `Bearer ${token}` } });
      return ((await response.json()) as Details).connections.out[0];
    };
    expect(await asked(ADMIN)).toMatchObject({ address: '127.0.0.1', holder: 'token:reader' });
    const seen = await asked(READER);
    expect(seen).toMatchObject({ format: 'json' });
    expect(Object.keys(seen)).not.toEqual(expect.arrayContaining(['address']));
    expect(Object.keys(seen)).not.toEqual(expect.arrayContaining(['holder']));
  });

  test('of a channel with keys those that came last, the newest first', async () => {
    const keyed: ServerConfigInput['channels'] = { c: { features: ['x'], method: 'ewma', alpha: 0.5, key: 'k' } };
    const server = await serve({ channels: keyed, limits: { maxListed: 2 } });
    const producer = await produce(server, 'c');
    producer.send({ type: 'push', x: [1, 2, 3, 4].map((x, i) => ({ k: ['a', 'b', 'c', 'a'][i], x })) });
    await producer.find('accepted');
    expect(await getJson(server, '/channels/c')).toMatchObject({ keys: 3, recentKeys: ['a', 'c'] });
  });
});

test('highest keeps those of the highest score, highest first, whatever comes', () => {
  const numbers = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 1009);
  const sorted = numbers.toSorted((a, b) => b - a);
  for (const most of [0, 1, 3, 100, 2000]) expect(highest(numbers, most, (n) => n)).toEqual(sorted.slice(0, most));
});
