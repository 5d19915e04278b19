import { setTimeout as pass } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/config/limits.ts';
import { Client, getJson, type Next, outUrl, produce, push, rowsOf, subscribe } from '../server/clients.ts';
import type { ServerProcess } from '../server/server-process.ts';
import { besideBystander, mib, p99 } from './beside-bystander.ts';
import { Crowd, type CrowdReport, type Heard } from './crowd.ts';
import { fault } from './fault.ts';

const features = ['a', 'b'];

interface About {
  epoch: string;
  seq: number;
  subscribers: number;
  counters: { skipped: number; evicted: number; snapshots: number; gaps: Record<string, number> };
}

const about = (server: ServerProcess, channel = 'c') => getJson(server, `/channels/${channel}`) as Promise<About>;

/** Checks that all rows from the first on came or were told to be left out; returns how many were. */
function leftOut(events: readonly Heard[]): number {
  let next = events.find(({ type }) => type === 'snapshot')!.seq + 1;
  let missing = 0;
  for (const { type, seq, rows = 0, skipped = 0, to } of events) {
    if (type === 'next') {
      expect(seq).toBe(next + skipped);
      next = seq + rows;
      missing += skipped;
    } else if (type === 'gap') {
      expect(seq).toBe(next);
      next = to! + 1;
      missing += next - seq;
    }
  }
  return missing;
}

/** What the sockets of all subscribers hold. */
async function queuedBytes(server: ServerProcess): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^streamnorm_queued_bytes\{channel="c",role="out"\} (\d+)/m.exec(text)![1]);
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(ms < 9_950 ? 1 : 0)} s`;
const count = (rows: number) => rows.toLocaleString('en');

describe('Subscribers', () => {
  /** The defaults, which the scene has relaxed. */
  const strict = { conflateAfterMs: DEFAULT_LIMITS.conflateAfterMs, cutAfterMs: DEFAULT_LIMITS.cutAfterMs };
  /** For a bystander that had to wait for a core. */
  const recoverable = { history: 20_000, slackBytes: 6_291_456 };
  /** About 750 kB/s to a reader of z and raw: more than the system's buffers swallow for long. */
  const load = { perSecond: 50, rowsPerPush: 200 };

  fault('subscriber-never-reads', async (run) => {
    let goneMs = 0;
    // a tenth of the times suffices to see that they hold
    const limits = run.full ? strict : { cutAfterMs: 1_000, heartbeatMs: 500, conflateAfterMs: 300 };
    let heldBytes = 0;
    await besideBystander(run, { limits, ...load, ...recoverable }, async (scene) => {
      const { client } = await subscribe(scene.server, 'c', '?include=z,raw');
      const start = performance.now();
      client.socket.pause();
      while ((await scene.counters()).evicted === 0) {
        heldBytes = Math.max(heldBytes, await queuedBytes(scene.server));
        await pass(100);
      }
      goneMs = performance.now() - start;
    });
    expect(goneMs).toBeLessThan(25_000);
    expect(heldBytes).toBeLessThan(1_048_576);
    run.seen(`gone after ${seconds(goneMs)}, at most ${mib(heldBytes)} held`);
  });

  fault('subscriber-half-rate', async (run) => {
    let report: CrowdReport | undefined;
    let skipped = 0;
    await besideBystander(run, { limits: strict, ...load, ...recoverable }, async (scene) => {
      const crowd = new Crowd();
      const url = `${scene.url}/out/c`;
      await crowd.open({ open: 1, url, query: '?include=z,raw', bytesPerSecond: 375_000, detailed: true });
      await scene.rows(10_000 * (run.full ? 20 : 5));
      report = await crowd.report();
      skipped = (await scene.counters()).skipped as number;
      await crowd.drop();
    });
    const { events, ages } = report!;
    const missing = leftOut(events);
    expect(missing).toBeGreaterThan(0);
    expect(missing).toBeLessThanOrEqual(skipped);
    // a machine that has other work adds to it
    expect(p99(ages)).toBeLessThan(run.full ? 1_000 : 2_500);
    run.seen(
      `${seconds(p99(ages))} behind (99 % of messages); ${count(missing)} of ${count(missing + report!.rows)} rows skipped`,
    );
  });

  fault('subscriber-policies', async (run) => {
    let lost = 0;
    let goneMs = 0;
    const heavy = { limits: strict, ...recoverable, perSecond: 20, rowsPerPush: 1_000 };
    await besideBystander(run, heavy, async ({ server, url, rows, counters }) => {
      const dropping = new Crowd();
      const query = '?include=z,raw&onSlow=drop';
      await dropping.open({ open: 1, url: `${url}/out/c`, query, bytesPerSecond: 300_000, detailed: true });
      await rows(20_000 * (run.full ? 10 : 3));
      const { events } = await dropping.report();
      lost = leftOut(events);
      const gaps = events.filter(({ type }) => type === 'gap');
      expect(gaps.map(({ reason }) => reason)).toEqual(gaps.map(() => 'slow'));
      expect(events.some(({ skipped }) => skipped !== undefined)).toBe(false);
      expect(((await counters()).gaps as { slow: number }).slow).toBeGreaterThanOrEqual(gaps.length);
      await dropping.drop();

      // one that never reads is gone a second after it was cut off
      const silent = (await subscribe(server, 'c', '?include=z,raw&onSlow=close')).client;
      silent.socket.pause();
      while ((await counters()).evicted === 0) await pass(10);
      const start = performance.now();
      while ((await about(server)).subscribers > 1) await pass(10);
      goneMs = performance.now() - start;
      // one that reads on is told
      const late = (await subscribe(server, 'c', '?include=z,raw&onSlow=close')).client;
      late.socket.pause();
      while ((await counters()).evicted === 1) await pass(10);
      late.socket.resume();
      // on a machine so busy that its second is over, it is only gone
      expect([1013, 1006]).toContain((await late.closed).code);
    });
    expect(lost).toBeGreaterThan(0);
    expect(goneMs).toBeLessThan(run.full ? 1_500 : 5_000);
    run.seen(`${count(lost)} rows lost, each in a \`gap\`; torn down after ${seconds(goneMs)}`);
  });

  fault('subscriber-stopped', async (run) => {
    const [shortMs, longMs] = run.full ? [10_000, 60_000] : [1_500, 6_000];
    const limits = run.full ? strict : { conflateAfterMs: 300, cutAfterMs: 4_000, heartbeatMs: 300 };
    const noticedMs = run.full ? 2_000 : 1_000;
    let staleRows = 0;
    let firstMs = 0;
    let evicted: unknown;
    let skipped = 0;
    await besideBystander(
      run,
      { limits, ...recoverable, perSecond: 50, rowsPerPush: 20 },
      async ({ server, url, rows, counters }) => {
        const [short, long] = [new Crowd(), new Crowd()];
        for (const crowd of [short, long]) {
          await crowd.open({ open: 1, url: `${url}/out/c`, query: '?include=z,raw', detailed: true });
        }
        await rows(1_000);
        const stoppedAt = Date.now();
        for (const { child } of [short, long]) child.kill('SIGSTOP');
        await pass(shortMs);
        const wokenAt = Date.now();
        short.child.kill('SIGCONT');
        // until it is served as ever
        let events: Heard[] = [];
        while (!events.some(({ age, at }) => age !== undefined && at > wokenAt + 500 && age < 500)) {
          await rows(100);
          events = [...events, ...(await short.report()).events];
        }
        skipped = leftOut(events);
        const late = events.filter(({ type, at }) => type === 'next' && at >= wokenAt).map(({ at, age }) => at - age!);
        // rows of the time between do not come: neither those after it was noticed, nor those before it woke
        const between = late.filter((emitted) => emitted > stoppedAt + noticedMs && emitted < wokenAt - 500);
        expect(between).toEqual([]);
        staleRows = late.filter((emitted) => emitted < wokenAt - 500).length;
        firstMs = late.find((emitted) => emitted >= wokenAt - 500)! - wokenAt;
        await short.drop();

        await pass(longMs - (Date.now() - stoppedAt));
        evicted = (await counters()).evicted;
        long.child.kill('SIGCONT');
        while ((await long.report()).open > 0) await pass(20);
        const { seq } = await about(server);
        await long.open({ open: 1, url: `${url}/out/c`, detailed: true });
        expect((await long.report()).events.find(({ type }) => type === 'snapshot')!.seq).toBeGreaterThanOrEqual(seq);
      },
    );
    expect(evicted).toBe(1);
    expect(skipped).toBeGreaterThan(0);
    expect(firstMs).toBeLessThan(run.full ? 1_000 : 2_500);
    run.seen(
      `${count(skipped)} rows skipped, ${staleRows} messages from before it was noticed, then the newest; the other evicted`,
    );
  });

  fault('subscribers-10000', async (run) => {
    const MANY = 10_000;
    const ROUNDS = 20;
    const options = {
      channels: { crowd: { features } },
      limits: { maxConnections: MANY + 100 },
      slackBytes: 8_388_608,
    };
    let figures = '';
    const { ingestP99Ms, latenessP99Ms } = await besideBystander(run, options, async ({ server, url, phase }) => {
      // that 10,000 connect is another fault
      await phase('connecting');
      const crowds = [new Crowd(), new Crowd()];
      const empty = await server.ask('memory');
      const half = { open: MANY / 2, url: `${url}/out/crowd`, query: '?format=f32' };
      await Promise.all(crowds.map((crowd, i) => crowd.open({ ...half, first: (i * MANY) / 2 })));
      expect((await about(server, 'crowd')).subscribers).toBe(MANY);
      const idle = await server.ask('memory');
      const producer = await produce(server, 'crowd');
      await server.ask('delay');
      await phase('beside');
      let most = 0;
      for (let n = 0; n < ROUNDS; n++) {
        await push(producer, rowsOf(64, 2, 64 * n));
        await pass(1_000);
        most = Math.max(most, (await server.ask('rss')).rssBytes);
      }
      const delay = await server.ask('delay');
      const reports: CrowdReport[] = [];
      const sum = (of: (report: CrowdReport) => number) => reports.reduce((total, report) => total + of(report), 0);
      // until the last of them has the last row
      while (sum(({ rows, skipped }) => rows + skipped) < 64 * ROUNDS * MANY) {
        reports.push(...(await Promise.all(crowds.map((crowd) => crowd.report()))));
      }
      expect([sum(({ skipped }) => skipped), sum(({ holes }) => holes)]).toEqual([0, 0]);
      const ages = p99(reports.flatMap((report) => Array.from(report.ages)));
      const each = (idle.rssBytes - empty.rssBytes) / MANY / 1_024;
      figures =
        `all ${count(sum(({ messages }) => messages))} messages delivered, 99 % within ${seconds(ages)}; ` +
        `resident ${mib(empty.rssBytes)} before, ${each.toFixed(1)} KiB a subscriber, at most ${mib(most)}; ` +
        `event loop 99 % within ${delay.p99Ms.toFixed(0)} ms`;
      await phase('leaving');
      for (const crowd of crowds) await crowd.drop();
      while ((await about(server, 'crowd')).subscribers > 0) await pass(50);
      await phase('beside');
    });
    // the server and 10,000 readers share the cores: a client waits for one on its way there and back
    if (run.judged) expect(ingestP99Ms).toBeLessThan(50 + 2 * latenessP99Ms);
    run.seen(
      `\`accepted\` within ${ingestP99Ms.toFixed(0)} ms (99 %), ${latenessP99Ms.toFixed(0)} ms being how late the client's own timers were; ${figures}`,
    );
  });

  fault('subscriber-10001st', async (run) => {
    const most = run.full ? 10_000 : 50;
    const options = { channels: { crowd: { features } }, limits: { maxConnections: most }, slackBytes: 8_388_608 };
    await besideBystander(run, options, async ({ url, server, phase }) => {
      const crowd = new Crowd();
      await phase('connecting');
      // the bystander has two
      const opening = { open: most - 2, url: `${url}/out/crowd` };
      await crowd.open(opening);
      const more = { ...opening, open: 3 };
      await crowd.open(more);
      const { refusals, open } = await crowd.report();
      expect([refusals, open]).toEqual([{ '503 Retry-After 5': 3 }, most - 2]);
      await crowd.drop();
      while ((await about(server, 'crowd')).subscribers > 0) await pass(20);
      await crowd.open({ ...more, open: 1 });
      expect(await crowd.report()).toMatchObject({ refusals: {}, open: 1 });
      await phase('beside');
    });
    run.seen(`three above ${count(most)} connections got 503, Retry-After 5; when some had left, the next was taken`);
  });

  fault('subscribers-reconnect', async (run) => {
    const many = run.full ? 2_000 : 300;
    const channels = { crowd: { features, method: 'cumulative' as const } };
    let backMs = 0;
    let written = 0;
    await besideBystander(run, { channels, slackBytes: 4_194_304 }, async ({ url, server }) => {
      const crowd = new Crowd();
      const producer = await produce(server, 'crowd');
      await crowd.open({ open: many, url: `${url}/out/crowd` });
      await push(producer, rowsOf(10, 2));
      const { epoch, counters } = await about(server, 'crowd');
      await crowd.drop();
      await crowd.report();
      const query = `?since=${epoch}.5`;
      const { ms } = await crowd.open({ open: many, url: `${url}/out/crowd`, query, withinMs: 1_000 });
      backMs = ms;
      written = (await about(server, 'crowd')).counters.snapshots - counters.snapshots;
      let rows = 0;
      while (rows < 5 * many) rows += (await crowd.report()).rows;
      const report = await crowd.report();
      expect([report.open, report.refusals, report.holes]).toEqual([many, {}, 0]);
      // all of them follow
      await push(producer, rowsOf(1, 2));
      for (rows = 0; rows < many; ) rows += (await crowd.report()).rows;
      await crowd.drop();
    });
    expect(backMs).toBeLessThan(30_000);
    expect(written).toBe(1);
    run.seen(`${count(many)} back after ${seconds(backMs)}; written once`);
  });

  fault('subscriber-resumes', async (run) => {
    const channels = {
      d: { features, method: 'cumulative' as const, history: 50 },
      empty: { features, method: 'cumulative' as const },
    };
    await besideBystander(run, { channels }, async ({ server }) => {
      const producer = await produce(server, 'd');
      for (let n = 0; n < 20; n++) await push(producer, rowsOf(10, 2, 10 * n));
      const { epoch } = await about(server, 'd');
      const since = (seq: number | string, of = epoch) => Client.open(outUrl(server, 'd', `?since=${of}.${seq}`));
      const snapshot = (seq: number, recovered: boolean) => ({ type: 'snapshot', seq, recovered });

      const inside = await since(163);
      expect(await inside.next()).toMatchObject(snapshot(163, true));
      await inside.rows(164, 37);
      const old = await since(7);
      expect(await old.next()).toEqual({ type: 'gap', from: 8, to: 200, reason: 'history' });
      expect(await old.next()).toMatchObject(snapshot(200, false));
      const future = await since(201);
      expect(await future.next()).toMatchObject({ type: 'error', code: 'SEQ_FUTURE' });
      expect(await future.next()).toMatchObject(snapshot(200, false));
      const foreign = await since(100, 'another');
      expect(await foreign.next()).toMatchObject(snapshot(200, false));
      const { epoch: none } = await about(server, 'empty');
      const early = await Client.open(outUrl(server, 'empty', `?since=${none}.0`));
      expect(await early.next()).toMatchObject(snapshot(0, true));
      // each goes on with the next row
      await push(producer, rowsOf(1, 2));
      for (const client of [inside, old, future, foreign]) await client.rows(201, 1);
      await push(await produce(server, 'empty'), rowsOf(2, 2));
      await early.rows(1, 2);
    });
    run.seen('all five as said, and each goes on with the next row');
  });

  fault('subscriber-joins', async (run) => {
    const joiners = run.full ? 200 : 20;
    const pushes = 50 * joiners;
    await besideBystander(run, { channels: { d: { features, size: 8, history: 1_000 } } }, async ({ server }) => {
      const producer = await produce(server, 'd');
      const joined: { client: Client; from: number }[] = [];
      // three rows a push, eight a batch: a batch is open nearly always
      for (let n = 0; n < pushes; n++) {
        const pushed = push(producer, rowsOf(3, 2, n));
        if (n % 50 === 0) {
          const { client, snapshot } = await subscribe(server, 'd');
          joined.push({ client, from: snapshot.seq + 1 });
        }
        await pushed;
      }
      const rows = pushes * 3 - ((pushes * 3) % 8);
      for (const { client, from } of joined) await client.rows(from, rows + 1 - from);
      for (const { client } of joined) {
        expect(client.texts.some((text) => (JSON.parse(text) as Next).skipped !== undefined)).toBe(false);
        client.socket.terminate();
      }
    });
    run.seen(`${joiners} joined, none with a hole or a row twice`);
  });
});
