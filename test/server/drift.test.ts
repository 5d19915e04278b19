import { toArray } from 'rxjs';
import { expect, test } from 'vitest';
import { adwin } from '../../src/core/adwin.ts';
import type { ServerConfigInput } from '../../src/server/index.ts';
import { getJson, produce, push, serve, subscribe } from './clients.ts';
import { stateDir } from './state-dir.ts';

const features = ['bid', 'ask'];
const channels: ServerConfigInput['channels'] = {
  c: { features, method: 'cumulative', drift: 'adwin', onDrift: 'reset', untilReady: 'pass' },
};

/** Ask jumps at row 101. */
const ROWS = Array.from({ length: 300 }, (_, i) => [i % 5, (i % 3) + (i < 100 ? 0 : 100)]);
/** The detector's own word, over the same values. */
const FOUND = (() => {
  const detector = adwin({ range: 0 }).create();
  return ROWS.flatMap(([, ask], i) => {
    const drift = detector.update(ask);
    return drift === undefined ? [] : [{ seq: i + 1, ...drift }];
  });
})();
const [{ seq: foundSeq }] = FOUND;
const MESSAGE = {
  type: 'drift',
  feature: 'ask',
  t: expect.any(Number),
  detector: 'adwin',
  action: 'reset',
  ...FOUND[0],
};

test('subscribers are told after the rows that show it, and who comes later finds it in the snapshot', async () => {
  expect(FOUND).toHaveLength(1);
  const server = await serve({ channels });
  const early = await subscribe(server, 'c');
  expect(early.snapshot).not.toHaveProperty('drifts');
  const binary = await subscribe(server, 'c', '?format=f32');
  const drifts = new Promise((resolve) => server.channel('c').drifts$.pipe(toArray()).subscribe(resolve));
  const producer = await produce(server, 'c');
  await push(producer, ROWS);
  expect(await early.client.next()).toMatchObject({ type: 'next', seq: 1 });
  expect(await early.client.next()).toEqual(MESSAGE);
  expect(await binary.client.frames.next()).toMatchObject({ kind: 'next', seq: 1 });
  expect(await binary.client.next()).toEqual(MESSAGE);
  const late = await subscribe(server, 'c');
  expect(late.snapshot).toMatchObject({ seq: 300, drifts: [MESSAGE] });
  const replay = await subscribe(server, 'c', `?since=${late.snapshot.epoch}.${foundSeq - 5}`);
  expect(replay.snapshot).not.toHaveProperty('drifts');
  expect(await replay.client.next()).toMatchObject({ type: 'next', seq: foundSeq - 4 });
  expect(await replay.client.next()).toEqual(MESSAGE);
  const { counters } = (await getJson(server, '/channels/c')) as { counters: object };
  expect(counters).toMatchObject({ drifts: 1 });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('streamnorm_drifts_total{channel="c"} 1');
  // the statistics of ask have begun anew with the row that showed it, those of bid go on
  expect(server.channel('c').state()).toMatchObject({ count: [300, 300 - foundSeq + 1] });
  await server.close();
  expect(await drifts).toEqual([MESSAGE]);
});

test('after a restart the detectors go on: the change is found at the same row, and the state is the same', async () => {
  const whole = await serve({ channels });
  whole.channel('c').push(ROWS);
  const state = { dir: stateDir(), every: '1h' } as const;
  const first = await serve({ state, channels });
  first.channel('c').push(ROWS.slice(0, 115));
  await first.close();
  const second = await serve({ state, channels });
  const { client } = await subscribe(second, 'c');
  second.channel('c').push(ROWS.slice(115));
  await client.next();
  expect(await client.next()).toEqual(MESSAGE);
  expect(second.channel('c').state()).toEqual(whole.channel('c').state());
});

test('maxDrifts bounds what is remembered, and what is forgotten is counted', async () => {
  const quick = { ...channels.c, drift: 'page-hinkley', driftThreshold: 1, driftDelta: 0 };
  const server = await serve({ channels: { c: quick as never }, limits: { maxDrifts: 2 } });
  server.channel('c').push(ROWS);
  const { snapshot } = await subscribe(server, 'c');
  const { counters } = (await getJson(server, '/channels/c')) as { counters: { drifts: number } };
  expect(counters.drifts).toBeGreaterThan(2);
  expect(snapshot.drifts).toHaveLength(2);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain(`streamnorm_forgotten_drifts_total{channel="c"} ${counters.drifts - 2}`);
});
