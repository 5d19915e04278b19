import * as z from 'zod';
import { durationMs } from '../../core/duration.ts';
import { rangeFault } from '../client-address.ts';
import { durationValue } from './duration-value.ts';

const LOOPBACK = new Set(['127.0.0.1', '::1', '[::1]', 'localhost']);

/** True for the names under which a machine reaches itself, and only itself. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}

const addressRange = z.string().superRefine((text, context) => {
  const fault = rangeFault(text);
  if (fault !== undefined) context.addIssue(fault);
});

const tlsSchema = z.strictObject({
  cert: z.string().min(1).describe('file with the certificate and those between it and the root, as PEM'),
  key: z.string().min(1).describe('file with the private key, as PEM'),
  clientCa: z.string().min(1).optional().describe('file with the certificates that have signed those of clients'),
  checkEvery: durationValue('checkEvery').default(10_000).describe('time between looks whether the files have changed'),
});

/** Where the server listens, and for whom. */
export const listenSchema = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: z.number().int().min(0).max(65_535).default(8_080),
    insecure: z.boolean().default(false).describe('allows a host that others can reach without auth'),
    origins: z.array(z.string()).default([]).describe('pages that may connect, beside those of this server'),
    trustedProxies: z
      .array(addressRange)
      .default([])
      .describe('addresses and ranges of proxies whose X-Forwarded-For says who the client is'),
    tls: tlsSchema.optional().describe('serves https and wss'),
  })
  .prefault({});

export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | undefined;
  readonly checkEveryMs: number;
}

export interface ListenConfig {
  readonly host: string;
  readonly port: number;
  readonly insecure: boolean;
  readonly origins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly tls: TlsConfig | undefined;
}

/** The section, read. */
export function listenConfig({ tls, ...rest }: z.output<typeof listenSchema>): ListenConfig {
  if (tls === undefined) return { ...rest, tls: undefined };
  const { cert, key, clientCa, checkEvery } = tls;
  const checkEveryMs = Math.max(1, durationMs('the config', 'checkEvery', checkEvery));
  return { ...rest, tls: { cert, key, clientCa, checkEveryMs } };
}

/** What is wrong between this section and others; one line an error. */
export function* listenErrors(input: unknown): Generator<string> {
  if (typeof input !== 'object' || input === null) return;
  const { listen, auth } = input as { listen?: { host?: unknown; insecure?: unknown } | null; auth?: unknown };
  const host = listen?.host;
  if (typeof host !== 'string' || isLoopback(host) || listen?.insecure === true || auth !== undefined) return;
  yield 'listen: others can reach this host and everybody may connect: set auth, use 127.0.0.1, or set insecure (--insecure)';
}
