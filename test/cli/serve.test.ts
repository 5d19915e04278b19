import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { serverConfig } from '../../src/cli/serve-config.ts';
import { ended, runCli, spawnCli } from './run-cli.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'streamnorm-serve-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const CHANNELS = { btc: { features: ['bid', 'ask'], method: 'cumulative' } };

/** Starts the server as a process; resolves once it says that it is ready. */
async function serve(...args: string[]) {
  const child = spawnCli(['serve', '--port', '0', ...args]);
  const over = ended(child);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    lines.push(line);
    const channels = lines.filter((text) => /: channel |"channel.opened"/.test(text)).length;
    if (channels === (args.includes('--demo') ? 2 : 1)) break;
  }
  const url = /ready at (http:[^\s"]+)/.exec(lines.join('\n'))?.[1] ?? '';
  return { child, over, lines, url, socketUrl: url.replace('http', 'ws') };
}

test('serve logs JSON lines: time, level, event, facts, and what it means in words', async () => {
  const { child, over, lines, socketUrl, url } = await serve('--config', file('a.json', { channels: CHANNELS }));
  const opened = { channel: 'btc', in: `${socketUrl}/in/btc`, out: `${socketUrl}/out/btc`, seq: 0 };
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { level: 'info', time, event: 'listening', url, msg: `ready at ${url}` },
    {
      ...{ level: 'info', time, event: 'channel.opened', ...opened, epoch: expect.any(String) },
      msg: `channel btc: ${socketUrl}/in/btc → ${socketUrl}/out/btc`,
    },
  ]);
  child.kill('SIGTERM');
  const events = (await over).stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).event);
  expect(events).toEqual(['listening', 'channel.opened', 'closing', 'closed']);
});

test('with log.pretty serve says the same in lines for people', async () => {
  const config = file('a.json', { log: { pretty: true }, channels: CHANNELS });
  const { child, over, lines, socketUrl, url } = await serve('--config', config);
  expect(lines).toEqual([
    `streamnorm serve: ready at ${url}`,
    `streamnorm serve: channel btc: ${socketUrl}/in/btc → ${socketUrl}/out/btc`,
  ]);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  child.kill('SIGINT');
  expect((await over).code).toBe(0);
});

test('SIGTERM under load: windows go out, subscribers are told, exit 0', async () => {
  const config = file('b.json', { channels: { btc: { features: ['x'], method: 'batch', size: 1000 } } });
  const { child, over, socketUrl } = await serve('--config', config, '--state', join(folder, 'state'));
  const subscriber = new WebSocket(`${socketUrl}/out/btc`);
  const heard: { type: string; z?: unknown[] }[] = [];
  subscriber.on('message', (data) => heard.push(JSON.parse(String(data))));
  await once(subscriber, 'message');
  const producer = new WebSocket(`${socketUrl}/in/btc`);
  await once(producer, 'open');
  producer.send(JSON.stringify({ type: 'push', producer: 'p', seq: 1, x: [[1], [2], [3]] }));
  await once(producer, 'message');
  producer.on('error', () => {});
  child.kill('SIGTERM');
  const [code] = await once(subscriber, 'close');
  expect(code).toBe(1012);
  expect(heard.map(({ type }) => type)).toEqual(['snapshot', 'next', 'bye']);
  expect(heard[1].z).toHaveLength(3);
  expect((await over).code).toBe(0);
});

test('SIGHUP reads the config again: applied, or refused as a whole with what needs a restart', async () => {
  const config = file('reload.json', { channels: CHANNELS });
  const { child, over, url } = await serve('--config', config);
  const reader = createInterface({ input: child.stderr! })[Symbol.asyncIterator]();
  const hangUp = async (content: unknown) => {
    file('reload.json', content);
    child.kill('SIGHUP');
    for (;;) {
      const entry = JSON.parse((await reader.next()).value!);
      if (entry.event.startsWith('config.')) return entry;
    }
  };
  const more = { ...CHANNELS, eth: { features: ['x'] } };
  expect(await hangUp({ channels: more })).toMatchObject({ event: 'config.reloaded', changed: ['channels.eth'] });
  expect((await fetch(`${url}/channels/eth`)).status).toBe(200);
  const refused = await hangUp({ channels: { ...more, btc: { features: ['bid'] } } });
  expect(refused).toMatchObject({ level: 'error', event: 'config.refused' });
  expect(refused.msg).toContain('a change of channels.btc.features, channels.btc.method needs a restart');
  expect((await hangUp('{')).msg).toMatch(/is no JSON/);
  expect((await hangUp({ channels: {}, limits: 5 })).msg).toMatch(/the config has 2 errors: channels: .* limits: /);
  expect((await fetch(`${url}/channels/btc`)).status).toBe(200);
  child.kill('SIGTERM');
  expect((await over).code).toBe(0);
});

test('a second signal ends it at once', async () => {
  const config = file('c.json', { channels: CHANNELS, limits: { drainMs: 25_000 } });
  const { child, over, socketUrl } = await serve('--config', config);
  // a subscriber that never answers holds up the closing
  const subscriber = new WebSocket(`${socketUrl}/out/btc`);
  subscriber.on('error', () => {});
  await once(subscriber, 'open');
  subscriber.pause();
  child.stderr?.on('data', (text) => {
    if (String(text).includes('closing')) child.kill('SIGTERM');
  });
  child.kill('SIGTERM');
  expect((await over).code).toBe(143);
  subscriber.terminate();
});

test('serve --demo plays the recording into both channels', async () => {
  const { child, over, lines, socketUrl, url } = await serve('--demo');
  expect(lines.slice(1).map((line) => JSON.parse(line).channel)).toEqual(['sensors', 'sensors-live']);
  const rows = async (name: string) => {
    const socket = new WebSocket(`${socketUrl}/out/${name}?include=raw`);
    for (;;) {
      const message = JSON.parse(String((await once(socket, 'message'))[0]));
      if (message.type !== 'next') continue;
      socket.close();
      return message.raw as number[][];
    }
  };
  const [batch, live] = await Promise.all([rows('sensors'), rows('sensors-live')]);
  expect(batch.length).toBeGreaterThan(1);
  for (const [humidity, temperature] of [...batch, ...live]) {
    expect(humidity).toBeGreaterThan(30);
    expect(temperature).toBeGreaterThan(15);
  }
  expect((await fetch(`${url}/`)).status).toBeLessThan(500);
  child.kill('SIGTERM');
  const { code, stderr } = await over;
  expect(code).toBe(0);
  expect(stderr).not.toMatch(/trying again|refused/);
});

describe('what is wrong', () => {
  test('all errors of the config at once, each with its path: 78', async () => {
    const config = file('bad.json', {
      listen: { port: 99_999, hots: 'x' },
      channels: {
        'a b': { features: ['x'] },
        c: { features: [], method: 'best' },
        d: { features: ['x'], alpha: 2, momentum: 0.9 },
      },
    });
    const { code, stderr } = await runCli(['serve', '--config', config]);
    expect(code).toBe(78);
    expect(stderr).toMatch(/^streamnorm serve: the config has \d+ errors:\n/);
    for (const path of [
      'listen.port',
      'listen',
      'channels.a b',
      'channels.c.features',
      'channels.c.method',
      'channels.d',
    ]) {
      expect(stderr).toContain(`  ${path}`);
    }
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test.each([
    ['{"channels": ', 78, /bad\.json is no JSON/],
    ['[]', 78, /the config has/],
    ['null', 78, /the config has/],
    ['{}', 78, /channels/],
  ])('a config of %j', async (content, code, message) => {
    const ran = await runCli(['serve', '--config', file('bad.json', content)]);
    expect(ran.stderr).toMatch(message);
    expect(ran.code).toBe(code);
  });

  test('a config that is not there: 66', async () => {
    const { code, stderr } = await runCli(['serve', '--config', join(folder, 'none.json')]);
    expect(code).toBe(66);
    expect(stderr).toMatch(/^streamnorm serve: .*none\.json cannot be read: ENOENT[^\n]*\n$/);
  });

  test('neither config nor demo: 2, with a hint', async () => {
    expect(await runCli(['serve'])).toMatchObject({
      code: 2,
      stderr: 'streamnorm serve: nothing to serve: give --config FILE, or --demo to see it work\n',
    });
  });

  test('a port that is taken: 69 and one line', async () => {
    const taken = createTcpServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await runCli(['serve', '--demo', '--port', String(port)]);
    taken.close();
    expect(code).toBe(69);
    expect(stderr).toBe(
      `streamnorm serve: cannot listen on 127.0.0.1:${port}: another process uses the port; choose one with --port\n`,
    );
  });

  test('a host that others reach, without --insecure: 78', async () => {
    const { code, stderr } = await runCli(['serve', '--demo', '--host', '0.0.0.0', '--port', '0']);
    expect(code).toBe(78);
    expect(stderr).toMatch(/--insecure/);
  });

  test.each(['99999', '-1', 'http', '1.5'])('--port %s: 2', async (port) => {
    expect((await runCli(['serve', '--demo', '--port', port])).code).toBe(2);
  });
});

describe('flags override the config', () => {
  const given = {
    listen: { host: '::1', port: 1, origins: ['https://a'] },
    state: { dir: 'a', every: '1s' },
    channels: CHANNELS,
  };

  test('each in its place, the rest stays', () => {
    expect(serverConfig(given, { port: 0, host: 'localhost', insecure: true, state: 'b' })).toEqual({
      listen: { host: 'localhost', port: 0, insecure: true, origins: ['https://a'] },
      state: { dir: 'b', every: '1s' },
      channels: CHANNELS,
    });
    expect(serverConfig(given, {})).toEqual(given);
    expect(serverConfig({}, { state: 'b' })).toEqual({ state: { dir: 'b' } });
  });

  test('what is wrong in the file stays wrong', () => {
    const wrong = { listen: 'x', state: 5, nats: 'y' } as never;
    expect(serverConfig(wrong, { port: 80, state: 'b', nats: 'nats://a' })).toEqual(wrong);
  });

  test('--demo adds its channels', () => {
    expect(Object.keys(serverConfig(given, { demo: true }).channels)).toEqual(['sensors', 'sensors-live', 'btc']);
  });
});
