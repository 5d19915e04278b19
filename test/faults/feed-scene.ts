import { expect, onTestFinished } from 'vitest';
import { type Habits, MockExchange } from '../../examples/mock-exchange/exchange.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { Client, getJson, type Next, outUrl, serve } from '../server/clients.ts';
import { type About, bids, type ChannelInput, FEATURES, QUOTES } from '../server/mock-feed.ts';

/** A channel `btc` fed by a mock exchange, and one who listens. */
export interface Feed {
  readonly exchange: MockExchange;
  readonly url: string;
  /** Rows that have come to the listener, `gap` where one was told, in order. */
  readonly seen: (number | 'gap')[];
  /** Flags of the rows that have come. */
  readonly flags: string[][];
  /** What `/channels/btc` says of the source. */
  source(): Promise<About>;
  /** Resolves once the server is subscribed at the exchange. */
  subscribed(): Promise<void>;
  /** Resolves once so many rows have come to the listener, since the beginning. */
  rows(count: number): Promise<void>;
}

export interface FeedOptions {
  readonly habits?: Habits;
  readonly source?: object;
  readonly channel?: Partial<ChannelInput>;
  /** Where the exchange is when it is not this one's own. */
  readonly url?: string;
}

const PATIENCE = { timeout: 60_000, interval: 20 };

/**
 * Lets a fault happen to the feed of a channel, and checks what must hold whatever it was: the server has no bug, its
 * rows are numbered without a hole, and their statistics equal an offline run, bit for bit.
 *
 * @param happen resolves with how many quotes were taken, where they are too many for one who listens
 */
export async function faultOfFeed(
  { habits = {}, source = {}, channel = {}, url }: FeedOptions,
  happen: (feed: Feed) => Promise<unknown>,
): Promise<void> {
  const exchange = await MockExchange.open({ subscribeWithinMs: 60_000, ...habits });
  onTestFinished(() => exchange.stop());
  const btc = {
    ...{ ...FEATURES, method: 'cumulative', ...channel },
    source: { url: url ?? exchange.url, ...QUOTES, ...source },
  } as ChannelInput;
  await prove(await serve({ channels: { btc } }), exchange, btc, happen);
}

async function prove(
  server: { url: string },
  exchange: MockExchange,
  { method, size = 64, halfLife }: ChannelInput,
  happen: (feed: Feed) => Promise<unknown>,
): Promise<void> {
  const listener = await Client.open(outUrl(server, 'btc', '?include=z,raw,flags&digits=17'));
  const seen: (number | 'gap')[] = [];
  const flags: string[][] = [];
  const blocks: { raw: number[][]; t: number[] }[] = [];
  let rows = 0;
  const problems: string[] = [];
  listener.socket.on('message', (data: Buffer) => {
    const said = JSON.parse(data.toString()) as Next & { raw: number[][]; flags: string[][]; reason?: string };
    if (said.type === 'gap' && said.reason === 'upstream') seen.push('gap');
    else if (said.type === 'gap') problems.push(data.toString());
    if (said.type !== 'next') return;
    if (said.seq !== rows + 1) problems.push(`row ${said.seq} after row ${rows}`);
    rows += said.raw.length;
    seen.push(...said.raw.map(([bid]) => bid!));
    flags.push(...said.flags);
    blocks.push(said);
  });
  const about = () =>
    getJson(server, '/channels/btc') as Promise<{ source: About; state: object; seq: number; pending: number }>;
  const numbers = await happen({
    exchange,
    url: server.url,
    seen,
    flags,
    source: async () => (await about()).source,
    subscribed: () => expect.poll(() => exchange.subscribers, PATIENCE).toBe(1),
    rows: (count) => expect.poll(() => rows, PATIENCE).toBeGreaterThanOrEqual(count),
  });
  if (typeof numbers !== 'number') {
    await expect.poll(async () => (await about()).seq === rows, PATIENCE).toBe(true);
    expect(problems).toEqual([]);
  } else {
    expect((await about()).seq).toBe(numbers);
    const ask = (bid: number) => Number((bid + 0.01).toFixed(2));
    blocks.splice(0, blocks.length, { raw: bids(1, numbers).map((bid) => [bid, ask(bid)]), t: [] });
  }
  const { state, pending } = await about();
  const { features } = FEATURES;
  const offline =
    method === 'batch'
      ? new BatchNorm({ features })
      : method === 'ewma'
        ? new Ewma({ features, halfLife: halfLife as '10ms' })
        : new Cumulative({ features });
  for (const { raw, t } of blocks) {
    if (offline instanceof BatchNorm) {
      expect(raw.length).toBeLessThanOrEqual(size as number);
      offline.learn(raw);
    } else raw.forEach((row, i) => void offline.update(row, t[i]));
  }
  // rows that still wait are in no statistic
  expect({ pending, state }).toEqual({ pending, state: JSON.parse(JSON.stringify(offline.state())) });
}
