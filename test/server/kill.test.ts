import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BatchNorm, type BatchNormState } from '../../src/core/batch-norm.ts';
import type { Checkpoint } from '../../src/server/checkpoint.ts';
import type { ServerConfigInput } from '../../src/server/index.ts';
import { Client, getJson, type Next, outUrl, produce, push, rowsOf, type Snapshot, subscribe } from './clients.ts';
import { type ServerProcess, startProcess } from './server-process.ts';
import { stateDir } from './state-dir.ts';

const features = ['a', 'b', 'c'];
const SIZE = 16;

const configIn = (dir: string, every: number | string): ServerConfigInput => ({
  state: { dir, every },
  channels: { c: { features, size: SIZE, alpha: 0.2 } },
});

/** What a channel says of itself. */
interface About {
  epoch: string;
  seq: number;
  pending: number;
  state: BatchNormState;
}

const about = (server: ServerProcess) => getJson(server, '/channels/c') as Promise<About>;

/** The model after the first rows, in windows. */
function offline(rows: readonly number[][]): BatchNorm {
  const model = new BatchNorm({ features, alpha: 0.2 });
  for (let at = 0; at + SIZE <= rows.length; at += SIZE) model.learn(rows.slice(at, at + SIZE));
  return model;
}

function checkpointIn(dir: string): Checkpoint {
  return JSON.parse(readFileSync(join(dir, 'c.json'), 'utf8')) as Checkpoint;
}

describe('a server that is killed', () => {
  test('between two checkpoints goes on from the last: statistics of an offline run, a gap, and no number twice', async () => {
    const dir = stateDir();
    const rows = rowsOf(1_000, 3);
    // long intervals, so that what comes after the checkpoint is surely not in it
    const first = await startProcess(configIn(dir, 300));
    const producer = await produce(first, 'c');
    const { client, snapshot } = await subscribe(first, 'c');
    let sent = 0;
    const pushRows = async (count: number) => {
      await push(producer, rows.slice(sent, sent + count));
      sent += count;
    };
    await pushRows(100);
    while (checkpointIn(dir).seq < 96) await pushRows(1);
    const saved = checkpointIn(dir);
    // as much as possible beyond it
    while (checkpointIn(dir).savedAt === saved.savedAt && sent < 900) await pushRows(10);
    const closed = client.closed;
    expect(await first.end('SIGKILL')).toBe('SIGKILL');
    expect((await closed).code).toBe(1006);
    const received = client.texts
      .map((text) => JSON.parse(text) as Next)
      .filter(({ type }) => type === 'next')
      .flatMap(({ seq, z }) => z.map((_, row) => seq + row));
    const last = received.at(-1)!;
    const kept = checkpointIn(dir);

    const second = await startProcess(configIn(dir, '1h'));
    const now = await about(second);
    const learned = now.state.samples;
    expect([learned, now.pending]).toEqual([kept.seq, kept.pending.times.length]);
    expect(now.epoch).toBe(snapshot.epoch);
    expect(now.state).toEqual(offline(rows.slice(0, learned)).state());
    // numbering goes on behind every number that may have been sent
    expect(now.seq).toBeGreaterThanOrEqual(last);

    const back = await Client.open(outUrl(second, 'c', `?since=${snapshot.epoch}.${last}&digits=17`));
    expect(await back.next()).toEqual({ type: 'gap', from: last + 1, to: now.seq, reason: 'restart' });
    expect(await back.next<Snapshot>()).toMatchObject({ type: 'snapshot', seq: now.seq, recovered: false });
    // the producer sends again what was not kept: its rows come out as if nothing had happened
    const again = await produce(second, 'c');
    await push(again, rows.slice(learned + now.pending, 960), 'again');
    const blocks = await back.rows(now.seq + 1, 960 - learned);
    const z = blocks.flatMap((block) => block.z);
    const model = offline(rows.slice(0, learned));
    for (let at = learned; at < 960; at += SIZE) {
      expect(z.slice(at - learned, at - learned + SIZE)).toEqual(model.train(rows.slice(at, at + SIZE)));
    }
    const numbers = [...received, ...blocks.flatMap(({ seq, z }) => z.map((_, row) => seq + row))];
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test('again and again at any moment: each time a whole checkpoint, one epoch, rising numbers, an offline run', async () => {
    const dir = stateDir();
    const rows = rowsOf(40_000, 3);
    const seen = new Set<number>();
    let epoch: string | undefined;
    let kept = 0;
    for (let round = 0; round < 5; round++) {
      // a checkpoint nearly always being written
      const server = await startProcess(configIn(dir, 1));
      const start = await about(server);
      expect(start.epoch).toBe(epoch ?? start.epoch);
      epoch = start.epoch;
      expect(start.state).toEqual(offline(rows.slice(0, start.state.samples)).state());
      expect(start.state.samples + start.pending).toBeGreaterThanOrEqual(kept);
      const { client } = await subscribe(server, 'c');
      const producer = await produce(server, 'c');
      let sent = start.state.samples + start.pending;
      const pushes = 20 + ((round * 37) % 61);
      for (let n = 0; n < pushes; n++) {
        // another name each time: what came from this one before is remembered
        await push(producer, rows.slice(sent, sent + 7), `round ${round}`);
        sent += 7;
      }
      const saved = checkpointIn(dir);
      kept = (saved.state as BatchNormState).samples + saved.pending.times.length;
      await server.end('SIGKILL');
      await client.closed;
      for (const text of client.texts) {
        const { type, seq, z } = JSON.parse(text) as Next;
        if (type !== 'next') continue;
        for (let row = 0; row < z.length; row++) {
          expect(seen.has(seq + row)).toBe(false);
          seen.add(seq + row);
        }
      }
    }
    expect(seen.size).toBeGreaterThan(500);
  });

  test('after more rows than were kept free gives none of their numbers again', async () => {
    const dir = stateDir();
    const config: ServerConfigInput = {
      state: { dir, every: '1h' },
      channels: { c: { features: ['x'], method: 'cumulative' } },
    };
    const first = await startProcess(config);
    const { client, snapshot } = await subscribe(first, 'c', '?format=f32');
    const producer = await produce(first, 'c');
    for (let n = 0; n < 6; n++)
      await push(
        producer,
        Array.from({ length: 9_000 }, (_, i) => [i]),
      );
    expect((await getJson(first, '/channels/c')) as About).toMatchObject({ seq: 54_000 });
    while ((await client.frames.next()).seq < 45_001);
    await first.end('SIGKILL');
    const second = await startProcess(config);
    const now = await about(second);
    expect([now.epoch, now.seq > 54_000]).toEqual([snapshot.epoch, true]);
  });
});

describe('SIGTERM', () => {
  test('closes windows, says bye, closes with 1012 and exits 0; a restart has the same epoch and the next seq', async () => {
    const dir = stateDir();
    const rows = rowsOf(70, 3);
    const first = await startProcess(configIn(dir, '1h'));
    const producer = await produce(first, 'c');
    const { client, snapshot } = await subscribe(first, 'c', '?digits=17');
    await push(producer, rows.slice(0, 50));
    await client.rows(1, 48);
    const ended = first.end('SIGTERM');
    const [rest] = await client.rows(49, 2);
    const model = offline(rows.slice(0, 48));
    expect(rest!.z).toEqual(model.train(rows.slice(48, 50)));
    expect(await client.next()).toMatchObject({ type: 'bye', code: 1012 });
    for (const each of [client, producer]) expect((await each.closed).code).toBe(1012);
    expect(await ended).toBe(0);
    expect(checkpointIn(dir)).toMatchObject({ seq: 50, seqLimit: 50, pending: { data: [], times: [] } });

    const second = await startProcess(configIn(dir, '1h'));
    expect(await about(second)).toMatchObject({ epoch: snapshot.epoch, seq: 50, pending: 0, state: model.state() });
    const back = await subscribe(second, 'c', `?since=${snapshot.epoch}.50&digits=17`);
    expect(back.snapshot).toMatchObject({ seq: 50, recovered: true });
    await push(await produce(second, 'c'), rows.slice(50, 66), 'other');
    const [next] = await back.client.rows(51, 16);
    expect(next!.z).toEqual(model.train(rows.slice(50, 66)));
  });
});
