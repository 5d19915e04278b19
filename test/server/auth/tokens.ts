import { createHash } from 'node:crypto';
import type { ClientOptions } from 'ws';

/** Tokens of tests; the words in them are looked for in all that a server says. */
export const TOKENS = {
  feed: 'SECRET-feed-0123456789',
  page: 'SECRET-page-0123456789',
  ops: 'SECRET-ops-0123456789',
  old: 'SECRET-old-0123456789',
} as const;

export const ENV = { FEED_TOKEN: TOKENS.feed, OPS_TOKEN: TOKENS.ops, OLD_TOKEN: TOKENS.old };

export const AUTH = {
  tokens: [
    { name: 'feed', token: { env: 'FEED_TOKEN' }, in: ['btc-*'] },
    {
      name: 'page',
      token: { sha256: createHash('sha256').update(TOKENS.page).digest('hex') },
      out: ['btc-*', 'nope*'],
    },
    { name: 'ops', token: [{ env: 'OPS_TOKEN' }, { env: 'OLD_TOKEN' }], in: ['*'], out: ['*'], admin: ['*'] },
  ],
};

export const CHANNELS = { 'btc-usd': { features: ['x'], size: 2 }, 'eth-usd': { features: ['x'], size: 2 } };

export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}

/** As a browser has to send it. */
export function bearerProtocols(token: string): string[] {
  return ['streamnorm.v1', `streamnorm.bearer.${Buffer.from(token).toString('base64url')}`];
}

export function withToken(token: string): ClientOptions {
  return { headers: bearer(token) };
}
