import { expect, test } from 'vitest';
import type { ServerConfigInput } from '../../src/server/config.ts';
import { parseConfig } from '../../src/server/config.ts';
import { configChanges } from '../../src/server/config-changes.ts';

const BASE: ServerConfigInput = {
  channels: { a: { features: ['x'], method: 'ewma', halfLife: 20 }, b: { features: ['x', 'y'] } },
};

const changes = (to: object) => configChanges(parseConfig(BASE), parseConfig({ ...BASE, ...to }));

test.each<[string, object, object]>([
  ['the same', {}, {}],
  ['a default written out', { log: { level: 'info' }, limits: { drainMs: 5_000 } }, {}],
  [
    'limits, origins, log level and tokens',
    {
      limits: { maxConnections: 5, conflateAfterMs: 7 },
      listen: { origins: ['https://a.example'] },
      log: { level: 'debug' },
      auth: { tokens: [{ name: 't', token: { sha256: 'a'.repeat(64) }, in: ['*'] }] },
    },
    { live: ['listen.origins', 'limits.maxConnections', 'limits.conflateAfterMs', 'log.level', 'auth'] },
  ],
  [
    'what sizes things that are made once',
    { limits: { pingMs: 5 }, listen: { port: 1 }, state: { dir: 'x' } },
    { restart: ['listen.port', 'state', 'limits.pingMs'] },
  ],
  [
    'an option of a channel',
    { channels: { ...BASE.channels, a: { ...BASE.channels.a, halfLife: 21 } } },
    { restart: ['channels.a.options.halfLife'] },
  ],
  ['features', { channels: { ...BASE.channels, b: { features: ['y', 'x'] } } }, { restart: ['channels.b.features'] }],
  ['other channels', { channels: { b: BASE.channels.b, c: { features: ['z'] } } }, { added: ['c'], removed: ['a'] }],
])('%s', (_, to, expected) => {
  const found = changes(to);
  const full = { live: [], restart: [], added: [], removed: [], ...expected };
  expect({ ...found, live: found.live.toSorted() }).toEqual({ ...full, live: full.live.toSorted() });
});
