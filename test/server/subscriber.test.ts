import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import type { RunningServer, ServerConfigInput } from '../../src/server/index.ts';
import { rounded } from '../../src/server/rounded.ts';
import { Client, getJson, type Next, outUrl, produce, push, rowsOf, serve, subscribe } from './clients.ts';

const features = ['a', 'b'];
const channels: ServerConfigInput['channels'] = { c: { features, method: 'cumulative', history: 100 } };

async function counters(server: { url: string }, channel = 'c') {
  return ((await getJson(server, `/channels/${channel}`)) as { counters: Record<string, unknown> }).counters;
}

describe('a subscriber gets a snapshot, then every row from there on', () => {
  test('before any data', async () => {
    const server = await serve({ channels: { c: { features, size: 4, alpha: 0.2, within: '1h' } } });
    const { client, snapshot } = await subscribe(server, 'c');
    expect(snapshot).toEqual({
      ...{ type: 'snapshot', channel: 'c', epoch: expect.stringMatching(/^[a-z0-9]+$/), seq: 0, features },
      config: { features, method: 'batch', size: 4, alpha: 0.2, within: '1h', history: 10_000 },
      state: new BatchNorm({ features, alpha: 0.2 }).state(),
      stats: { version: 0, rows: 0, mean: [null, null], std: [null, null], batch: null, time: null },
      ...{ last: null, recovered: false },
    });
    await push(await produce(server, 'c'), rowsOf(8, 2));
    await client.rows(1, 8);
  });

  test('after some: the first next.seq is snapshot.seq + 1', async () => {
    const server = await serve({ channels });
    const producer = await produce(server, 'c');
    await push(producer, rowsOf(5, 2));
    const { client, snapshot } = await subscribe(server, 'c');
    expect(snapshot).toMatchObject({
      seq: 5,
      recovered: false,
      stats: { rows: 5 },
      state: server.channel('c').state(),
    });
    expect((snapshot.last as { z: number[] }).z).toHaveLength(2);
    await push(producer, rowsOf(1, 2));
    expect(await client.next<Next>()).toMatchObject({ type: 'next', seq: 6 });
  });

  test('with the statistics of that moment, whoever came before', async () => {
    const server = await serve({ channels });
    const producer = await produce(server, 'c');
    for (let rows = 0; rows < 5; rows++) {
      for (let n = 0; n < 2; n++) {
        const { snapshot } = await subscribe(server, 'c');
        expect(snapshot).toMatchObject({ seq: rows, stats: { rows }, state: server.channel('c').state() });
      }
      await push(producer, rowsOf(1, 2, rows));
    }
  });

  test('with z that BatchNorm gives for the same windows', async () => {
    const server = await serve({ channels: { c: { features, size: 16 } } });
    const { client } = await subscribe(server, 'c', '?digits=17');
    const rows = rowsOf(64, 2);
    const producer = await produce(server, 'c');
    for (let at = 0; at < 64; at += 10) await push(producer, rows.slice(at, at + 10));
    const model = new BatchNorm({ features });
    const z = (await client.rows(1, 64)).flatMap((block) => block.z);
    expect(z).toEqual([0, 16, 32, 48].flatMap((at) => model.train(rows.slice(at, at + 16))));
  });

  test('however it joins during a batch: no hole, no duplicate', async () => {
    const server = await serve({ channels: { c: { features, size: 8, history: 10_000 } } });
    const producer = await produce(server, 'c');
    const pushing = (async () => {
      for (let n = 0; n < 200; n++) await push(producer, rowsOf(3, 2));
    })();
    const joined = await Promise.all(Array.from({ length: 20 }, () => subscribe(server, 'c')));
    await pushing;
    for (const { client, snapshot } of joined) await client.rows(snapshot.seq + 1, 600 - snapshot.seq);
  });
});

describe('since', () => {
  async function pushed(rows: number, given: Partial<ServerConfigInput['channels'][string]> = {}) {
    const server = await serve({ channels: { c: { ...channels.c!, ...given } as never } });
    const producer = await produce(server, 'c');
    for (let seq = 0; seq < rows; seq += 10) await push(producer, rowsOf(10, 2, seq));
    return { server, producer, epoch: server.channel('c').epoch };
  }

  test('inside of the history replays from there, also from the middle of a block', async () => {
    const { server, producer, epoch } = await pushed(50);
    const whole = (await subscribe(server, 'c', `?since=${epoch}.0`)).client;
    const all = (await whole.rows(1, 50)).flatMap((block) => block.z);
    for (const seq of [1, 9, 10, 23, 49]) {
      const { client, snapshot } = await subscribe(server, 'c', `?since=${epoch}.${seq}`);
      expect(snapshot).toMatchObject({ seq, recovered: true });
      // the row that it has, not the newest
      expect((snapshot.last as { z: number[] }).z.map(rounded)).toEqual(all[seq - 1]!);
      expect((await client.rows(seq + 1, 50 - seq)).flatMap((block) => block.z)).toEqual(all.slice(seq));
    }
    await push(producer, rowsOf(1, 2));
    await whole.rows(51, 1);
  });

  test('at the last row goes on without a gap', async () => {
    const { server, producer, epoch } = await pushed(20);
    const { client, snapshot } = await subscribe(server, 'c', `?since=${epoch}.20`);
    expect(snapshot).toMatchObject({ seq: 20, recovered: true });
    await push(producer, rowsOf(1, 2));
    await client.rows(21, 1);
  });

  test('replays the statistics of then', async () => {
    const { server, epoch } = await pushed(30);
    const { client } = await subscribe(server, 'c', `?since=${epoch}.0&include=z,stats`);
    const stats = (await client.rows(1, 30)).map((block) => (block.stats as { rows: number }).rows);
    expect(stats).toEqual([10, 20, 30]);
  });

  test('says in binary that it is a replay, and that what follows is not', async () => {
    const { server, producer, epoch } = await pushed(20);
    const { client } = await subscribe(server, 'c', `?since=${epoch}.10&format=f64`);
    expect(await client.frames.next()).toMatchObject({ seq: 11, rows: 10, flags: { replay: true } });
    await push(producer, rowsOf(1, 2));
    expect(await client.frames.next()).toMatchObject({ seq: 21, rows: 1, flags: { replay: false } });
  });

  test('older than the history says which rows are gone, then a snapshot', async () => {
    const { server, producer, epoch } = await pushed(150);
    const client = await Client.open(outUrl(server, 'c', `?since=${epoch}.7`));
    expect(await client.next()).toEqual({ type: 'gap', from: 8, to: 150, reason: 'history' });
    expect(await client.next()).toMatchObject({ type: 'snapshot', seq: 150, recovered: false });
    await push(producer, rowsOf(1, 2));
    await client.rows(151, 1);
  });

  test('in the future is an error, then a snapshot', async () => {
    const { server, producer, epoch } = await pushed(10);
    const client = await Client.open(outUrl(server, 'c', `?since=${epoch}.11`));
    expect(await client.next()).toEqual({
      ...{ type: 'error', code: 'SEQ_FUTURE', retry: false },
      message: 'since 11 is later than row 10, the last of this channel',
    });
    expect(await client.next()).toMatchObject({ type: 'snapshot', seq: 10, recovered: false });
    await push(producer, rowsOf(1, 2));
    await client.rows(11, 1);
  });

  test('of another epoch is answered by a snapshot', async () => {
    const { server } = await pushed(10);
    const { snapshot } = await subscribe(server, 'c', '?since=other.5');
    expect(snapshot).toMatchObject({ type: 'snapshot', seq: 10, recovered: false });
  });

  test('before any data works', async () => {
    const { server, producer, epoch } = await pushed(0);
    const { client, snapshot } = await subscribe(server, 'c', `?since=${epoch}.0`);
    expect(snapshot).toMatchObject({ seq: 0, recovered: true });
    await push(producer, rowsOf(3, 2));
    await client.rows(1, 3);
  });

  test('of a replay that is larger than a socket takes is sent whole and in order while rows go on', async () => {
    const server = await serve({
      channels: { c: { features, method: 'cumulative', history: 100_000 } },
      limits: { conflateAboveBytes: 8_192 },
    });
    const producer = await produce(server, 'c');
    for (let n = 0; n < 50; n++) await push(producer, rowsOf(1_000, 2));
    const { client } = await subscribe(server, 'c', `?since=${server.channel('c').epoch}.0&digits=17`);
    const replay = client.rows(1, 50_000);
    for (let n = 0; n < 10; n++) await push(producer, rowsOf(1, 2));
    await replay;
    // those that came meanwhile are live, and nothing is said to be skipped
    expect((await client.rows(50_001, 10)).every((block) => block.skipped === undefined)).toBe(true);
  });
});

describe('the URL of a subscriber says what it sees', () => {
  test('format: the same numbers as JSON, f32 and f64', async () => {
    const server = await serve({ channels: { c: { features, size: 4 } } });
    const json = (await subscribe(server, 'c', '?digits=17')).client;
    const short = (await subscribe(server, 'c')).client;
    const f64 = (await subscribe(server, 'c', '?format=f64')).client;
    const f32 = (await subscribe(server, 'c', '?format=f32')).client;
    await push(await produce(server, 'c'), [
      [1, 2],
      [3, null],
      [4, 1.7e308],
      [7, 9],
    ]);
    const { z, t } = await json.find<Next>('next');
    const values = z.flat().map((x) => x ?? Number.NaN);
    expect(values.filter(Number.isNaN)).toHaveLength(2);
    expect(await f64.frames.next()).toMatchObject({
      ...{ kind: 'next', dtype: 'f64', seq: 1, rows: 4, columns: 2, time: t[0] },
      ...{ values: Float64Array.from(values), times: Float64Array.from(t) },
    });
    expect((await f32.frames.next()).values).toEqual(Float64Array.from(values, Math.fround));
    expect((await short.find<Next>('next')).z.flat()).toEqual(
      values.map((x) => (Number.isNaN(x) ? null : Number(x.toPrecision(7)))),
    );
  });

  test('include: z, raw, stats and flags, in any combination', async () => {
    const server = await serve({ channels: { c: { features, size: 2 } } });
    const names = ['z', 'raw', 'stats', 'flags'];
    const wanted = Array.from({ length: 15 }, (_, i) => names.filter((__, bit) => ((i + 1) >> bit) & 1));
    const clients = await Promise.all(wanted.map((list) => subscribe(server, 'c', `?include=${list}`)));
    await push(await produce(server, 'c'), [
      [1, null],
      [3, 5],
    ]);
    for (const [i, { client }] of clients.entries()) {
      const next = await client.find<Next>('next');
      expect(Object.keys(next).toSorted()).toEqual([...wanted[i]!, 'seq', 't', 'type'].toSorted());
      if (next.raw)
        expect(next.raw).toEqual([
          [1, null],
          [3, 5],
        ]);
      if (next.flags) expect(next.flags).toEqual([['missing'], ['single']]);
      if (next.stats) {
        expect(next.stats).toMatchObject({ version: 1, rows: 2, batch: { count: 2, mean: [2, 5], min: [1, 5] } });
        expect((next.stats as { time: number }).time).toBe(next.t[1]);
      }
    }
  });

  test('maxRate: no more messages a second than that, the newest of the channel, and what was skipped', async () => {
    const server = await serve({ channels });
    const { client } = await subscribe(server, 'c', '?maxRate=20');
    const producer = await produce(server, 'c');
    const start = performance.now();
    let rows = 0;
    while (performance.now() - start < 500) {
      await push(producer, rowsOf(1, 2));
      rows++;
    }
    let received = 0;
    let messages = 0;
    let seq = 0;
    while (seq < rows) {
      const next = await client.find<Next>('next');
      expect(next.seq).toBe(seq + (next.skipped ?? 0) + 1);
      seq = next.seq + next.z.length - 1;
      received += next.z.length + (next.skipped ?? 0);
      messages++;
    }
    const seconds = (performance.now() - start) / 1_000;
    expect(received).toBe(rows);
    expect(messages).toBeGreaterThan(1);
    expect(messages).toBeLessThanOrEqual(20 * seconds + 1);
    expect((await counters(server)).skipped).toBe(rows - messages);
  });

  test.each<[string, string]>([
    ['formats=json', "there is no parameter 'formats', only format, include, since, maxRate, onSlow, digits, key"],
    ['format=xml', "format is one of json, f32, f64, got 'xml'"],
    ['include=z,y', "include is one of z, raw, stats, flags, got 'y'"],
    ['include=', "include is one of z, raw, stats, flags, got ''"],
    ['format=f32&include=z,raw', 'format f32 holds either z or raw, not z,raw'],
    ['format=f64&include=stats', 'format f64 holds either z or raw, not stats'],
    ['since=5', "since is <epoch>.<seq>, got '5'"],
    ['since=e.-1', "since is <epoch>.<seq>, got 'e.-1'"],
    ['since=e.9999999999999999', "since is <epoch>.<seq>, got 'e.9999999999999999'"],
    ['maxRate=0', "maxRate is a number of messages per second in (0, 1000], got '0'"],
    ['maxRate=fast', "maxRate is a number of messages per second in (0, 1000], got 'fast'"],
    ['onSlow=wait', "onSlow is one of conflate, drop, close, got 'wait'"],
    ['digits=8', "digits is one of 7, 17, got '8'"],
    ['__proto__=1', "there is no parameter '__proto__', only format, include, since, maxRate, onSlow, digits, key"],
  ])('%s is refused with BAD_QUERY and 4400', async (query, message) => {
    const server = await serve({ channels });
    const client = await Client.open(outUrl(server, 'c', `?${query}`));
    expect(await client.next()).toEqual({ type: 'error', code: 'BAD_QUERY', message, retry: false });
    expect((await client.closed).code).toBe(4400);
    expect((await counters(server)).errors).toEqual({ BAD_QUERY: 1 });
  });

  test('a channel that is not there is refused with NO_CHANNEL and 4404, whatever its name', async () => {
    const server = await serve({ channels });
    for (const name of ['nope', '__proto__', 'constructor', '%F0%9F%98%80'.repeat(60), '%2E%2E%2Fetc']) {
      for (const role of ['in', 'out']) {
        const client = await Client.open(`${server.url.replace('http', 'ws')}/${role}/${name}`).catch(() => undefined);
        if (client === undefined) continue; // a name with a slash is no address of a channel at all
        expect(await client.next()).toMatchObject({ type: 'error', code: 'NO_CHANNEL', retry: false });
        expect((await client.closed).code).toBe(4404);
      }
    }
  });
});

test('a subscriber that sends is told READ_ONLY, changes nothing and goes on', async () => {
  const server = await serve({ channels });
  const { client } = await subscribe(server, 'c');
  for (const message of ['[1, 2]', Uint8Array.of(1, 2, 3), '{"type":"push","x":[[1,2]]}']) {
    client.send(message);
    expect(await client.next()).toMatchObject({ type: 'error', code: 'READ_ONLY', retry: false });
  }
  expect(server.channel('c').seq).toBe(0);
  expect((await counters(server)).errors).toEqual({ READ_ONLY: 3 });
  await push(await produce(server, 'c'), [1, 2]);
  await client.rows(1, 1);
});

test('a subscriber that sends all the time is closed with 1008, and one that sends too much with 1009', async () => {
  const server = await serve({ channels, limits: { maxErrorsPerMinute: 10 } });
  const { client } = await subscribe(server, 'c');
  for (let n = 0; n < 50; n++) client.send('[1, 2]');
  expect(await client.closed).toEqual({ code: 1008, reason: 'too many errors in a minute' });
  const large = (await subscribe(server, 'c')).client;
  large.send('x'.repeat(16_385));
  expect((await large.closed).code).toBe(1009);
});

test('a subscriber hears a heartbeat while nothing else is said', async () => {
  const server = await serve({ channels, limits: { heartbeatMs: 20 } });
  const { client } = await subscribe(server, 'c');
  expect(await client.next()).toEqual({ type: 'heartbeat', seq: 0 });
  await push(await produce(server, 'c'), rowsOf(3, 2));
  await client.rows(1, 3);
  // others may have come before the rows
  expect(await client.find('heartbeat')).toEqual({ type: 'heartbeat', seq: 3 });
});

test('a subscriber that does not answer pings is gone', async () => {
  const server = await serve({ channels, limits: { pingMs: 500, pongMs: 400 } });
  const answering = (await subscribe(server, 'c')).client;
  const silent = await Client.open(outUrl(server, 'c'), { autoPong: false });
  expect((await silent.closed).code).toBe(1006);
  expect(answering.socket.readyState).toBe(answering.socket.OPEN);
});

test('a subscriber is told of the end of the server: bye with a time to come back, then 1012', async () => {
  const server = await serve({ channels: { c: { features, size: 10 } } });
  const { client } = await subscribe(server, 'c');
  await push(await produce(server, 'c'), rowsOf(3, 2));
  await server.close();
  await client.rows(1, 3);
  const bye = await client.next();
  expect(bye).toEqual({ type: 'bye', code: 1012, retryAfterMs: expect.any(Number) });
  expect(bye.retryAfterMs as number).toBeGreaterThanOrEqual(0);
  expect(bye.retryAfterMs as number).toBeLessThanOrEqual(5_000);
  expect((await client.closed).code).toBe(1012);
});

describe('a subscriber that reads too slowly', () => {
  /** 40 messages of half a MB: more than the system's buffers swallow. */
  const MESSAGES = 40;
  const ROWS = 1_000;
  const rows25 = rowsOf(ROWS, 25);
  const wide = Array.from({ length: 25 }, (_, j) => `x${j}`);

  interface Flooded {
    server: RunningServer;
    producer: Client;
    client: Client;
  }

  async function flooded(onSlow: string, each?: (connected: Flooded) => Promise<void>): Promise<Flooded> {
    const server = await serve({
      channels: { c: { features: wide, method: 'cumulative' } },
      limits: { maxHistoryBytes: 1_048_576 },
    });
    const producer = await produce(server, 'c');
    const { client } = await subscribe(server, 'c', `?onSlow=${onSlow}&digits=17`);
    const witness = (await subscribe(server, 'c', '?format=f32')).client;
    client.socket.pause();
    for (let n = 0; n < MESSAGES; n++) {
      await push(producer, rows25);
      // others are not held up
      expect((await witness.frames.next()).seq).toBe(n * ROWS + 1);
      await each?.({ server, producer, client });
    }
    return { server, producer, client };
  }

  test('is conflated: the server holds little for it, and it gets the newest rows with the number of those skipped', async () => {
    const { server, producer, client } = await flooded('conflate');
    client.socket.resume();
    let seq = 0;
    let rows = 0;
    let skipped = 0;
    while (seq < MESSAGES * ROWS) {
      const next = await client.find<Next>('next');
      expect(next.seq).toBe(seq + 1 + (next.skipped ?? 0));
      seq = next.seq + next.z.length - 1;
      rows += next.z.length;
      skipped += next.skipped ?? 0;
    }
    expect(rows + skipped).toBe(MESSAGES * ROWS);
    expect(skipped).toBeGreaterThan((MESSAGES * ROWS) / 3);
    expect((await counters(server)).skipped).toBe(skipped);
    // what was on its way: the buffers of the system, and one message of the server
    const received = client.texts.reduce((sum, text) => sum + text.length, 0);
    expect(received).toBeLessThan(12e6);
    // and then it is served as ever
    await push(producer, rowsOf(1, 25));
    expect(await client.find<Next>('next')).toMatchObject({ seq: MESSAGES * ROWS + 1 });
  });

  test('with onSlow=drop is told of the gap', async () => {
    const { client } = await flooded('drop');
    client.socket.resume();
    let seq = 0;
    let lost = 0;
    while (seq < MESSAGES * ROWS) {
      const said = await client.next();
      if (said.type === 'gap') {
        expect(said).toMatchObject({ from: seq + 1, reason: 'slow' });
        lost += (said.to as number) - seq;
        seq = said.to as number;
      } else if (said.type === 'next') {
        expect(said).toMatchObject({ seq: seq + 1 });
        expect(said).not.toHaveProperty('skipped');
        seq += (said as Next).z.length;
      }
    }
    expect(lost).toBeGreaterThan((MESSAGES * ROWS) / 3);
  });

  test('with onSlow=close is closed, and gone within a second even if it never reads', async () => {
    const { server, client } = await flooded('close');
    while (((await getJson(server, '/channels/c')) as { subscribers: number }).subscribers > 1);
    expect((await counters(server)).evicted).toBe(1);
    client.socket.resume();
    let last = 0;
    for (;;) {
      const ended = await Promise.race([client.next(), client.closed]);
      if ('code' in ended && !('type' in ended)) {
        expect([1013, 1006]).toContain(ended.code);
        break;
      }
      const next = ended as Next;
      if (next.type !== 'next') continue;
      expect(next.seq).toBe(last + 1);
      last = next.seq + next.z.length - 1;
    }
    expect(last).toBeLessThan(MESSAGES * ROWS);
  });

  test('with onSlow=close and reads on in time is told from where it has missed', async () => {
    const { server, client } = await flooded('close', async (connected) => {
      if ((await counters(connected.server)).evicted === 1) connected.client.socket.resume();
    });
    expect((await counters(server)).evicted).toBe(1);
    const { code } = await client.closed;
    const said = (await client.said.take(client.said.left)) as Next[];
    const last = said.filter(({ type }) => type === 'next').at(-1)!;
    const gap = said.find(({ type }) => type === 'gap');
    // on a machine so busy that its second is over, it is only gone
    expect([code, gap?.from]).toEqual(gap ? [1013, last.seq + last.z.length] : [1006, undefined]);
  });

  test('and never again is cut off', async () => {
    const server = await serve({
      channels: { c: { features: wide, method: 'cumulative' } },
      limits: { cutAfterMs: 50, conflateAfterMs: 10, heartbeatMs: 20 },
    });
    const { client } = await subscribe(server, 'c', '?digits=17');
    client.socket.pause();
    const producer = await produce(server, 'c');
    while (((await getJson(server, '/channels/c')) as { subscribers: number }).subscribers > 0) {
      await push(producer, rows25.slice(0, 100));
    }
    expect((await counters(server)).evicted).toBe(1);
  });

  test('is noticed by its pings before its socket is full', async () => {
    const server = await serve({ channels, limits: { conflateAfterMs: 30, cutAfterMs: 60_000 } });
    const { client } = await subscribe(server, 'c', '?include=z,raw,stats');
    const producer = await produce(server, 'c');
    client.socket.pause();
    const start = performance.now();
    while (performance.now() - start < 300) await push(producer, rowsOf(10, 2));
    client.socket.resume();
    const rows = server.channel('c').seq;
    let seq = 0;
    let skipped = 0;
    while (seq < rows) {
      const next = await client.find<Next>('next');
      expect(next.seq).toBe(seq + 1 + (next.skipped ?? 0));
      seq = next.seq + next.z.length - 1;
      skipped += next.skipped ?? 0;
    }
    // of 300 ms it has what came before it was noticed
    expect(skipped).toBeGreaterThan(rows / 3);
  });

  test('is not one whose message is large', async () => {
    const server = await serve({
      channels: { c: { features: wide, method: 'cumulative' } },
      limits: { conflateAboveBytes: 4_096 },
    });
    const producer = await produce(server, 'c');
    const clients = await Promise.all(
      ['conflate', 'drop', 'close'].map((policy) => subscribe(server, 'c', `?onSlow=${policy}`)),
    );
    for (let n = 0; n < 5; n++) {
      await push(producer, rows25.slice(0, 500));
      for (const { client } of clients) await client.rows(n * 500 + 1, 500);
    }
  });
});

test('thousands of rows to many subscribers are encoded once a view', async () => {
  const server = await serve({ channels });
  const clients = await Promise.all(Array.from({ length: 20 }, () => subscribe(server, 'c', '?include=z,raw')));
  await push(await produce(server, 'c'), rowsOf(100, 2));
  const texts = await Promise.all(
    clients.map(async ({ client }) => {
      await client.rows(1, 100);
      return client.texts.at(-1);
    }),
  );
  expect(new Set(texts).size).toBe(1);
});
