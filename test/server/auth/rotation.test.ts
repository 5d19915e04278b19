import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Client, outUrl, refused, serve } from '../clients.ts';
import { bearer, CHANNELS, withToken } from './tokens.ts';

const OLD = 'SECRET-old-0123456789';
const NEW = 'SECRET-new-0123456789';
const OTHER = 'SECRET-other-0123456789';

/** A file that can be replaced at once, as orchestrators do. */
function tokenFile(content: string) {
  const folder = mkdtempSync(join(tmpdir(), 'streamnorm-rotation-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'token');
  const put = (text: string) => {
    writeFileSync(`${file}.next`, text);
    renameSync(`${file}.next`, file);
  };
  put(content);
  return { file, put };
}

function configOf(file: string) {
  const tokens = [
    { name: 'reader', token: { file }, out: ['*'] },
    { name: 'other', token: { env: 'OTHER' }, out: ['*'] },
  ];
  return { channels: CHANNELS, auth: { tokens, checkEvery: 20 } };
}

test('a token that is new in its file holds, and who came with the former one is closed: 4401; others stay', async () => {
  const { file, put } = tokenFile(OLD);
  const server = await serve(configOf(file), { OTHER });
  const url = outUrl(server, 'btc-usd');
  const [reader, other] = [await Client.open(url, withToken(OLD)), await Client.open(url, withToken(OTHER))];
  put(NEW);
  expect(await reader.closed).toEqual({ code: 4401, reason: 'the token was taken back' });
  expect((await refused(url, bearer(OLD))).status).toBe(401);
  expect(await (await Client.open(url, withToken(NEW))).next()).toMatchObject({ type: 'snapshot' });
  expect(other.socket.readyState).toBe(other.socket.OPEN);
  expect(server.log.filter(({ event }) => event === 'auth.reloaded')).toHaveLength(1);
  expect(JSON.stringify(server.log)).not.toContain('SECRET');
});

test('a file that is wrong changes nothing, and is told', async () => {
  const { file, put } = tokenFile(OLD);
  const server = await serve(configOf(file), { OTHER });
  const url = outUrl(server, 'btc-usd');
  const reader = await Client.open(url, withToken(OLD));
  put('short');
  while (!server.log.some(({ event }) => event === 'auth.kept')) await refused(url, bearer(NEW));
  expect(server.log.at(-1)?.message).not.toContain('short');
  expect(reader.socket.readyState).toBe(reader.socket.OPEN);
  await Client.open(url, withToken(OLD));
});

test('after a reload of the same config, a file that changes ends nobody whose token it was not', async () => {
  const { file, put } = tokenFile(OLD);
  const server = await serve(configOf(file), { OTHER });
  const url = outUrl(server, 'btc-usd');
  const [reader, other] = [await Client.open(url, withToken(OLD)), await Client.open(url, withToken(OTHER))];
  await server.reload({ listen: { port: 0 }, ...configOf(file) });
  put(NEW);
  expect((await reader.closed).code).toBe(4401);
  expect(other.socket.readyState).toBe(other.socket.OPEN);
});

test('a token that was taken back just before a reload is taken back by the reload', async () => {
  const { file, put } = tokenFile(OLD);
  const config = { ...configOf(file), auth: { ...configOf(file).auth, checkEvery: '1h' } };
  const server = await serve(config, { OTHER });
  const url = outUrl(server, 'btc-usd');
  const [reader, other] = [await Client.open(url, withToken(OLD)), await Client.open(url, withToken(OTHER))];
  put(NEW);
  await server.reload({ listen: { port: 0 }, ...config });
  expect((await reader.closed).code).toBe(4401);
  expect(other.socket.readyState).toBe(other.socket.OPEN);
});
