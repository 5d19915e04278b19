import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { seeded } from '../../bench/seeded.ts';
import { BatchNorm, type BatchNormState } from '../../src/core/batch-norm.ts';
import type { Checkpoint } from '../../src/server/checkpoint.ts';
import { Client, getJson, type Next, outUrl, produce, rowsOf, type Snapshot } from '../server/clients.ts';
import { startProcess } from '../server/server-process.ts';
import { stateDir } from '../server/state-dir.ts';
import { FULL, fault } from './fault.ts';

const features = ['a', 'b'];
const SIZE = 8;
const EVERY_MS = 5;

interface About {
  epoch: string;
  seq: number;
  pending: number;
  state: BatchNormState;
}

describe('Process, disk, clock', () => {
  fault(
    'process-killed',
    async (run) => {
      const kills = run.full ? 200 : 10;
      const seed = run.full ? Date.now() % 1_000_000 : 7;
      const random = seeded(seed);
      const dir = stateDir();
      const config = { state: { dir, every: EVERY_MS }, channels: { c: { features, size: SIZE, alpha: 0.2 } } };
      const rows = rowsOf(200_000, 2);
      const model = new BatchNorm({ features, alpha: 0.2 });
      const numbers = new Set<number>();
      let epoch: string | undefined;
      let last = 0;
      let kept = 0;
      let learned = 0;
      let gaps = 0;
      let lostRows = 0;
      let oldestMs = 0;
      for (let kill = 0; kill < kills; kill++) {
        const where = `kill ${kill} of seed ${seed}`;
        const server = await startProcess(config);
        const now = (await getJson(server, '/channels/c')) as About;
        // one of the states that were, whole
        expect(await server.ask('warnings'), where).toEqual([]);
        expect(now.epoch, where).toBe(epoch ?? now.epoch);
        epoch = now.epoch;
        expect(now.state.samples + now.pending, where).toBeGreaterThanOrEqual(kept);
        expect(now.state.samples, where).toBeGreaterThanOrEqual(learned);
        for (; learned < now.state.samples; learned += SIZE) model.learn(rows.slice(learned, learned + SIZE));
        expect(now.state, where).toEqual(model.state());

        // who was there is told of what it will not get
        const client = await Client.open(outUrl(server, 'c', kill === 0 ? '' : `?since=${epoch}.${last}`));
        if (kill > 0 && last < now.seq) {
          const reason = last >= learned ? 'restart' : 'history';
          expect(await client.next(), where).toEqual({ type: 'gap', from: last + 1, to: now.seq, reason });
          gaps++;
        }
        expect(await client.next<Snapshot>(), where).toMatchObject({ type: 'snapshot', seq: now.seq, epoch });

        // pushes as fast as they are answered, until a moment nobody has chosen
        const producer = await produce(server, 'c');
        let sent = now.state.samples + now.pending;
        let accepted = sent;
        let running = true;
        const pushing = (async () => {
          for (let seq = 1; running; seq++) {
            producer.send({ type: 'push', producer: `of ${where}`, seq, x: rows.slice(sent, sent + 3) });
            sent += 3;
            const said = await Promise.race([producer.next(), producer.closed]);
            if (!('type' in said)) return;
            expect(said.type, where).toBe('accepted');
            accepted += 3;
          }
        })();
        // a machine may be slow to begin
        while (rowsIn(checkpoint(dir)) < now.state.samples + now.pending + 3 * SIZE) await pass(1);
        await pass(random() * 4 * EVERY_MS);
        kept = rowsIn(checkpoint(dir));
        server.child.kill('SIGKILL');
        const killedAt = Date.now();
        running = false;
        await Promise.all([server.ended, client.closed, pushing]);
        // the file itself is whole at any moment
        const onDisk = checkpoint(dir);
        oldestMs = Math.max(oldestMs, killedAt - Date.parse(onDisk.savedAt));
        lostRows = Math.max(lostRows, accepted - rowsIn(onDisk));
        for (const text of client.texts) {
          const { type, seq, z } = JSON.parse(text) as Next;
          if (type === 'snapshot') last = seq;
          if (type !== 'next') continue;
          for (let row = 0; row < z.length; row++) {
            expect(numbers.has(seq + row), `row ${seq + row} came twice, ${where}`).toBe(false);
            numbers.add(seq + row);
          }
          last = seq + z.length - 1;
        }
      }
      expect(learned).toBeGreaterThan(kills);
      expect(gaps).toBeGreaterThan(0);
      // the interval, and the time that a disk takes
      expect(oldestMs).toBeLessThan(EVERY_MS + 2_000);
      run.seen(
        `${kills} kills (seed ${seed}): each time a whole state of an offline run; newest checkpoint at most ${oldestMs} ms old ` +
          `(interval ${EVERY_MS} ms), at most ${lostRows} accepted rows lost, ${gaps} gaps told`,
      );
    },
    FULL ? 900_000 : 120_000,
  );
});

function checkpoint(dir: string): Checkpoint {
  return JSON.parse(readFileSync(join(dir, 'c.json'), 'utf8')) as Checkpoint;
}

/** Rows that it has taken in. */
function rowsIn({ state, pending }: Checkpoint): number {
  return (state as BatchNormState).samples + pending.times.length;
}
