export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Every metric of `/metrics` but those of the process: type, meaning, labels. Their names begin with `streamnorm_`. */
export const METRICS = {
  build_info: ['gauge', 'Always 1; the version is a label', ['version']],
  ready: ['gauge', '1 while connections are taken, 0 while starting and closing', []],
  degraded: ['gauge', '1 while something fails that /healthz tells of', []],
  connections: ['gauge', 'Open WebSockets', ['role']],
  refused_connections_total: ['counter', 'Connections refused, by HTTP status or, of browsers, close code', ['status']],
  auth_failures_total: ['counter', 'Requests without a token that is taken, by what was wrong with it', ['reason']],
  forgotten_addresses_total: ['counter', 'Addresses and tokens whose rate was forgotten early', []],
  bugs_total: ['counter', "Exceptions in the server's own code", []],
  log_entries_suppressed_total: ['counter', 'Log entries left out above maxLogEntriesPerMinute', ['event']],
  config_reloads_total: ['counter', 'Times the configuration was read again', ['result']],
  checkpoint_age_seconds: ['gauge', 'Time since all that had changed was last on disk', []],
  checkpoint_failures_total: ['counter', 'Checkpoints that could not be written', []],
  checkpoint_duration_seconds: ['histogram', 'Time to write the checkpoint of one channel', []],
  messages_total: ['counter', 'Messages of producers', ['channel']],
  rows_total: ['counter', 'Rows taken from producers', ['channel']],
  duplicate_pushes_total: ['counter', 'Pushes that had been applied before', ['channel']],
  errors_total: ['counter', 'Messages refused, by code', ['channel', 'code']],
  flagged_rows_total: ['counter', 'Rows normalised with a flag', ['channel', 'flag']],
  seq: ['gauge', 'Number of the last row that went out', ['channel']],
  pending_rows: ['gauge', 'Rows of the open window', ['channel']],
  history_rows: ['gauge', 'Rows kept for since', ['channel']],
  history_bytes: ['gauge', 'Memory of the rows kept for since', ['channel']],
  producers: ['gauge', 'Connected producers', ['channel']],
  subscribers: ['gauge', 'Connected subscribers', ['channel']],
  queued_bytes: ['gauge', 'Bytes in sockets that their readers have not taken yet', ['channel', 'role']],
  subscriber_lag_rows: ['gauge', 'Rows that the subscriber furthest behind has not been sent', ['channel']],
  subscriber_staleness_seconds: [
    'histogram',
    'Time until a ping among the rows was answered: how old what subscribers read is',
    ['channel'],
  ],
  skipped_rows_total: ['counter', 'Rows left out for slow subscribers', ['channel']],
  gaps_total: ['counter', 'Gaps told to subscribers, by reason', ['channel', 'reason']],
  evicted_subscribers_total: ['counter', 'Subscribers cut off for being too slow', ['channel']],
  mean: ['gauge', 'Mean of a feature', ['channel', 'feature']],
  std: ['gauge', 'Standard deviation of a feature', ['channel', 'feature']],
  feature_series_left_out: ['gauge', 'Series of mean and std above maxFeatureSeries', []],
} as const satisfies Record<string, readonly [MetricType, string, readonly string[]]>;

export type MetricName = keyof typeof METRICS;
