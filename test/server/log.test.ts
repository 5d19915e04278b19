import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LOG_EVENTS, Log, type LogEntry } from '../../src/server/log.ts';
import { Client, outUrl, produce, serve } from './clients.ts';

test('docs/log.md is the list of events: name, level, meaning', () => {
  const documented = readFileSync(new URL('../../docs/log.md', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  expect(documented).toEqual(
    Object.entries(LOG_EVENTS).map(([event, [level, meaning]]) => `| \`${event}\` | ${level} | ${meaning} |`),
  );
});

describe('a log', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function logOf(...[level, maxPerMinute]: [Log['level'], number]) {
    const entries: LogEntry[] = [];
    return { log: new Log((entry) => entries.push(entry), level, maxPerMinute), entries };
  }

  test('writes its level and those above it', () => {
    const { log, entries } = logOf('warn', 10);
    for (const event of Object.keys(LOG_EVENTS) as (keyof typeof LOG_EVENTS)[]) log.write(event, event);
    const expected = Object.entries(LOG_EVENTS).filter(([, [level]]) => level === 'warn' || level === 'error');
    expect(entries.map(({ event, level }) => [event, level])).toEqual(
      expected.map(([event, [level]]) => [event, level]),
    );
    log.level = 'error';
    log.write('connection.refused', 'x');
    expect(entries).toHaveLength(expected.length);
  });

  test('writes an event at most so often in a minute, and then tells how many more there were', () => {
    const { log, entries } = logOf('info', 3);
    for (let n = 0; n < 1_000; n++) log.write('connection.refused', `refused ${n}`, { status: 403 });
    log.write('checkpoint.failed', 'of another event');
    expect(entries.map(({ message }) => message)).toEqual(['refused 0', 'refused 1', 'refused 2', 'of another event']);
    expect(log.suppressed.get('connection.refused')).toBe(997);
    vi.advanceTimersByTime(60_000);
    expect(entries.slice(4)).toEqual([
      {
        ...{ level: 'warn', event: 'connection.refused', fields: { suppressed: 997 } },
        message: '997 more entries of connection.refused were left out',
      },
    ]);
    log.write('connection.refused', 'again');
    expect(entries.at(-1)!.message).toBe('again');
    vi.advanceTimersByTime(60_000);
    expect(entries).toHaveLength(6);
  });

  test('tells what was left out when it is closed', () => {
    const { log, entries } = logOf('info', 1);
    for (let n = 0; n < 3; n++) log.bug(new Error(`bug ${n}`));
    log.close();
    expect(entries.map(({ event, fields }) => [event, fields])).toEqual([
      ['bug', {}],
      ['bug', { suppressed: 2 }],
    ]);
    expect(entries[0]).toMatchObject({ error: new Error('bug 0'), message: expect.stringContaining('log.test.ts') });
    expect(log.bugs).toBe(3);
  });

  test('whose sink throws stops nobody', () => {
    const log = new Log(
      () => {
        throw new Error('disk full');
      },
      'info',
      10,
    );
    expect(() => log.write('closing', 'closing')).not.toThrow();
  });
});

describe('a server logs', () => {
  const channels = { c: { features: ['x'] } };

  test('connections that come and go, at level debug', async () => {
    const server = await serve({ channels, log: { level: 'debug' } });
    const client = await produce(server, 'c');
    client.socket.close(1000);
    await client.closed;
    await server.close();
    const told = server.log.filter(({ event }) => event.startsWith('connection.'));
    const of = { role: 'in', channel: 'c', address: '127.0.0.1' };
    expect(told.map(({ event, fields }) => [event, fields])).toEqual([
      ['connection.opened', of],
      ['connection.closed', { ...of, code: 1000 }],
    ]);
  });

  test('who is refused and why, and neither what was sent nor a token', async () => {
    const server = await serve({ channels, log: { level: 'debug' } });
    const secret = 'c2VjcmV0LXRva2Vu';
    const headers = { authorization: `Bearer ${secret}`, cookie: `session=${secret}`, origin: 'https://evil.example' };
    await expect(Client.open(outUrl(server, 'c'), { headers })).rejects.toThrow('403');
    const producer = await Client.open(`${server.url.replace('http', 'ws')}/in/c`, {
      protocols: ['streamnorm.v1', `streamnorm.bearer.${secret}`],
    });
    for (const message of [secret, { x: secret }, [secret], { type: 'push', producer: secret, seq: secret, x: 1 }]) {
      producer.send(message);
      await producer.find('error');
    }
    const told = server.log.filter(({ level }) => level === 'warn');
    expect(told.map(({ event, fields }) => [event, fields.status ?? fields.code])).toEqual([
      ['connection.refused', 403],
      ['message.refused', 'BAD_JSON'],
      ['message.refused', 'BAD_VALUE'],
      ['message.refused', 'BAD_VALUE'],
      ['message.refused', 'BAD_VALUE'],
    ]);
    expect(JSON.stringify(server.log)).not.toContain(secret);
  });
});
