import { describe, expect, test } from 'vitest';
import { healthOf } from '../../dashboard/connection-line.ts';

describe('healthOf', () => {
  const open = { kind: 'open', since: 0 } as const;

  test('an open connection is live while rows come, then stale', () => {
    expect(healthOf(open, 100, undefined)).toEqual({ kind: 'live', text: 'connected, no rows yet' });
    expect(healthOf(open, 9000, 1000)).toEqual({ kind: 'live', text: 'live' });
    expect(healthOf(open, 61_000, 1000)).toEqual({ kind: 'stale', text: 'stale, no rows for 1 min 0 s' });
    expect(healthOf(open, 61_000, 1000, 90_000).kind).toBe('live');
  });

  test('a connection that came back is given time', () => {
    expect(healthOf({ kind: 'open', since: 60_000 }, 61_000, 1000).kind).toBe('live');
  });

  test('counts down while it waits, and says why it is closed', () => {
    const waiting = { kind: 'waiting', until: 5000, reason: 'connection lost' } as const;
    expect(healthOf(waiting, 1500, 0).text).toBe('connection lost, reconnecting in 4 s');
    expect(healthOf({ kind: 'closed', reason: 'no such channel', code: 4404 }, 0, 0).text).toBe(
      'closed: no such channel',
    );
    expect(healthOf({ kind: 'connecting', again: true }, 0, 0).text).toBe('reconnecting');
  });
});
