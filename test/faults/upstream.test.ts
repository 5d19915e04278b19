import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished } from 'vitest';
import { MockExchange } from '../../examples/mock-exchange/exchange.ts';
import { fromWebSocket } from '../../src/websocket/index.ts';
import { runCli } from '../cli/run-cli.ts';
import { getJson } from '../server/clients.ts';
import { bids } from '../server/mock-feed.ts';
import { StatusLog, watch } from '../websocket/watch.ts';
import { mib } from './beside-bystander.ts';
import { fault } from './fault.ts';
import { type Feed, faultOfFeed } from './feed-scene.ts';

const PATIENCE = { timeout: 60_000, interval: 20 };
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

/** Waits until the exchange was asked for a connection so many times. */
const attempts = ({ exchange }: Feed, count: number) =>
  expect.poll(() => exchange.attempts.length, PATIENCE).toBeGreaterThanOrEqual(count);

describe('Upstream feed', () => {
  fault('upstream-reset', async (run) => {
    const channel = { method: 'batch', size: 8 } as const;
    const sequence = { path: 'data.u' };
    await faultOfFeed({ channel, source: { sequence } }, async (feed) => {
      const { exchange, seen } = feed;
      await feed.subscribed();
      exchange.quote(13);
      await feed.rows(8);
      await expect.poll(async () => (await feed.source()).counts.message, PATIENCE).toBe(13);
      exchange.cut();
      exchange.quote(2);
      await expect.poll(() => exchange.clients, PATIENCE).toBe(0);
      await feed.subscribed();
      exchange.duplicate();
      exchange.quote(8);
      await feed.rows(21);
      // 14 and 15 fell into the hole, and the last one before it came once again; the window of 9 to 13 closed there
      expect(seen.slice(0, 23)).toEqual([...bids(1, 13), 'gap', ...bids(15, 8)].slice(0, 23));
      expect(feed.flags.map((flags) => flags.includes('gap')).indexOf(true)).toBe(13);
      expect(exchange.received).toHaveLength(2);
      run.seen('window closed at 5 of 8 rows, subscribed again, no row twice');
    });
  });

  fault('upstream-half-open', async (run) => {
    const { host, peer, cut, mend } = twoNamespaces();
    const script = fileURLToPath(new URL('../../examples/mock-exchange/main.ts', import.meta.url));
    const command = ['netns', 'exec', host, process.execPath, '--import', 'tsx', script];
    const exchange = spawn('ip', [...command, '--host', peer, '--port', '9001', '--every', '20'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void exchange.kill());
    const [url] = (await once(createInterface(exchange.stdout), 'line')) as [string];
    await faultOfFeed({ url, source: { deadline: '2s' } }, async (feed) => {
      await feed.rows(20);
      const from = performance.now();
      cut();
      await expect.poll(async () => (await feed.source()).counts.closed, PATIENCE).toBe(1);
      const noticedMs = performance.now() - from;
      expect(noticedMs).toBeGreaterThan(1_900);
      expect((await feed.source()).reason).toBe('no message for 2000 ms');
      mend();
      const rows = feed.seen.length;
      await feed.rows(rows + 20);
      expect(feed.seen).toContain('gap');
      run.seen(`noticed after ${seconds(noticedMs)} of a deadline of 2 s, cut, connected again`);
    });
  });

  fault('upstream-mute', async (run) => {
    const handshakeMs = run.full ? 10_000 : 300;
    await faultOfFeed({ source: { handshake: handshakeMs } }, async (feed) => {
      const { exchange } = feed;
      await feed.subscribed();
      exchange.refuse('mute', 2);
      exchange.cut();
      await attempts(feed, 4);
      await feed.subscribed();
      const [, first, second, third] = exchange.attempts.map(({ atMs }) => atMs);
      for (const waitMs of [second! - first!, third! - second!]) expect(waitMs).toBeGreaterThan(handshakeMs - 5);
      expect((await feed.source()).counts.closed).toBe(3);
      run.seen(`given up after ${seconds(second! - first!)} and ${seconds(third! - second!)}, back-off included`);
    });
  });

  fault('upstream-clean-close', async (run) => {
    const codes = run.full ? [1000, 1001, 1012, 1013] : [1000, 1001, 1012];
    await faultOfFeed({}, async (feed) => {
      const { exchange } = feed;
      for (const [i, code] of codes.entries()) {
        await feed.subscribed();
        exchange.quote();
        await feed.rows(i + 1);
        exchange.close(code);
        await expect.poll(() => exchange.clients, PATIENCE).toBe(0);
      }
      await feed.subscribed();
      exchange.quote();
      await feed.rows(codes.length + 1);
      expect(feed.seen.filter((one) => one === 'gap')).toHaveLength(codes.length);
      run.seen(`connected again after ${codes.join(', ')}`);
    });
  });

  fault('upstream-refused', async (run) => {
    const ends: [string, (exchange: MockExchange) => void][] = [
      ['4401', (exchange) => exchange.close(4401, 'token')],
      ['1008', (exchange) => exchange.close(1008, 'policy')],
      ['HTTP 401', (exchange) => refuse(exchange, 401)],
      ['HTTP 403', (exchange) => refuse(exchange, 403)],
    ];
    for (const [name, end] of ends) {
      await faultOfFeed({}, async (feed) => {
        await feed.subscribed();
        end(feed.exchange);
        await expect.poll(async () => (await feed.source()).state, PATIENCE).toBe('failed');
        const tried = feed.exchange.attempts.length;
        const health = (await getJson(feed, '/healthz')) as { status: string; reason: string };
        expect(health.status).toBe('degraded');
        expect(health.reason).toMatch(`the source of channel btc has failed: `);
        expect(health.reason).toContain(name);
        // the readers of the command line, at the same exchange
        feed.exchange.refuse({ status: 401 }, Number.POSITIVE_INFINITY);
        const { code, stderr } = await runCli(['tail', feed.exchange.url]);
        expect([code, stderr]).toEqual([69, expect.stringContaining('refused for good')]);
        expect(feed.exchange.attempts.length).toBe(tried + 1);
      });
    }
    run.seen('failed at each of 4401, 1008, 401, 403, tried no more; tail ends with 69');
  });

  fault('upstream-retry-after', async (run) => {
    const waited: string[] = [];
    await faultOfFeed({}, async (feed) => {
      const { exchange } = feed;
      for (const status of [429, 503]) {
        await feed.subscribed();
        const before = exchange.attempts.length;
        exchange.refuse({ status, retryAfter: run.full ? '3' : '1' });
        exchange.close(1001);
        await attempts(feed, before + 2);
        const [refused, taken] = exchange.attempts.slice(before).map(({ atMs }) => atMs);
        expect(taken! - refused!).toBeGreaterThan((run.full ? 3_000 : 1_000) - 5);
        waited.push(`${seconds(taken! - refused!)} after ${status}`);
        await expect.poll(() => exchange.clients, PATIENCE).toBe(1);
      }
    });
    run.seen(`asked for ${run.full ? 3 : 1} s: ${waited.join(', ')}`);
  });

  fault(
    'upstream-flapping',
    async (run) => {
      const cycles = run.full ? 50 : 20;
      const exchange = await MockExchange.open();
      onTestFinished(() => exchange.stop());
      const flap = setInterval(() => exchange.cut(), run.full ? 100 : 20);
      onTestFinished(() => clearInterval(flap));
      const log = new StatusLog();
      const bounds = { minDelayMs: 1, maxDelayMs: 64 };
      const { subscription } = watch(fromWebSocket(exchange.url, { ...bounds, deadlineMs: 60_000, status: log.add }));
      while (log.of('waiting').length < cycles) await log.next('waiting');
      subscription.unsubscribe();
      log.of('waiting').forEach(({ delayMs }, i) => void expect(delayMs).toBeLessThanOrEqual(Math.min(64, 2 ** i)));
      // within 20 draws from [0, 64) one beyond the first bounds: the bound has grown
      expect(Math.max(...log.of('waiting').map(({ delayMs }) => delayMs))).toBeGreaterThan(8);
      expect(log.of('connecting').at(-1)?.attempt).toBeGreaterThanOrEqual(cycles);
      await expect.poll(() => exchange.connections, PATIENCE).toBe(0);
      run.seen(
        `${cycles} cycles, waits up to ${Math.max(...log.of('waiting').map((w) => w.delayMs)).toFixed(0)} of 64 ms, 0 sockets left`,
      );
    },
    120_000,
  );

  fault('upstream-silent', async (run) => {
    const deadlineMs = run.full ? 3_000 : 800;
    const channel = { method: 'ewma', halfLife: '10ms' } as const;
    await faultOfFeed({ source: { deadline: deadlineMs }, channel }, async (feed) => {
      const { exchange } = feed;
      await feed.subscribed();
      exchange.quote(5);
      await feed.rows(5);
      const from = performance.now();
      exchange.silence();
      await expect.poll(async () => (await feed.source()).counts.closed, PATIENCE).toBeGreaterThan(0);
      const noticedMs = performance.now() - from;
      expect(noticedMs).toBeGreaterThan(deadlineMs - 100);
      exchange.silence(false);
      await expect.poll(() => exchange.subscribers, PATIENCE).toBe(1);
      exchange.quote(1);
      await feed.rows(6);
      // 80 half-lives: what was before says nothing of this row
      expect(feed.flags[5]).toEqual(['notReady', 'gap']);
      run.seen(
        `noticed after ${seconds(noticedMs)} of ${seconds(deadlineMs)}; the first row after it is not ready, flagged gap`,
      );
    });
  });

  fault('upstream-habits', async (run) => {
    const habits = { heartbeatMs: 10, pingMs: 2_500, maxIncomingPerSecond: 5, token: 'secret-token' };
    const open = [{ hello: 1 }, { method: 'SUBSCRIBE', params: ['ethusdt@quote'], id: 1 }];
    const source = {
      headers: { authorization: 'Bearer secret-token' },
      open: [...open, { method: 'SUBSCRIBE', params: ['btcusdt@quote'], id: 2 }],
      heartbeat: { every: '2s', message: { method: 'PING' }, expect: '30s' },
      answer: [{ match: { ping: { exists: true } }, send: { pong: { $copy: 'ping' } } }],
      maxSendPerSecond: 2,
    };
    await faultOfFeed({ habits: { ...habits, symbols: ['btcusdt', 'ethusdt'] }, source }, async (feed) => {
      const { exchange } = feed;
      await expect.poll(() => exchange.received.length, PATIENCE).toBeGreaterThanOrEqual(3);
      exchange.quote(10);
      await feed.rows(10);
      expect(feed.seen).toEqual(bids(1, 10));
      await expect.poll(() => exchange.received, PATIENCE).toContainEqual({ pong: expect.any(Number) });
      await expect.poll(() => exchange.received, PATIENCE).toContainEqual({ method: 'PING' });
      const { counts } = await feed.source();
      expect(counts).toMatchObject({ message: 10, bad: 0, closed: 0 });
      expect(counts.ignored).toBeGreaterThan(10);
      run.seen(`10 rows among ${counts.ignored} other messages, none bad, not cut off`);
    });
  });

  fault('upstream-sequence', async (run) => {
    const source = { sequence: { path: 'data.u', reorder: 4, within: '5s' } };
    await faultOfFeed({ source }, async (feed) => {
      const { exchange } = feed;
      await feed.subscribed();
      exchange.quote(30);
      exchange.duplicate();
      exchange.reorder();
      exchange.gap(3);
      exchange.quote(6);
      await feed.rows(39);
      exchange.reset();
      exchange.quote(5);
      await feed.rows(44);
      expect(feed.seen).toEqual([...bids(1, 33), 'gap', ...bids(37, 6), 'gap', ...bids(1, 5)]);
      const { counts } = await feed.source();
      expect(counts).toMatchObject({ duplicate: 1, missed: 3, reset: 1, hole: 2, message: 44 });
      expect(counts.sorted).toBeGreaterThan(0);
      run.seen('duplicate left out, disorder sorted, 3 missing told, new count told');
    });
  });

  fault('upstream-burst', async (run) => {
    const at = run.full
      ? { perSecond: 5_000, ms: 2_000, atOnce: 100_000 }
      : { perSecond: 1_000, ms: 300, atOnce: 10_000 };
    const source = { sequence: { path: 'data.u' } };
    let unsentBytes = 0;
    let rows = 0;
    let paused = 0;
    await faultOfFeed({ source, channel: { history: 100 } }, async (feed) => {
      const { exchange } = feed;
      await feed.subscribed();
      await exchange.burst(at.perSecond, at.ms);
      exchange.quote(at.atOnce);
      unsentBytes = exchange.unsentBytes;
      rows = Math.floor((at.perSecond * at.ms) / 1_000) + at.atOnce;
      await expect.poll(async () => (await feed.source()).counts.message, PATIENCE).toBe(rows);
      const { counts } = await feed.source();
      expect(counts).toMatchObject({ missed: 0, dropped: 0, hole: 0, closed: 0 });
      paused = counts.paused!;
      expect(paused).toBeGreaterThan(0);
      return rows;
    });
    run.seen(
      `${rows.toLocaleString('en')} rows, none lost, paused ${paused} times, ${mib(unsentBytes)} waited at the sender`,
    );
  });
});

function refuse(exchange: MockExchange, status: number): void {
  exchange.refuse({ status });
  exchange.cut();
}

/** Two network namespaces with a cable between them that can be cut; fails where this is not permitted. */
function twoNamespaces() {
  const id = process.pid % 10_000;
  const host = `snx${id}`;
  const [near, far] = [`sna${id}`, `snb${id}`];
  const subnet = `10.213.${id % 250}`;
  const ip = (...args: string[]) => {
    const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
    if (error !== undefined || status !== 0) {
      throw new Error(
        `a half-open connection needs root and network namespaces: ip ${args.join(' ')}: ${error ?? stderr}`,
      );
    }
  };
  onTestFinished(() => void spawnSync('ip', ['netns', 'del', host]));
  ip('netns', 'add', host);
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', host);
  ip('addr', 'add', `${subnet}.1/30`, 'dev', near);
  ip('link', 'set', near, 'up');
  ip('-n', host, 'addr', 'add', `${subnet}.2/30`, 'dev', far);
  ip('-n', host, 'link', 'set', far, 'up');
  ip('-n', host, 'link', 'set', 'lo', 'up');
  return {
    host,
    peer: `${subnet}.2`,
    cut: () => ip('-n', host, 'link', 'set', far, 'down'),
    mend: () => ip('-n', host, 'link', 'set', far, 'up'),
  };
}
