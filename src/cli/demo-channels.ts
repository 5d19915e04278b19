const FEATURES = ['humidity', 'temperature'];

/** Channels of `serve --demo`: the same recording, by batches and row by row. */
export const DEMO_CHANNELS = {
  sensors: { features: FEATURES, method: 'batch', size: 50, within: '2s', debias: true },
  'sensors-live': { features: FEATURES, method: 'ewma', halfLife: 100 },
} as const;
