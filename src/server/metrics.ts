import type { Registry } from 'prom-client';
import type { Channel } from './channel.ts';
import type { Histogram } from './histogram.ts';
import { METRICS, type MetricName, type MetricType } from './metric-families.ts';
import { SOURCE_STATES, type SourceFigures } from './source/source-figures.ts';

/** An open WebSocket, as `/metrics` counts it. */
export interface PeerFigures {
  readonly role: 'in' | 'out';
  readonly channel: Channel;
  readonly queuedBytes: number;
  /** Rows that have gone out and have not been sent to it. */
  readonly lagRows: number;
}

/** What `/metrics` tells about the server itself. */
export interface ServerFigures {
  readonly version: string;
  readonly ready: boolean;
  /** Why the server cannot do all that it should. */
  readonly degraded: string | undefined;
  readonly channels: Iterable<Channel>;
  /** Of a channel that has a source. */
  source(channel: string): SourceFigures | undefined;
  readonly peers: Iterable<PeerFigures>;
  /** Connections refused, by HTTP status or close code. */
  readonly refused: ReadonlyMap<number, number>;
  /** Requests without a token that is taken, by what was wrong with it. */
  readonly authFailures: ReadonlyMap<string, number>;
  readonly forgottenAddresses: number;
  /** ms since 1970; undefined without TLS. */
  readonly certificateValidToMs: number | undefined;
  readonly bugs: number;
  readonly suppressed: ReadonlyMap<string, number>;
  readonly reloads: ReadonlyMap<string, number>;
  /** Undefined where nothing is kept. */
  readonly checkpoints: CheckpointFigures | undefined;
  readonly maxFeatureSeries: number;
}

export interface CheckpointFigures {
  readonly ageMs: number;
  readonly failures: number;
  readonly durations: Histogram;
}

type Labels = Record<string, string | number>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Where it is not the name of the family. */
  readonly metricName?: string;
}

/** The metrics in Prometheus' text format. The library is loaded with the first scrape, so that starting stays quick. */
export async function renderMetrics(figures: ServerFigures): Promise<{ type: string; text: string }> {
  const { Registry } = await import('prom-client');
  const registry = new Registry();
  for (const [name, samples] of collect(figures)) register(registry, name, samples);
  processMetrics ??= startProcessMetrics();
  const text = `${await registry.metrics()}\n${await (await processMetrics).metrics()}`;
  return { type: registry.contentType, text };
}

/** Of the process, hence once in it: each further registry would observe the garbage collector and the loop again. */
let processMetrics: Promise<Registry> | undefined;

async function startProcessMetrics(): Promise<Registry> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Hands over values that are counted elsewhere. */
function register(registry: Registry, name: MetricName, values: Sample[]): void {
  const [type, help] = METRICS[name];
  const full = `streamnorm_${name}`;
  const metric = { name: full, get: async () => ({ name: full, help, type: type as MetricType, values }) };
  registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0]);
}

function collect(figures: ServerFigures): Map<MetricName, Sample[]> {
  const families = new Map<MetricName, Sample[]>();
  for (const name of Object.keys(METRICS) as MetricName[]) families.set(name, []);
  const add = (name: MetricName, value: number, labels: Labels = {}) => families.get(name)?.push({ labels, value });
  const addHistogram = (name: MetricName, histogram: Histogram, labels: Labels = {}) =>
    families.get(name)?.push(...histogramSamples(name, histogram, labels));

  add('build_info', 1, { version: figures.version });
  add('ready', Number(figures.ready));
  add('degraded', Number(figures.degraded !== undefined));
  for (const [status, n] of figures.refused) add('refused_connections_total', n, { status });
  for (const [reason, n] of figures.authFailures) add('auth_failures_total', n, { reason });
  if (figures.certificateValidToMs !== undefined) {
    add('tls_certificate_expiry_timestamp_seconds', figures.certificateValidToMs / 1_000);
  }
  add('forgotten_addresses_total', figures.forgottenAddresses);
  add('bugs_total', figures.bugs);
  for (const [event, n] of figures.suppressed) add('log_entries_suppressed_total', n, { event });
  for (const [result, n] of figures.reloads) add('config_reloads_total', n, { result });
  if (figures.checkpoints !== undefined) {
    add('checkpoint_age_seconds', figures.checkpoints.ageMs / 1_000);
    add('checkpoint_failures_total', figures.checkpoints.failures);
    addHistogram('checkpoint_duration_seconds', figures.checkpoints.durations);
  }
  const connections = { in: 0, out: 0 };
  const queued = { in: new Map<Channel, number>(), out: new Map<Channel, number>() };
  const lag = new Map<Channel, number>();
  for (const { role, channel, queuedBytes, lagRows } of figures.peers) {
    connections[role]++;
    queued[role].set(channel, (queued[role].get(channel) ?? 0) + queuedBytes);
    if (role === 'out') lag.set(channel, Math.max(lag.get(channel) ?? 0, lagRows));
  }
  for (const role of ['in', 'out'] as const) add('connections', connections[role], { role });
  let seriesLeft = figures.maxFeatureSeries;
  let leftOut = 0;
  for (const channel of figures.channels) {
    const { counters, history } = channel;
    const of = { channel: channel.name };
    add('messages_total', counters.messages, of);
    add('rows_total', counters.rows, of);
    add('duplicate_pushes_total', counters.duplicates, of);
    for (const [code, n] of counters.errors) add('errors_total', n, { ...of, code });
    for (const [flag, n] of counters.flags) add('flagged_rows_total', n, { ...of, flag });
    for (const [producer, n] of Object.entries(channel.guard?.rows ?? {})) {
      add('guarded_rows_total', n, { ...of, producer });
    }
    const { keyed } = channel;
    if (keyed !== undefined) {
      add('keys', keyed.size, of);
      for (const [reason, n] of Object.entries(keyed.evictions)) add('evicted_keys_total', n, { ...of, reason });
    }
    add('seq', channel.seq, of);
    add('pending_rows', channel.pending, of);
    add('history_rows', history.rows, of);
    add('history_bytes', history.bytes, of);
    add('producers', channel.producerCount, of);
    add('subscribers', channel.subscriberCount, of);
    for (const role of ['in', 'out'] as const) add('queued_bytes', queued[role].get(channel) ?? 0, { ...of, role });
    add('subscriber_lag_rows', lag.get(channel) ?? 0, of);
    addHistogram('subscriber_staleness_seconds', counters.staleness, of);
    add('skipped_rows_total', counters.skipped, of);
    for (const [reason, n] of counters.gaps) add('gaps_total', n, { ...of, reason });
    add('drifts_total', counters.drifts, of);
    add('forgotten_drifts_total', channel.drifts.forgotten, of);
    add('evicted_subscribers_total', counters.evicted, of);
    add('snapshots_total', counters.snapshots, of);
    const source = figures.source(channel.name);
    if (source !== undefined) {
      for (const state of SOURCE_STATES) add('source_state', Number(source.state === state), { ...of, state });
      for (const [event, n] of Object.entries(source.counts)) add('source_events_total', n, { ...of, event });
    }
    const report = channel.report();
    for (const name of ['mean', 'std'] as const) {
      channel.config.features.forEach((feature, j) => {
        const value = report[name][j];
        if (value === null) return;
        if (seriesLeft-- > 0) add(name, value, { ...of, feature });
        else leftOut++;
      });
    }
  }
  add('feature_series_left_out', leftOut);
  return families;
}

function histogramSamples(name: MetricName, { bounds, counts, sum }: Histogram, labels: Labels): Sample[] {
  const full = `streamnorm_${name}`;
  const samples: Sample[] = [];
  let count = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    count += counts[bucket];
    const le = bucket < bounds.length ? bounds[bucket] : '+Inf';
    samples.push({ labels: { le, ...labels }, value: count, metricName: `${full}_bucket` });
  }
  samples.push(
    { labels, value: sum, metricName: `${full}_sum` },
    { labels, value: count, metricName: `${full}_count` },
  );
  return samples;
}
