import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect } from 'vitest';
import { encodeFrame } from '../../src/websocket/frame.ts';
import { Client, getJson, type Next, outUrl, produce, push, rowsOf, subscribe } from '../server/clients.ts';
import type { ServerProcess } from '../server/server-process.ts';
import { besideBystander, mib, type Scene } from './beside-bystander.ts';
import { fault } from './fault.ts';

const features = ['a', 'b'];

interface About {
  seq: number;
  state: unknown;
  counters: { messages: number; rows: number; duplicates: number; errors: Record<string, number> };
}

const about = (server: ServerProcess, channel: string) => getJson(server, `/channels/${channel}`) as Promise<About>;

let refusals = 0;

/** Sends each and checks how it is refused, that the socket stays, and that nothing but counters has moved. */
async function refused(
  server: ServerProcess,
  channel: string,
  bad: readonly (readonly [message: string | Uint8Array, code: string, row?: number])[],
): Promise<void> {
  const client = await produce(server, channel);
  const before = await about(server, channel);
  const codes: Record<string, number> = { ...before.counters.errors };
  for (const [message, code, row] of bad) {
    client.send(message);
    const { message: why, ...said } = await client.next();
    expect(said).toEqual({ type: 'error', code, retry: false, ...(row !== undefined && { row }) });
    expect(why).toMatch(/^.{10,300}$/s);
    codes[code] = (codes[code] ?? 0) + 1;
  }
  const after = await about(server, channel);
  expect([after.seq, after.state]).toEqual([before.seq, before.state]);
  expect(after.counters).toMatchObject({ rows: before.counters.rows, errors: codes });
  await push(client, rowsOf(1, 2), `after ${++refusals}`);
  expect((await about(server, channel)).counters.rows).toBe(before.counters.rows + 1);
}

/** A WebSocket by hand, to send what no library sends. */
async function rawSocket(scene: Scene, path: string): Promise<Socket> {
  const { hostname, port } = new URL(scene.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await once(socket, 'data');
  return socket;
}

/** A frame of a client, masked with zeros. */
function masked(firstByte: number, payload: Uint8Array): Buffer {
  expect(payload.length).toBeLessThan(65_536);
  const header =
    payload.length < 126
      ? [firstByte, 0x80 | payload.length]
      : [firstByte, 0xfe, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([...header, 0, 0, 0, 0]), payload]);
}

/** Writes until the other side ends it, in pieces as the network takes them. */
async function flood(socket: Socket, piece: Buffer, pieces: number): Promise<'cut' | 'taken'> {
  socket.resume();
  // not `once` of node:events, which an error before the close would reject
  const cut = new Promise<'cut'>((resolve) => socket.once('close', () => resolve('cut')));
  for (let n = 0; n < pieces && socket.writable; n++) {
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), cut]);
  }
  // what is not cut is answered for ever
  return Promise.race([cut, new Promise<'taken'>((resolve) => setTimeout(resolve, 10_000, 'taken').unref())]);
}

const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('Frames and numbers', () => {
  fault('frame-too-large', async (run) => {
    let codes: number[] = [];
    const { memory } = await besideBystander(run, { channels: { d: { features } } }, async ({ server }) => {
      const producer = await produce(server, 'd');
      const { client: subscriber } = await subscribe(server, 'd');
      // of spaces: whoever parsed it would answer
      producer.send(' '.repeat(1_048_577));
      subscriber.send(' '.repeat(16_385));
      codes = [(await producer.closed).code, (await subscriber.closed).code];
      expect([producer.texts, (await about(server, 'd')).counters.messages]).toEqual([[], 0]);
      // and what is just within is read
      const within = await produce(server, 'd');
      within.send(`[1,2]${' '.repeat(1_048_576 - 5)}`);
      while ((await about(server, 'd')).counters.rows < 1);
      const reader = (await subscribe(server, 'd')).client;
      reader.send(' '.repeat(16_384));
      expect(await reader.find('error')).toMatchObject({ code: 'READ_ONLY' });
    });
    expect(codes).toEqual([1009, 1009]);
    run.seen(`1009 from both sides, no message counted, ${mib(memory.afterBytes - memory.beforeBytes)} kept`);
  });

  fault('frame-floods', async (run) => {
    const channels = { d: { features } };
    let empty: { code: number } | undefined;
    let errors = 0;
    await besideBystander(run, { channels }, async (scene) => {
      const fragments = await rawSocket(scene, '/in/d');
      fragments.write(masked(0x01, Buffer.alloc(0)));
      expect(await flood(fragments, masked(0x00, Buffer.alloc(0)), 17_000)).toBe('cut');
      const pings = await rawSocket(scene, '/out/d');
      expect(await flood(pings, masked(0x89, Buffer.alloc(125)), 100_000)).toBe('cut');
      expect((await about(scene.server, 'd')).counters.messages).toBe(0);
      const client = await produce(scene.server, 'd');
      for (let n = 0; n < 100_000 && client.socket.readyState === client.socket.OPEN; n++) {
        client.send('');
        if (n % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      empty = await client.closed;
      errors = (await about(scene.server, 'd')).counters.errors.BAD_JSON!;
    });
    expect([1006, 1008]).toContain(empty!.code);
    expect(errors).toBe(1_001);
    run.seen('all three cut: fragments by 1008, pings torn down, empty messages by 1008 after 1,000 errors');
  });

  fault('json-bad', async (run) => {
    const channels = { d: { features } };
    let closed: { code: number; reason: string } | undefined;
    const bad = [
      '[1, 2',
      '',
      '\ufeff[1, 2]',
      'null',
      '[]',
      '"text"',
      '[NaN, 1]',
      "{'a': 1}",
      '\0',
      deep(200_000),
      `{"a":${deep(200_000)}}`,
    ];
    await besideBystander(run, { channels }, async ({ server }) => {
      await refused(
        server,
        'd',
        bad.map((message) => [message, 'BAD_JSON']),
      );
      // small enough to be parsed before its depth is known
      await refused(server, 'd', [[deep(1_000), 'BAD_JSON', 0]]);
      const client = await produce(server, 'd');
      for (let n = 0; n <= 1_000; n++) client.send(bad[n % bad.length]!.slice(0, 100));
      closed = await client.closed;
    });
    expect(closed).toEqual({ code: 1008, reason: 'too many errors in a minute' });
    run.seen(`${bad.length} forms refused, the socket stayed; 1008 after 1,000 in a minute`);
  });

  fault('names-hostile', async (run) => {
    const names = ['constructor', 'toString', 'hasOwnProperty', 'valueOf'];
    const channels = { d: { features: names, method: 'cumulative' as const }, constructor: { features } };
    await besideBystander(run, { channels }, async ({ server, url }) => {
      const { client: reader } = await subscribe(server, 'd', '?include=raw,flags');
      const client = await produce(server, 'd');
      const sent = JSON.parse(
        '{"constructor":1,"toString":2,"__proto__":{"hasOwnProperty":3,"polluted":true}}',
      ) as object;
      // a name that every object has is a feature only where the row has it
      client.send(JSON.stringify(sent).replace('}}', '},"hasOwnProperty":3}'));
      expect(await reader.find<Next>('next')).toMatchObject({ raw: [[1, 2, 3, null]] });
      client.send('{"__proto__":{"constructor":1,"toString":1,"hasOwnProperty":1,"valueOf":1}}');
      expect(await client.next()).toMatchObject({ type: 'error', code: 'BAD_DIM', row: 0 });
      // producers of such names are producers like others
      for (const producer of ['__proto__', 'constructor', 'toString']) {
        for (const seq of [1, 2, 2]) {
          client.send({ type: 'push', producer, seq, x: [1, 2, 3, 4] });
          expect(await client.next()).toEqual({ type: 'accepted', producer, seq });
        }
      }
      expect((await about(server, 'd')).counters).toMatchObject({ rows: 7, duplicates: 3 });
      client.send('{"type":"push","x":[1,2,3,4],"__proto__":{"producer":"p","seq":1}}');
      expect(await client.next()).toEqual({ type: 'accepted' });
      // so are channels, where there is one
      await push(await produce(server, 'constructor'), [1, 2]);
      for (const name of ['__proto__', 'toString', 'hasOwnProperty']) {
        const lost = await Client.open(`${url}/in/${name}`);
        expect(await lost.next()).toMatchObject({ type: 'error', code: 'NO_CHANNEL' });
        expect((await lost.closed).code).toBe(4404);
        expect((await fetch(`${server.url}/channels/${name}`)).status).toBe(404);
        const query = await Client.open(outUrl(server, 'd', `?${name}=1`));
        expect(await query.next()).toMatchObject({ type: 'error', code: 'BAD_QUERY' });
      }
      expect(await server.ask('polluted')).toEqual([]);
    });
    run.seen('data where the row has them, else refused; `Object.prototype` of the server untouched');
  });

  fault('rows-misshapen', async (run) => {
    const bad = [
      ['[1]', 'BAD_DIM', 0],
      ['[1, 2, 3]', 'BAD_DIM', 0],
      ['[[1, 2], [3]]', 'BAD_DIM', 1],
      ['[[]]', 'BAD_DIM', 0],
      ['{"type":"push","x":[]}', 'BAD_DIM'],
      ['{"c":1}', 'BAD_DIM', 0],
      ['[[1, 2], 3]', 'BAD_DIM', 1],
      [JSON.stringify(rowsOf(10_001, 2)), 'BAD_DIM', 10_000],
      [JSON.stringify([...rowsOf(9_999, 2), [1]]), 'BAD_DIM', 9_999],
      ['{"type":"push","t":[1],"x":[[1,2],[3,4]]}', 'BAD_DIM'],
    ] as const;
    await besideBystander(run, { channels: { d: { features, method: 'cumulative' } } }, async ({ server }) => {
      await push(await produce(server, 'd'), rowsOf(10, 2));
      await refused(server, 'd', bad);
    });
    run.seen(`${bad.length} messages refused whole, each with its row; the state did not move`);
  });

  fault('values-odd', async (run) => {
    const channels = { d: { features, method: 'cumulative' as const } };
    await besideBystander(run, { channels, slackBytes: 4_194_304 }, async ({ server }) => {
      const { client: reader } = await subscribe(server, 'd', '?include=z,raw,flags,stats&digits=17');
      await refused(server, 'd', [
        ['[NaN, 1]', 'BAD_JSON'],
        ['["NaN", 1]', 'BAD_VALUE', 0],
        ['["1.5", 1]', 'BAD_VALUE', 0],
        ['[true, 1]', 'BAD_VALUE', 0],
        ['[[1, 2], [{}, 1]]', 'BAD_VALUE', 1],
      ]);
      const client = await produce(server, 'd');
      const odd = ['1e309', '-1e309', '-0', '5e-324', '1.7976931348623157e308', '-1.7e308', 'null'];
      for (const value of odd) client.send(`[${value}, 1]`);
      await push(client, rowsOf(3, 2));
      // one row came with the refusals
      const rows = await reader.rows(1, 1 + odd.length + 3);
      const flags = rows.flatMap((block) => block.flags as string[][]);
      expect(
        flags.slice(1, 1 + odd.length).map((of) => of.filter((flag) => flag !== 'constant' && flag !== 'notReady')),
      ).toEqual([['overflow'], ['overflow'], [], [], ['overflow'], ['overflow'], ['missing']]);
      const { state, counters } = await about(server, 'd');
      for (const text of [...reader.texts, JSON.stringify(state)]) expect(text).not.toMatch(/Infinity|NaN|e30[89]/);
      expect(counters).toMatchObject({ errors: { BAD_JSON: 1, BAD_VALUE: 4 } });
    });
    run.seen(
      'texts and booleans refused; infinite and too large ones flagged, in no statistic; -0 and 5e-324 are numbers',
    );
  });

  fault('feature-constant', async (run) => {
    const channels = { one: { features }, many: { features, method: 'cumulative' as const } };
    let error = 0;
    await besideBystander(run, { channels }, async ({ server }) => {
      const { client: reader } = await subscribe(server, 'many', '?digits=17&include=z,flags');
      const producer = await produce(server, 'many');
      // one sample, then a constant feature beside whole numbers on 1e9, whose variance is known exactly
      const rows = Array.from({ length: 7_000 }, (_, i) => [0.1, 1e9 + (i % 7)]);
      await push(producer, rows[0]);
      for (let at = 1; at < rows.length; at += 500) await push(producer, rows.slice(at, at + 500));
      const blocks = await reader.rows(1, 7_000);
      const z = blocks.flatMap((block) => block.z);
      const flags = blocks.flatMap((block) => block.flags as string[][]);
      expect(z[0]).toEqual([null, null]);
      expect(z.slice(2).every(([x]) => x === 0)).toBe(true);
      expect(flags.slice(2).every((of) => of.includes('constant'))).toBe(true);
      expect(z.slice(2).every(([, x]) => x !== null && Math.abs(x) < 4)).toBe(true);
      const { stats } = (await getJson(server, '/channels/many')) as { stats: { mean: number[]; std: number[] } };
      expect(stats.mean[1]).toBe(1e9 + 3);
      error = Math.abs(stats.std[1]! / 2 - 1);
      expect(error).toBeLessThan(1e-3);
      // a batch of one that is closed by its time
      const alone = await produce(server, 'one');
      await push(alone, [5, 5]);
      await push(alone, rowsOf(63, 2));
      for (const text of reader.texts) expect(text).not.toMatch(/NaN|Infinity/);
    });
    run.seen(`0 for the constant, null for one sample; spread of 1e9 + 0…6 off by ${error.toExponential(0)}`);
  });

  fault('binary-bad', async (run) => {
    const good = encodeFrame({
      ...{ kind: 'push', dtype: 'f64', rows: 2, columns: 2, values: Float64Array.of(1, 2, 3, 4), seq: 0, time: 0 },
    });
    const bent = (change: (view: DataView) => void) => {
      const bytes = good.slice();
      change(new DataView(bytes.buffer));
      return bytes;
    };
    const bad = [
      [new Uint8Array(0), 'BAD_FRAME'],
      [Uint8Array.of(1, 2, 3), 'BAD_FRAME'],
      [bent((view) => view.setUint8(0, 0)), 'BAD_FRAME'],
      [bent((view) => view.setUint8(3, 0x32)), 'BAD_FRAME'],
      [bent((view) => view.setUint8(4, 2)), 'BAD_FRAME'],
      [bent((view) => view.setUint8(5, 9)), 'BAD_FRAME'],
      [bent((view) => view.setUint8(6, 128)), 'BAD_FRAME'],
      [bent((view) => view.setUint8(7, 1)), 'BAD_FRAME'],
      [bent((view) => view.setUint8(7, 255)), 'BAD_FRAME'],
      [bent((view) => view.setUint32(12, 0, true)), 'BAD_DIM'],
      [good.subarray(0, -1), 'BAD_FRAME'],
      [Buffer.concat([good, Buffer.of(0)]), 'BAD_FRAME'],
      [bent((view) => view.setUint32(12, 0xffff_ffff, true)), 'BAD_DIM'],
      [bent((view) => view.setUint32(16, 3, true)), 'BAD_FRAME'],
    ] as const;
    await besideBystander(run, { channels: { d: { features, method: 'cumulative' } } }, async (scene) => {
      await refused(scene.server, 'd', bad);
      // after messages of all lengths a frame lies at every offset in the server's memory
      const { client: reader } = await subscribe(scene.server, 'd', '?format=f64&include=raw');
      const socket = await rawSocket(scene, '/in/d');
      socket.resume();
      const messages = Array.from({ length: 16 }, (_, n) => [masked(0x89, Buffer.alloc(n)), masked(0x82, good)]).flat();
      socket.write(Buffer.concat(messages));
      for (let rows = 0; rows < 32; ) {
        const next = await reader.frames.next();
        expect(Array.from(next.values)).toEqual([1, 2, 3, 4]);
        rows += next.rows;
      }
      socket.destroy();
    });
    run.seen(`${bad.length} frames refused; good ones are read at any offset`);
  });

  fault('push-duplicate', async (run) => {
    await besideBystander(run, { channels: { d: { features, method: 'cumulative' } } }, async ({ server }) => {
      const [one, other] = [await produce(server, 'd'), await produce(server, 'd')];
      const say = async (client: Client, seq: number, row: number[]) => {
        client.send({ type: 'push', producer: 'p', seq, x: row });
        expect(await client.next()).toEqual({ type: 'accepted', producer: 'p', seq });
      };
      await say(one, 5, [1, 2]);
      const { state } = await about(server, 'd');
      // the same again, an older one, and the same over another connection
      await say(one, 5, [100, 200]);
      await say(one, 4, [100, 200]);
      await say(other, 5, [100, 200]);
      const now = await about(server, 'd');
      expect([now.state, now.seq]).toEqual([state, 1]);
      expect(now.counters).toMatchObject({ rows: 1, duplicates: 3 });
      await say(other, 6, [3, 4]);
      expect((await about(server, 'd')).seq).toBe(2);
    });
    run.seen('three answered, none applied, all counted');
  });

  fault('producer-mad', async (run) => {
    const ewma = { features, method: 'ewma' as const, halfLife: 50 };
    const channels = {
      d: { ...ewma, quarantine: 'flag' as const, range: [-1_000, 1_000] as [number, number] },
      sane: ewma,
      guarded: { ...ewma, producerGuard: { minSamples: 10 } },
      clipped: { ...ewma, clip: 5 },
    };
    let flagged = 0;
    await besideBystander(run, { channels }, async ({ server }) => {
      const { client: reader } = await subscribe(server, 'd', '?include=z,flags');
      const { client: clipped } = await subscribe(server, 'clipped', '?include=z,flags');
      const to = await Promise.all(['d', 'guarded', 'clipped', 'sane'].map((channel) => produce(server, channel)));
      const mad = await Promise.all(['d', 'guarded', 'clipped'].map((channel) => produce(server, channel)));
      for (let n = 0; n < 10; n++) {
        for (const client of to) await push(client, rowsOf(20, 2, 20 * n), 'sane');
        const rows = rowsOf(2, 2, 20 * n).map((row) => row.map((x) => x * 1e6));
        for (const client of mad) await push(client, rows, 'mad');
      }
      const flags = (await reader.rows(1, 220)).flatMap((block) => block.flags as string[][]);
      flagged = flags.filter((of) => of.includes('range') && of.includes('quarantined')).length;
      const counters = (await about(server, 'd')).counters as unknown as { flags: { range: number } };
      expect([flagged, counters.flags.range]).toEqual([20, 20]);
      // the statistics are those of a channel where it never was
      expect((await about(server, 'd')).state).toEqual((await about(server, 'sane')).state);
      // the same without bounds that somebody had to think of
      expect(await about(server, 'guarded')).toMatchObject({
        state: (await about(server, 'sane')).state,
        guardedRows: { mad: 20 },
      });
      // without a range it moves them, but nothing beyond the clip goes out, and that is flagged
      const blocks = await clipped.rows(1, 220);
      const z = blocks.flatMap((block) => block.z);
      expect(z.flat().every((x) => x === null || Math.abs(x) <= 5)).toBe(true);
      expect((blocks.flatMap((block) => block.flags as string[][])[20] ?? []).includes('clipped')).toBe(true);
    });
    run.seen(
      `${flagged} of 20 rows flagged and kept out; statistics as if it had never been; with \`clip\` alone: cut, flagged`,
    );
  });
});
