import { expect, onTestFinished } from 'vitest';
import { type Habits, MockExchange } from '../../examples/mock-exchange/exchange.ts';
import { createServer, type LogEntry, type ServerConfigInput } from '../../src/server/index.ts';
import { getJson, type Next, type Said } from './clients.ts';

export type ChannelInput = ServerConfigInput['channels'][string];
type SourceInput = NonNullable<ChannelInput['source']>;

/** What the mock exchange sends, as the configuration of a channel says it. */
export const QUOTES = {
  open: [{ method: 'SUBSCRIBE', params: ['btcusdt@quote'], id: 1 }],
  rows: 'data',
  fields: { bid: 'b', ask: 'a' },
  time: 'E',
  numbers: 'string' as const,
  match: { stream: 'btcusdt@quote' },
} satisfies Partial<SourceInput>;

export const FEATURES = { features: ['bid', 'ask'] };

/** A mock exchange, gone when the test is. */
export async function exchangeOf(habits: Habits = {}): Promise<MockExchange> {
  const exchange = await MockExchange.open({ subscribeWithinMs: 60_000, ...habits });
  onTestFinished(() => exchange.stop());
  return exchange;
}

/** A server whose channel `btc` is fed by the exchange; a bug in it fails the test. */
export async function fed(exchange: MockExchange, source: object = {}, channel: Partial<ChannelInput> = {}, env = {}) {
  const log: LogEntry[] = [];
  const server = await createServer(
    {
      listen: { port: 0 },
      channels: {
        btc: {
          ...FEATURES,
          ...{ method: 'cumulative', ...channel },
          source: { url: exchange.url, ...QUOTES, ...source },
        } as ChannelInput,
      },
    },
    { log: (entry) => log.push(entry), env },
  );
  onTestFinished(async () => {
    await server.close();
    expect(log.filter(({ event }) => event === 'bug')).toEqual([]);
  });
  const about = () =>
    getJson(server, '/channels/btc') as Promise<{ source: About; counters: Record<string, never>; seq: number }>;
  return Object.assign(server, { log, about });
}

/** What `/channels/<channel>` says of a source. */
export interface About {
  url: string;
  state: string;
  reason?: string;
  lastBad?: string;
  counts: Record<string, number>;
}

/** Resolves when the server has subscribed. */
export const subscribed = (exchange: MockExchange) =>
  expect.poll(() => exchange.subscribers, { timeout: 20_000 }).toBe(1);

/** Prices that the exchange gives to numbers. */
export const bids = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => MockExchange.bid(from + i));

/** The bids of the next rows that a subscriber gets, `include=raw`. */
export async function rawBids(
  client: { find: <T extends Said>(type: string) => Promise<T> },
  count: number,
): Promise<number[]> {
  const out: number[] = [];
  while (out.length < count)
    out.push(...((await client.find<Next>('next')) as unknown as { raw: number[][] }).raw.map(([bid]) => bid!));
  return out;
}
