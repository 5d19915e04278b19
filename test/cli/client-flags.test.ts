import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { withDemoToken } from '../../src/cli/serve-config.ts';
import { serve } from '../server/clients.ts';
import { makeCertificate } from '../support/certificate.ts';
import { ended, runCli, spawnCli } from './run-cli.ts';

const channels = { a: { features: ['x'], method: 'cumulative' as const } };
const TOKEN = 'SECRET-0123456789-all';
const auth = { tokens: [{ name: 'all', token: { env: 'ALL' }, in: ['*'], out: ['*'] }] };
const protectedServer = (more: object = {}) => serve({ channels, auth, ...more }, { ALL: TOKEN });

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'streamnorm-flags-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return (name: string, content: string) => {
    writeFileSync(join(path, name), content);
    return join(path, name);
  };
}

describe('tail and replay show a token', () => {
  test.each<[string, (put: ReturnType<typeof folder>) => [string[], NodeJS.ProcessEnv]]>([
    ['of STREAMNORM_TOKEN', () => [[], { STREAMNORM_TOKEN: TOKEN }]],
    ['of --token-env', () => [['--token-env', 'MINE'], { MINE: TOKEN, STREAMNORM_TOKEN: 'another-0123456789' }]],
    ['of --token-file', (put) => [['--token-file', put('token', `${TOKEN}\n`)], {}]],
  ])('%s', async (_, given) => {
    const server = await protectedServer();
    const [args, env] = given(folder());
    const file = folder()('rows.ndjson', '[1]\n[2]\n');
    const url = server.url.replace('http', 'ws');
    expect(await runCli(['replay', file, `${url}/in/a`, '--rate', '1000', ...args], '', env)).toMatchObject({
      code: 0,
    });
    const tail = runCli(
      ['tail', `${url}/out/a?since=${server.channel('a').epoch}.0`, '--count', '2', ...args],
      '',
      env,
    );
    const { code, stdout, stderr } = await tail;
    expect([code, stdout.split('\n').length, stderr]).toEqual([0, 3, '']);
  });

  test('and believe the certificates of --ca', async () => {
    const root = makeCertificate('root');
    const made = makeCertificate('server', root);
    const put = folder();
    const tls = { cert: put('cert.pem', made.cert), key: put('key.pem', made.key) };
    const server = await protectedServer({ listen: { port: 0, tls } });
    const args = ['--ca', put('root.pem', root.cert)];
    const env = { STREAMNORM_TOKEN: TOKEN };
    const file = put('rows.ndjson', '[1]\n[2]\n');
    const replayed = await runCli(['replay', file, `${server.url}/in/a`, '--rate', '1000', ...args], '', env);
    expect(replayed).toMatchObject({ code: 0, stderr: '' });
    const url = `${server.url}/out/a?since=${server.channel('a').epoch}.0`;
    expect(await runCli(['tail', url, '--count', '2', ...args], '', env)).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('what is wrong', () => {
  test('without a token, or with a wrong one, they end at once: 69', async () => {
    const server = await protectedServer();
    for (const env of [{}, { STREAMNORM_TOKEN: 'SECRET-wrong-0123456789' }]) {
      const { code, stderr } = await runCli(['tail', `${server.url}/out/a`], '', env);
      expect([code, stderr]).toEqual([
        69,
        'streamnorm tail: the server refused for good: HTTP 401 (no token that it takes: see STREAMNORM_TOKEN, --token-env, --token-file)\n',
      ]);
    }
  });

  test('a token that is not where it should be', async () => {
    const url = 'ws://127.0.0.1:9/out/a';
    expect(await runCli(['tail', url, '--token-env', 'NOT_SET'])).toMatchObject({
      ...{ code: 2, stderr: 'streamnorm tail: the environment variable NOT_SET is not set (--token-env)\n' },
    });
    expect(await runCli(['tail', url, '--token-file', '/nowhere'])).toMatchObject({
      ...{ code: 66, stderr: expect.stringContaining('/nowhere cannot be read: ENOENT') },
    });
    expect(await runCli(['tail', url, '--token-file', 'a', '--token-env', 'A'])).toMatchObject({ code: 2 });
    expect(await runCli(['tail', url, '--ca', '/nowhere'])).toMatchObject({ code: 66 });
  });

  test('a token over an open network is warned of, and not shown', async () => {
    const child = spawnCli(['tail', 'ws://streamnorm.invalid/out/a'], { STREAMNORM_TOKEN: TOKEN });
    const over = ended(child);
    await once(child.stderr!, 'data');
    child.kill('SIGKILL');
    const { stderr } = await over;
    expect(stderr).toContain('streamnorm tail: the token goes over the network unencrypted: use wss://\n');
    expect(stderr).not.toContain('SECRET');
  });
});

test('serve --demo has a token of its own where there is auth', async () => {
  const put = folder();
  const config = put('a.json', JSON.stringify({ auth, channels, log: { pretty: true } }));
  const child = spawnCli(['serve', '--demo', '--port', '0', '--config', config], { ALL: TOKEN });
  const over = ended(child);
  let text = '';
  for await (const chunk of child.stderr!) {
    text += chunk;
    if (/ready at \S+/.test(text)) break;
  }
  const url = /ready at (\S+)/.exec(text)![1]!;
  const { code } = await runCli(['tail', `${url}/out/sensors-live`, '--count', '1'], '', { STREAMNORM_TOKEN: TOKEN });
  child.kill('SIGTERM');
  const { code: ending, stderr } = await over;
  expect([code, ending]).toEqual([0, 0]);
  expect(stderr).not.toMatch(/trying again|refused|SECRET/);
});

test('a config without auth, or with one that is wrong, gets no token of the demo', () => {
  const token = 'x'.repeat(20);
  for (const config of [{ channels }, { channels, auth: 5 }, { channels, auth: { tokens: 5 } }, null]) {
    expect(withDemoToken(config as never, token)).toEqual(config);
  }
  expect(withDemoToken({ channels, auth }, token).auth?.tokens).toHaveLength(2);
});
