import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createServer, type ServerConfigInput } from '../../src/server/index.ts';
import { bearer } from '../server/auth/tokens.ts';
import { Client, push } from '../server/clients.ts';
import { makeCertificate } from '../support/certificate.ts';

const TOKENS = {
  feed: 'token-of-a-feed-0123456789',
  other: 'token-of-the-other-0123456789',
  charts: 'token-of-the-charts-0123456789',
  prometheus: 'token-of-prometheus-0123456789',
};

test('secure/: its config serves TLS to who has a token, each in its role, and keeps a mad producer out', async () => {
  const text = readFileSync(new URL('../../examples/secure/config.json', import.meta.url), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'streamnorm-secure-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { cert, key } = makeCertificate('server');
  const files = {
    'tls/fullchain.pem': cert,
    'tls/privkey.pem': key,
    'secrets/charts': `${TOKENS.charts}\n`,
    'secrets/prometheus': `${TOKENS.prometheus}\n`,
  };
  for (const name of ['tls', 'secrets']) mkdirSync(join(folder, name));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const given = JSON.parse(
    text.replaceAll(/"((tls|secrets)\/[^"]+)"/g, (_, path) => JSON.stringify(join(folder, path))),
  );
  // the paths of the test, any port, and this machine only; all else is the example's
  const config: ServerConfigInput = { ...given, listen: { ...given.listen, host: '127.0.0.1', port: 0 } };
  const server = await createServer(config, { env: { FEED_A_TOKEN: TOKENS.feed, FEED_B_TOKEN: TOKENS.other } });
  onTestFinished(() => server.close());
  const url = server.url.replace('https', 'wss');
  expect(url).toMatch(/^wss:/);
  const open = (path: string, token: string) => Client.open(url + path, { headers: bearer(token), ca: cert });
  const status = async (path: string, token?: string) => {
    const headers = token === undefined ? {} : bearer(token);
    const [response] = await once(get(server.url + path, { ca: cert, agent: false, headers }), 'response');
    response.resume();
    return response.statusCode;
  };
  const reader = await open('/out/quotes?include=z,flags', TOKENS.charts);
  expect(await reader.next()).toMatchObject({ type: 'snapshot' });
  const [feed, other] = [await open('/in/quotes', TOKENS.feed), await open('/in/quotes', TOKENS.other)];
  await push(
    feed,
    Array.from({ length: 200 }, (_, i) => [Math.sin(i), Math.cos(i)]),
  );
  await push(other, [[1e6, 1e6]], 'other');
  await push(feed, [[0, 1]]);
  const flags = (await reader.rows(1, 202)).flatMap((block) => block.flags as string[][]);
  expect(flags.slice(-2)).toEqual([['range', 'quarantined'], []]);
  expect(await Promise.all([status('/channels'), status('/channels', TOKENS.charts)])).toEqual([401, 200]);
  expect(await Promise.all([status('/metrics', TOKENS.charts), status('/metrics', TOKENS.prometheus)])).toEqual([
    403, 200,
  ]);
});
