import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { encodeFrame } from '../../src/websocket/frame.ts';
import { Client, getJson, outUrl, produce, push, rowsOf, serve, subscribe } from './clients.ts';
import { PROMISED, producible } from './wire-contract.ts';

const watched = { drift: 'page-hinkley', driftThreshold: 1, driftDelta: 0 };
const channels = { c: { features: ['x', 'y'], method: 'cumulative' as const, history: 4, ...watched } };
const official = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object;

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

function* refsIn(node: Json): Generator<string> {
  if (typeof node !== 'object' || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    if (key === '$ref' && typeof value === 'string') yield value;
    else yield* refsIn(value);
  }
}

test('/asyncapi.json is a document of AsyncAPI 3 whose references all lead somewhere', async () => {
  const document = (await getJson(await serve({ channels }), '/asyncapi.json')) as { [name: string]: Json };
  const validate = new Ajv({ strict: false, meta: false, validateSchema: false, validateFormats: false }).compile(
    official,
  );
  expect(validate(document), JSON.stringify(validate.errors?.slice(0, 5))).toBe(true);
  const refs = [...refsIn(document)];
  expect(refs.length).toBeGreaterThan(10);
  for (const ref of refs) {
    const found = ref
      .slice(2)
      .split('/')
      .reduce<Json | undefined>((node, key) => (node as { [name: string]: Json })?.[key], document);
    expect(found, ref).toBeDefined();
  }
});

test('every message that it promises goes over the wire as it says, and no other', async () => {
  const server = await serve({ channels, limits: { heartbeatMs: 1, conflateAboveBytes: 1_024 } });
  const seen = new Set<string>();
  // every client checks what it hears against the document, and fails the test for a fault
  const heard = (role: 'in' | 'out', client: Client) => {
    for (const text of client.texts) seen.add(`${role}.${JSON.parse(text).type}`);
  };
  const sent: unknown[] = [
    [1, 2],
    { x: 1, y: null, other: 'ignored' },
    [
      [1, 2],
      [3, null],
    ],
    [{ x: 1 }, { y: 2 }],
    { type: 'push', x: [5, 6] },
    { type: 'push', producer: 'p', seq: 1, t: 1_000, x: { x: 7 } },
    { type: 'push', producer: 'p', seq: 2, t: [1_000, 2_000], x: rowsOf(2, 2) },
  ];
  const { client: all } = await subscribe(server, 'c', '?include=z,raw,flags,stats');
  const { client: frames } = await subscribe(server, 'c', '?format=f64');
  const { client: slow } = await subscribe(server, 'c', '?maxRate=1');
  const producer = await produce(server, 'c');
  for (const message of sent) {
    expect(producible(message), JSON.stringify(message)).toBe(true);
    seen.add(`in.${(message as { type?: string }).type ?? 'samples'}`);
    producer.send(message);
  }
  producer.send(
    encodeFrame({ kind: 'push', dtype: 'f64', rows: 1, columns: 2, values: Float64Array.of(1, 2), seq: 0, time: 0 }),
  );
  for (const bad of ['{', '[1]', { type: 'push', x: [1, 2], seq: -1 }, ['a', 'b']]) {
    producer.send(bad);
    await producer.find('error');
  }
  await push(producer, rowsOf(50, 2), 'q');
  expect((await frames.frames.next()).rows).toBe(1);
  // a second one in this second, by maxRate: what came between is skipped
  await slow.said.find((said) => said.type === 'next' && said.skipped !== undefined);
  all.send('a subscriber says nothing');
  await all.find('error');
  await all.find('heartbeat');
  const epoch = server.channel('c').epoch;
  const late = await Client.open(outUrl(server, 'c', `?since=${epoch}.1`));
  await late.find('snapshot');
  const lost = await Client.open(outUrl(server, 'c', `?since=${epoch}.1000000`));
  await lost.find('snapshot');
  const nowhere = await Client.open(`${server.url.replace('http', 'ws')}/out/none`);
  await nowhere.closed;
  await server.close();
  await Promise.all([all, late, producer].map(({ closed }) => closed));
  heard('in', producer);
  for (const client of [all, frames, slow, late, lost, nowhere]) heard('out', client);
  expect([...seen].toSorted()).toEqual(PROMISED.toSorted());
});
