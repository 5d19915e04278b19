import type { Channel } from './channel.ts';

/** What `/metrics` tells about the server itself. */
export interface ServerFigures {
  readonly channels: Iterable<Channel>;
  readonly connections: number;
  /** Connections refused, by HTTP status. */
  readonly refused: ReadonlyMap<number, number>;
  readonly checkpointAgeMs: number | undefined;
  readonly checkpointFailures: number;
}

/** The metrics in Prometheus' text format. The library is loaded with the first scrape, so that starting stays quick. */
export async function renderMetrics(figures: ServerFigures): Promise<{ type: string; text: string }> {
  const { Counter, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `streamnorm_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, labelNames: string[]) =>
    new Gauge({ name: `streamnorm_${name}`, help, labelNames, registers });

  const messages = counter('messages_total', 'Messages of producers', ['channel']);
  const rows = counter('rows_total', 'Rows taken from producers', ['channel']);
  const duplicates = counter('duplicate_pushes_total', 'Pushes that had been applied before', ['channel']);
  const errors = counter('errors_total', 'Messages refused, by code', ['channel', 'code']);
  const flags = counter('flagged_rows_total', 'Rows normalised with a flag', ['channel', 'flag']);
  const skipped = counter('skipped_rows_total', 'Rows left out for slow subscribers', ['channel']);
  const evicted = counter('evicted_subscribers_total', 'Subscribers cut off for being too slow', ['channel']);
  const seq = gauge('seq', 'Number of the last row that went out', ['channel']);
  const pending = gauge('pending_rows', 'Rows of the open window', ['channel']);
  const historyRows = gauge('history_rows', 'Rows kept for since', ['channel']);
  const producers = gauge('producers', 'Connected producers', ['channel']);
  const subscribers = gauge('subscribers', 'Connected subscribers', ['channel']);
  const mean = gauge('mean', 'Mean of a feature', ['channel', 'feature']);
  const std = gauge('std', 'Standard deviation of a feature', ['channel', 'feature']);

  for (const channel of figures.channels) {
    const { name, counters, config } = channel;
    const of = { channel: name };
    messages.inc(of, counters.messages);
    rows.inc(of, counters.rows);
    duplicates.inc(of, counters.duplicates);
    for (const [code, n] of counters.errors) errors.inc({ ...of, code }, n);
    for (const [flag, n] of counters.flags) flags.inc({ ...of, flag }, n);
    skipped.inc(of, counters.skipped);
    evicted.inc(of, counters.evicted);
    seq.set(of, channel.seq);
    pending.set(of, channel.pending);
    historyRows.set(of, channel.history.rows);
    producers.set(of, channel.producerCount);
    subscribers.set(of, channel.subscriberCount);
    const report = channel.report();
    config.features.forEach((feature, j) => {
      const [m, s] = [report.mean[j], report.std[j]];
      if (m !== null) mean.set({ ...of, feature }, m);
      if (s !== null) std.set({ ...of, feature }, s);
    });
  }
  gauge('connections', 'Open WebSockets', []).set(figures.connections);
  const refused = counter('refused_connections_total', 'Connections refused before the upgrade', ['status']);
  for (const [status, n] of figures.refused) refused.inc({ status }, n);
  counter('checkpoint_failures_total', 'Checkpoints that could not be written', []).inc(figures.checkpointFailures);
  if (figures.checkpointAgeMs !== undefined) {
    gauge('checkpoint_age_seconds', 'Time since the last checkpoint', []).set(figures.checkpointAgeMs / 1_000);
  }
  return { type: registry.contentType, text: await registry.metrics() };
}
