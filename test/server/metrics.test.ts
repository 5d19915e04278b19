import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { RunningServer } from '../../src/server/index.ts';
import { METRICS } from '../../src/server/metric-families.ts';
import { version } from '../../src/server/version.ts';
import { getJson, produce, push, rowsOf, serve, subscribe } from './clients.ts';
import { type Family, parseExposition } from './exposition.ts';
import { stateDir } from './state-dir.ts';

const channels = {
  btc: { features: ['bid', 'ask'], size: 4 },
  eth: { features: ['x'], method: 'ewma' as const, halfLife: 20 },
};

async function scrape(server: Pick<RunningServer, 'url'>): Promise<Map<string, Family>> {
  const response = await fetch(`${server.url}/metrics`);
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  return parseExposition(await response.text());
}

/** Every series of our own but those of buckets, by name and labels. */
function valuesOf(families: Map<string, Family>): Record<string, number> {
  const values: Record<string, number> = {};
  for (const family of families.values()) {
    for (const { name, labels, value } of family.samples) {
      if (!name.startsWith('streamnorm_') || 'le' in labels) continue;
      const text = Object.entries(labels).map(([key, label]) => `${key}="${label}"`);
      values[text.length > 0 ? `${name}{${text}}` : name] = value;
    }
  }
  return values;
}

describe('/metrics', () => {
  test('is what docs/metrics.md says: every name, type, label and meaning', async () => {
    const server = await serve({ channels, state: { dir: stateDir() } });
    await push(await produce(server, 'eth'), rowsOf(4, 1));
    const families = await scrape(server);
    const rows = Object.entries(METRICS).map(
      ([name, [type, help, labels]]) =>
        `| \`streamnorm_${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
    );
    const documented = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `streamnorm_'));
    expect(documented).toEqual(rows);
    const names = [...families.keys()];
    expect(names.filter((name) => !/^(process|nodejs)_/.test(name))).toEqual(
      Object.keys(METRICS).map((name) => `streamnorm_${name}`),
    );
    for (const [name, [type, help, labels]] of Object.entries(METRICS)) {
      const family = families.get(`streamnorm_${name}`)!;
      expect(family, name).toMatchObject({ type, help });
      for (const sample of family.samples) {
        expect(
          Object.keys(sample.labels)
            .filter((label) => label !== 'le')
            .toSorted(),
        ).toEqual([...labels].toSorted());
      }
    }
    // of the process: memory, processor, event loop
    for (const name of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(names).toContain(name);
    }
  });

  test('names follow the conventions: counters end in _total and nothing else does, units are base units', () => {
    for (const [name, [type]] of Object.entries(METRICS)) {
      expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(ms|milliseconds|minutes|kb|mb)(_|$)/);
    }
  });

  test('tells what has happened', async () => {
    const server = await serve({ channels, state: { dir: stateDir() } });
    const producer = await produce(server, 'btc');
    await subscribe(server, 'btc', `?since=${server.channel('btc').epoch}.0`);
    await push(producer, [
      [1, 10],
      [2, 20],
      [3, 30],
      [6, null],
      [7, 70],
    ]);
    producer.send('[1]');
    await producer.find('error');
    producer.send({ type: 'push', producer: 'test', seq: 1, x: [1, 2] });
    await producer.find('accepted');
    const elsewhere = new WebSocket(`${server.url.replace('http', 'ws')}/elsewhere`);
    await expect(once(elsewhere, 'open')).rejects.toThrow('404');
    const values = valuesOf(await scrape(server));
    const own = Object.entries(values).filter(([name]) => !name.includes('eth') && !name.includes('std'));
    expect(Object.fromEntries(own)).toEqual({
      [`streamnorm_build_info{version="${version()}"}`]: 1,
      streamnorm_ready: 1,
      streamnorm_degraded: 0,
      streamnorm_bugs_total: 0,
      'streamnorm_connections{role="in"}': 1,
      'streamnorm_connections{role="out"}': 1,
      'streamnorm_refused_connections_total{status="404"}': 1,
      streamnorm_forgotten_addresses_total: 0,
      streamnorm_checkpoint_failures_total: 0,
      streamnorm_checkpoint_age_seconds: expect.any(Number),
      streamnorm_checkpoint_duration_seconds_sum: expect.any(Number),
      streamnorm_checkpoint_duration_seconds_count: 2,
      'streamnorm_messages_total{channel="btc"}': 3,
      'streamnorm_rows_total{channel="btc"}': 5,
      'streamnorm_duplicate_pushes_total{channel="btc"}': 1,
      'streamnorm_errors_total{channel="btc",code="BAD_DIM"}': 1,
      'streamnorm_flagged_rows_total{channel="btc",flag="missing"}': 1,
      'streamnorm_seq{channel="btc"}': 4,
      'streamnorm_pending_rows{channel="btc"}': 1,
      'streamnorm_history_rows{channel="btc"}': 4,
      'streamnorm_history_bytes{channel="btc"}': expect.any(Number),
      'streamnorm_producers{channel="btc"}': 1,
      'streamnorm_subscribers{channel="btc"}': 1,
      'streamnorm_queued_bytes{channel="btc",role="in"}': 0,
      'streamnorm_queued_bytes{channel="btc",role="out"}': 0,
      'streamnorm_subscriber_lag_rows{channel="btc"}': 0,
      'streamnorm_subscriber_staleness_seconds_sum{channel="btc"}': 0,
      'streamnorm_subscriber_staleness_seconds_count{channel="btc"}': 0,
      'streamnorm_skipped_rows_total{channel="btc"}': 0,
      'streamnorm_drifts_total{channel="btc"}': 0,
      'streamnorm_forgotten_drifts_total{channel="btc"}': 0,
      'streamnorm_evicted_subscribers_total{channel="btc"}': 0,
      'streamnorm_snapshots_total{channel="btc"}': 1,
      'streamnorm_mean{channel="btc",feature="bid"}': expect.closeTo(0.3),
      'streamnorm_mean{channel="btc",feature="ask"}': expect.closeTo(2),
      streamnorm_feature_series_left_out: 0,
    });
  });

  test('counts the gaps that subscribers were told, by reason', async () => {
    const server = await serve({ channels: { c: { features: ['x'], method: 'cumulative', history: 2 } } });
    const producer = await produce(server, 'c');
    for (let n = 0; n < 5; n++) await push(producer, [n]);
    const { snapshot: gap } = await subscribe(server, 'c', `?since=${server.channel('c').epoch}.1`);
    expect(gap).toMatchObject({ type: 'gap', reason: 'history' });
    const values = valuesOf(await scrape(server));
    expect(values['streamnorm_gaps_total{channel="c",reason="history"}']).toBe(1);
    expect((await getJson(server, '/channels/c')) as object).toMatchObject({ counters: { gaps: { history: 1 } } });
  });

  test('observes how old what subscribers read is, by the pings among the rows', async () => {
    const server = await serve({
      channels: { c: { features: ['x'], method: 'cumulative' } },
      limits: { conflateAfterMs: 1 },
    });
    const producer = await produce(server, 'c');
    await subscribe(server, 'c');
    const count = 'streamnorm_subscriber_staleness_seconds_count{channel="c"}';
    let families = await scrape(server);
    while (valuesOf(families)[count] === 0) {
      await push(producer, rowsOf(500, 1));
      families = await scrape(server);
    }
    const buckets = families
      .get('streamnorm_subscriber_staleness_seconds')!
      .samples.filter(({ labels }) => 'le' in labels);
    expect(buckets.at(-1)).toMatchObject({ labels: { le: '+Inf' }, value: valuesOf(families)[count] });
  });

  test('has at most maxFeatureSeries series of features, and says how many are left out', async () => {
    const server = await serve({
      channels: { c: { features: rowsOf(1, 10)[0]!.map((_, j) => `f${j}`), method: 'cumulative' } },
      limits: { maxFeatureSeries: 7 },
    });
    await push(await produce(server, 'c'), rowsOf(3, 10));
    const families = await scrape(server);
    const [mean, std] = ['mean', 'std'].map((name) => families.get(`streamnorm_${name}`)!.samples.length);
    expect([mean, std]).toEqual([7, 0]);
    expect(valuesOf(families).streamnorm_feature_series_left_out).toBe(13);
  });

  test('survives channels and features of any name', async () => {
    const names = ['a"b', 'c\\d', 'e\nf', '{}', 'constructor', 'le'];
    const server = await serve({ channels: { constructor: { features: names, method: 'cumulative' as const } } });
    await push(await produce(server, 'constructor'), rowsOf(2, 6));
    const mean = (await scrape(server)).get('streamnorm_mean')!.samples;
    expect(mean.map(({ labels }) => labels.feature)).toEqual(names);
  });
});
