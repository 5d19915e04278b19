import * as z from 'zod';

const LOOPBACK = new Set(['127.0.0.1', '::1', '[::1]', 'localhost']);

/** True for the names under which a machine reaches itself, and only itself. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}

/** Where the server listens, and for whom. */
export const listenSchema = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: z.number().int().min(0).max(65_535).default(8_080),
    insecure: z.boolean().default(false).describe('allows a host that others can reach: there is no authentication'),
    origins: z.array(z.string()).default([]).describe('pages that may connect, beside those of this server'),
  })
  .prefault({})
  .refine(
    ({ host, insecure }) => insecure || isLoopback(host),
    'others can reach this host and there is no authentication: use 127.0.0.1, or set insecure (--insecure)',
  );
