import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Checkpoint, CheckpointStore } from '../../src/server/checkpoint.ts';
import { createServer, type ServerConfigInput } from '../../src/server/index.ts';
import { getJson, produce, push, rowsOf, serve, subscribe } from './clients.ts';
import { stateDir } from './state-dir.ts';

const features = ['x', 'y'];

function configIn(dir: string, channel: Partial<ServerConfigInput['channels'][string]> = {}) {
  return { state: { dir, every: '1h' }, channels: { c: { features, size: 8, ...channel } } };
}

/** A state directory after an orderly stop with 20 rows: two windows, and a third of 4 rows. */
async function usedDir(): Promise<string> {
  const dir = stateDir();
  const server = await createServer({ listen: { port: 0 }, ...configIn(dir) });
  server.channel('c').push(rowsOf(20, 2));
  await server.close();
  return dir;
}

const refusal = (config: Parameters<typeof serve>[0]) =>
  serve(config).then(
    () => expect.unreachable('the server started'),
    (error: Error & { code: string }) => error,
  );

describe('a server that restarts', () => {
  test('in order: same epoch, next seq, statistics bit-equal', async () => {
    const dir = stateDir();
    const first = await serve(configIn(dir));
    const producer = await produce(first, 'c');
    await push(producer, rowsOf(20, 2));
    const { client, snapshot } = await subscribe(first, 'c');
    expect([snapshot.seq, first.channel('c').seq]).toEqual([16, 16]);
    await first.close();
    // the open window is closed by the stop, and goes out before the bye
    await client.rows(17, 4);
    expect(await client.next()).toMatchObject({ type: 'bye' });
    const before = first.channel('c');

    const second = await serve(configIn(dir));
    const after = second.channel('c');
    expect([after.epoch, after.seq, after.state()]).toEqual([snapshot.epoch, 20, before.state()]);
    const back = await subscribe(second, 'c', `?since=${snapshot.epoch}.20`);
    expect(back.snapshot).toMatchObject({ epoch: snapshot.epoch, seq: 20, recovered: true });
    await push(await produce(second, 'c'), rowsOf(8, 2, 20), 'other');
    await back.client.rows(21, 8);
  });

  test('in order, twice, without a row in between: no hole in the numbers', async () => {
    const dir = await usedDir();
    for (let n = 0; n < 2; n++) {
      const server = await serve(configIn(dir));
      expect(server.channel('c').seq).toBe(20);
      await server.close();
    }
  });

  test('remembers the producers, so that nothing is applied twice', async () => {
    const dir = stateDir();
    const x = rowsOf(8, 2);
    const first = await serve(configIn(dir));
    expect(first.channel('c').push({ type: 'push', producer: 'p', seq: 3, x })).toBe(true);
    await first.close();
    const second = await serve(configIn(dir));
    expect(second.channel('c').push({ type: 'push', producer: 'p', seq: 3, x })).toBe(false);
    expect(second.channel('c').push({ type: 'push', producer: 'p', seq: 4, x })).toBe(true);
  });

  test('without a state directory begins a new epoch', async () => {
    const epochs = new Set<string>();
    for (let n = 0; n < 3; n++) {
      const server = await serve({ channels: { c: { features } } });
      epochs.add(server.channel('c').epoch);
      await server.close();
    }
    expect(epochs.size).toBe(3);
  });
});

describe('a checkpoint is refused in one line that names the file', () => {
  const damages: [string, (text: string) => string, RegExp][] = [
    ['cut short', (text) => text.slice(0, text.length / 2), /is damaged: it is not JSON/],
    ['empty', () => '', /is damaged: it is not JSON/],
    ['null', () => 'null', /is damaged: it has no format/],
    ['with one digit changed', (text) => text.replace(/"seq":20/, '"seq":21'), /is damaged: its checksum/],
    ['without its checksum', (text) => text.replace(/,"checksum":"\w+"/, ''), /is damaged: its checksum/],
    [
      'of a newer version',
      (text) => text.replace('checkpoint/1', 'checkpoint/2'),
      /checkpoint\/2, which a newer version wrote/,
    ],
    [
      'of something else',
      (text) => text.replace('streamnorm.checkpoint/1', 'other/1'),
      /has format other\/1, expected/,
    ],
    ['of another channel', (text) => text.replace('"channel":"c"', '"channel":"d"'), /belongs to channel d/],
  ];

  test.each(damages)('%s', async (_, damage, why) => {
    const dir = await usedDir();
    const file = join(dir, 'c.json');
    writeFileSync(file, damage(readFileSync(file, 'utf8')));
    rmSync(`${file}.former`);
    const { code, message } = await refusal(configIn(dir));
    expect(code).toBe('STATE');
    expect(message).toMatch(why);
    expect(message).toContain(file);
    expect(message).not.toContain('\n');
    // the directory is free again
    rmSync(file);
    expect((await serve(configIn(dir))).channel('c').seq).toBe(0);
  });

  test.each<[string, Partial<ServerConfigInput['channels'][string]>, RegExp]>([
    ['when the config has other features', { features: ['x', 'z'] }, /has the features x,y, the config has x,z/],
    ['when they have another order', { features: ['y', 'x'] }, /has the features x,y, the config has y,x/],
    [
      'when it has another method',
      { method: 'cumulative', size: undefined },
      /by method batch, the config has cumulative/,
    ],
  ])('%s', async (_, channel, why) => {
    const dir = await usedDir();
    const { code, message } = await refusal(configIn(dir, channel));
    expect([code, why.test(message), message.includes(join(dir, 'c.json'))]).toEqual(['STATE', true, true]);
    // nothing has been lost by asking
    expect((await serve(configIn(dir))).channel('c').seq).toBe(20);
  });

  test('when its numbers cannot be', async () => {
    const dir = stateDir();
    const store = await CheckpointStore.open(dir);
    await store.save({ ...checkpointOf(5), state: { format: 'streamnorm.batchnorm/1' } });
    await store.close();
    const { code, message } = await refusal(configIn(dir));
    expect(code).toBe('STATE');
    expect(message).toMatch(/^the checkpoint of channel c cannot be used: /);
  });
});

test('every single bit flipped in a checkpoint is found', async () => {
  const dir = stateDir();
  const store = await CheckpointStore.open(dir);
  await store.save(checkpointOf(5));
  const file = join(dir, 'c.json');
  const bytes = readFileSync(file);
  for (let bit = 0; bit < 8 * (bytes.length - 1); bit += 5) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    writeFileSync(file, flipped);
    await expect(store.load({ channel: 'c', features: features, method: 'batch' }), `bit ${bit}`).rejects.toMatchObject(
      { code: 'STATE' },
    );
  }
  writeFileSync(file, bytes);
  expect((await store.load({ channel: 'c', features: features, method: 'batch' }))?.checkpoint.seq).toBe(5);
  await store.close();
});

test('a damaged checkpoint is put aside for the one before it, under a new epoch, and that is told', async () => {
  const dir = stateDir();
  const store = await CheckpointStore.open(dir);
  await store.save(checkpointOf(5));
  await store.save(checkpointOf(9));
  await store.close();
  const file = join(dir, 'c.json');
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 100));
  const server = await serve(configIn(dir));
  expect(server.log.filter(({ level }) => level === 'warn')).toEqual([
    expect.objectContaining({
      event: 'checkpoint.damaged',
      message: expect.stringMatching(/^.*c\.json is damaged.*c\.json\.damaged.*is used$/),
      fields: { channel: 'c' },
    }),
  ]);
  const channel = server.channel('c');
  expect(channel.epoch).not.toBe('e1');
  expect(channel.seq).toBe(5);
  expect(channel.state()).toMatchObject({ samples: 5 });
  expect(existsSync(`${file}.damaged`)).toBe(true);
  await server.close();
  expect((await serve(configIn(dir))).channel('c').epoch).toBe(channel.epoch);
});

test('a checkpoint that was written at once is not replaced by an older one still on its way', async () => {
  const store = await CheckpointStore.open(stateDir());
  const slow = store.save(checkpointOf(5));
  store.saveNow(checkpointOf(9));
  await slow;
  expect((await store.load({ channel: 'c', features: features, method: 'batch' }))?.checkpoint.seq).toBe(9);
  await store.save(checkpointOf(12));
  expect((await store.load({ channel: 'c', features: features, method: 'batch' }))?.checkpoint.seq).toBe(12);
  await store.close();
});

test('a reader finds a whole checkpoint at every moment', async () => {
  const store = await CheckpointStore.open(stateDir());
  await store.save(checkpointOf(1));
  let done = false;
  const writing = (async () => {
    for (let seq = 2; seq < 60; seq++) {
      if (seq % 3 === 0) store.saveNow(checkpointOf(seq));
      else await store.save(checkpointOf(seq));
    }
    done = true;
  })();
  let last = 0;
  while (!done) {
    const seq = (await store.load({ channel: 'c', features: features, method: 'batch' }))!.checkpoint.seq;
    expect(seq).toBeGreaterThanOrEqual(last);
    last = seq;
  }
  await writing;
  await store.close();
});

describe('a state directory', () => {
  test('is for one process: the second refuses and changes nothing', async () => {
    const dir = stateDir();
    const first = await serve(configIn(dir));
    first.channel('c').push(rowsOf(8, 2));
    const files = () =>
      readdirSync(dir).map((name) => (name === 'lock' ? name : readFileSync(join(dir, name), 'utf8')));
    const before = files();
    const { code, message } = await refusal(configIn(dir));
    expect([code, message]).toEqual(['STATE_LOCKED', `another process uses the state directory ${dir}`]);
    expect(files()).toEqual(before);
    await first.close();
    expect((await serve(configIn(dir))).channel('c').seq).toBe(8);
  });

  test('is free again when the port was taken, and nothing in it has changed', async () => {
    const dir = await usedDir();
    const before = readFileSync(join(dir, 'c.json'), 'utf8');
    const other = createTcpServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const { code } = await refusal({ ...configIn(dir), listen: { port } });
    expect(code).toBe('UNAVAILABLE');
    expect(readFileSync(join(dir, 'c.json'), 'utf8')).toBe(before);
    expect((await serve(configIn(dir))).channel('c').seq).toBe(20);
  });

  test('with a long path is locked as well', async () => {
    const dir = join(stateDir(), 'x'.repeat(120));
    await serve(configIn(dir));
    expect((await refusal(configIn(dir))).code).toBe('STATE_LOCKED');
  });

  test('that cannot be made is refused', async () => {
    const dir = stateDir();
    writeFileSync(join(dir, 'file'), '');
    const { code, message } = await refusal(configIn(join(dir, 'file', 'state')));
    expect(code).toBe('STATE');
    expect(message).toContain('cannot be used');
  });
});

test('a disk that fails degrades the server, which serves on and recovers', async () => {
  const dir = stateDir();
  const server = await serve({ ...configIn(dir, { method: 'cumulative', size: undefined }), state: { dir, every: 5 } });
  const { client } = await subscribe(server, 'c');
  const producer = await produce(server, 'c');
  await push(producer, rowsOf(1, 2));
  // a directory in the way of the files that are written, which works for root too
  for (const name of ['c.json.new', 'c.json.now']) putInTheWay(join(dir, name));
  while ((await health(server)).status !== 'degraded') await push(producer, rowsOf(1, 2));
  expect((await health(server)).reason).toMatch(/^the checkpoint of channel c cannot be written: /);
  expect(server.degraded).toBeDefined();
  // past the numbers that were kept free: the write that cannot wait fails as well
  const seq = server.channel('c').seq;
  for (let n = 0; n < 3; n++) await push(producer, rowsOf(10_000, 2));
  expect(server.channel('c').seq).toBe(seq + 30_000);
  await client.rows(1, seq + 30_000);
  for (const name of ['c.json.new', 'c.json.now']) rmSync(join(dir, name), { recursive: true, force: true });
  while ((await health(server)).status !== 'ok') await push(producer, rowsOf(1, 2));
  expect(server.degraded).toBeUndefined();
  const told = server.log.filter(({ event }) => event.startsWith('checkpoint.'));
  expect(told[0]).toMatchObject({ level: 'error', event: 'checkpoint.failed', fields: { channel: 'c' } });
  expect(told.at(-1)).toMatchObject({ level: 'info', event: 'checkpoint.recovered' });
  expect(told.at(-1)!.fields.failures).toBeGreaterThan(1);
});

function putInTheWay(path: string): void {
  while (!existsSync(path) || !statSync(path).isDirectory()) {
    rmSync(path, { force: true });
    try {
      mkdirSync(path);
    } catch (error) {
      // it is being written just now
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

async function health(server: { url: string }) {
  return (await getJson(server, '/healthz')) as { status: string; reason?: string };
}

function checkpointOf(seq: number): Checkpoint {
  return {
    ...{
      format: 'streamnorm.checkpoint/1',
      channel: 'c',
      features,
      method: 'batch',
      options: { size: 8 },
      epoch: 'e1',
    },
    ...{ seq, seqLimit: seq, pending: { data: [], times: [] }, producers: [], savedAt: '2026-01-01T00:00:00.000Z' },
    state: {
      ...{ format: 'streamnorm.batchnorm/1', features, alpha: 0.1, eps: 1e-5, runningMean: [1, 2], runningVar: [1, 2] },
      ...{ batches: 1, samples: seq, weight: null, bias: null },
    } as Checkpoint['state'],
  };
}
