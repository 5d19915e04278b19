import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFrame } from '../../src/websocket/frame.ts';
import { type Client, expectFinite, getJson, produce, rowsOf, serve, subscribe } from './clients.ts';

/*
 * Anything at all, over a real socket. Whatever a message holds: the server lives, no number that is not finite is in a
 * statistic or goes out, a message is answered or taken whole, and the next good push works.
 */

const features = ['a', 'constructor'];
const numbers = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, Infinity, 2 ** 480, 2 ** 481),
);
const names = fc.oneof(
  fc.constantFrom('a', 'constructor', '__proto__', 'toString', 'type', 'x', 't', 'seq', 'producer'),
  fc.string(),
);
const cell = fc.oneof({ weight: 6, arbitrary: numbers }, fc.constant(null), fc.boolean(), fc.string());
const row = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(cell, cell) },
  fc.array(cell, { maxLength: 4 }),
  fc.dictionary(names, cell),
  fc.record({ a: cell, constructor: cell }, { requiredKeys: [] }),
);
const body = fc.oneof(row, fc.array(row, { maxLength: 6 }), cell, fc.jsonValue());
const envelope = fc.record(
  {
    type: fc.constantFrom('push', 'push', 'push', 'snapshot', 1),
    producer: fc.oneof(fc.constantFrom('p', '__proto__', 'constructor'), fc.string(), cell),
    seq: fc.oneof(fc.nat(50), cell),
    t: fc.oneof(numbers, fc.array(numbers, { maxLength: 6 }), fc.jsonValue()),
    x: body,
  },
  { requiredKeys: ['x'] },
);
const json = fc.oneof(body, envelope).map(textOf);
const broken = fc.tuple(json, fc.nat(), fc.string({ maxLength: 3 })).map(([text, at, junk]) => {
  const cut = at % (text.length + 1);
  return text.slice(0, cut) + junk + text.slice(cut + junk.length);
});
const text = fc.oneof({ weight: 4, arbitrary: json }, broken, fc.string({ unit: 'binary' }));

const frame = fc
  .record({
    dtype: fc.constantFrom('f32' as const, 'f64' as const),
    rows: fc.integer({ min: 1, max: 6 }),
    columns: fc.oneof({ weight: 5, arbitrary: fc.constant(2) }, fc.integer({ min: 1, max: 4 })),
    time: fc.oneof(fc.double({ noDefaultInfinity: true }), fc.constant(0)),
    values: fc.array(numbers, { minLength: 24, maxLength: 24 }),
  })
  .map(({ dtype, rows, columns, time, values }) =>
    encodeFrame({
      ...{ kind: 'push', dtype, rows, columns, time, seq: 0 },
      values: Float64Array.from(values.slice(0, rows * columns)),
    }),
  );
const bentFrame = fc
  .tuple(
    frame,
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
    fc.integer({ min: -9, max: 9 }),
  )
  .map(([bytes, changes, longer]) => {
    const bent = new Uint8Array(Math.max(0, bytes.length + longer));
    bent.set(bytes.subarray(0, bent.length));
    // mostly the header, where it matters
    for (const [at, value] of changes) bent[at % (at % 3 === 0 ? bent.length : 40)] = value;
    return bent;
  });
const binary = fc.oneof(
  { weight: 2, arbitrary: frame },
  { weight: 3, arbitrary: bentFrame },
  fc.uint8Array({ maxLength: 200 }),
);

test.each(['batch', 'ewma', 'cumulative'] as const)(
  'whatever a producer sends to %s, the next good push works',
  async (method) => {
    const server = await serve({
      channels: {
        c: { features, method, ...(method === 'batch' && { size: 3 }), ...(method === 'ewma' && { halfLife: '5s' }) },
      },
      limits: { maxErrorsPerMinute: 1_000_000 },
    });
    const client = await produce(server, 'c');
    const { client: reader } = await subscribe(server, 'c', '?include=z,raw,stats,flags&digits=17');
    const { client: binaryReader } = await subscribe(server, 'c', '?format=f64&include=raw');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(text, binary), { minLength: 1, maxLength: 20 }), async (messages) => {
        const before = (await countersOf(server)).messages;
        for (const message of messages) client.send(message);
        await nextGoodPush(client);
        expect((await countersOf(server)).messages).toBe(before + messages.length + 1);
        expectFinite(server.channel('c').state());
        expectFinite(server.channel('c').report());
      }),
      { numRuns: 150 },
    );
    // what went out, all of it
    const { seq } = server.channel('c');
    let last = 0;
    while (last < seq) last += ((await reader.next()) as unknown as { z: unknown[] }).z.length;
    for (const out of reader.texts) expect(out).not.toMatch(/Infinity|NaN/);
    for (last = 0; last < seq; ) {
      const { rows, values } = await binaryReader.frames.next();
      expect(values.some((x) => Math.abs(x) === Infinity)).toBe(false);
      last += rows;
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(client.socket.readyState).toBe(client.socket.OPEN);
  },
);

let pushes = 0;

/** Waits for its own answer, passing over those to what came before. */
async function nextGoodPush(client: Client): Promise<void> {
  const producer = `good ${++pushes}`;
  client.send({ type: 'push', producer, seq: 1, x: rowsOf(4, 2, pushes) });
  await client.said.find((said) => said.type === 'accepted' && said.producer === producer);
}

/** JSON as a careless producer writes it, with 1e309 and -0. */
function textOf(value: unknown): string {
  if (typeof value === 'number')
    return Number.isNaN(value) ? 'NaN' : Object.is(value, -0) ? '-0' : String(value).replace('Infinity', '1e309');
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, each]) => `${JSON.stringify(name)}:${textOf(each)}`)
    .join()}}`;
}

async function countersOf(server: { url: string }) {
  return ((await getJson(server, '/channels/c')) as { counters: { messages: number } }).counters;
}
