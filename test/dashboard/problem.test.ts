import { describe, expect, test } from 'vitest';
import type { ChannelDetails } from '../../dashboard/messages.ts';
import { problemOf, type Situation } from '../../dashboard/problem.ts';

const details = (more: Partial<ChannelDetails>): ChannelDetails => ({
  ...{ channel: 'c', epoch: 'e', seq: 9, config: {}, producers: 1 },
  ...more,
});

const situation = (more: Partial<Situation>): Situation => ({
  ...{ channel: 'c', key: undefined, state: { kind: 'open', since: 0 }, now: 100_000, staleMs: 10_000 },
  ...{ lostAt: undefined, lastRowAt: 40_000, details: details({}), degraded: undefined },
  ...more,
});

describe('problemOf says what is wrong and what to do', () => {
  test('nothing while rows come, or while the first connection is made', () => {
    expect(problemOf(situation({ lastRowAt: 95_000 }))).toBeUndefined();
    expect(problemOf(situation({ state: { kind: 'connecting', again: false } }))).toBeUndefined();
  });

  test('a lost connection: since when, why, and that the page goes on trying', () => {
    const state = { kind: 'waiting', until: 103_000, reason: 'connection lost' } as const;
    const problem = problemOf(situation({ state, lostAt: 58_000 }));
    expect(problem).toMatchObject({ severity: 'bad', action: 'retry' });
    expect(problem?.title).toMatch(/^Connection lost at \d\d:\d\d:58, 42 s ago \(connection lost\)$/);
    expect(problem?.advice).toContain('goes on trying');
  });

  test.each([
    [4401, 'Not signed in', 'sign-in'],
    [4403, 'This token may not read the rows of c', 'sign-in'],
    [4404, 'There is no channel c any more', 'retry'],
    [1008, 'The server refused this page: because', 'retry'],
  ])('close code %i', (code, title, action) => {
    expect(problemOf(situation({ state: { kind: 'closed', code, reason: 'because' } }))).toMatchObject({
      title,
      action,
    });
  });

  test.each<[string, Partial<ChannelDetails>, string]>([
    ['no producer', { producers: 0 }, 'No producer is connected to /in/c: nobody feeds it.'],
    ['a silent one', {}, 'A producer is connected, but sends nothing.'],
    ['an open window', { pending: 7 }, 'A producer is connected; 7 rows wait for their window to close.'],
    [
      'messages that are refused',
      { counters: { rows: 0, errors: { BAD_DIM: 312 } } },
      'A producer is connected, but sends nothing that can be taken. Refused so far: BAD_DIM 312.',
    ],
    [
      'a source that is away',
      { source: { url: 'ws://f', state: 'waiting', reason: 'HTTP 503', counts: {} } },
      'The source ws://f is waiting: HTTP 503.',
    ],
    ['a source that is silent', { source: { url: 'ws://f', state: 'open', counts: {} } }, 'open but sends no rows.'],
  ])('no rows: %s', (_, more, advice) => {
    const problem = problemOf(situation({ details: details(more) }));
    expect(problem).toMatchObject({ severity: 'warn', title: 'No rows for 1 min 0 s' });
    expect(problem?.advice).toContain(advice);
  });

  test('no rows of a key', () => {
    expect(problemOf(situation({ key: 'k1' }))?.advice).toContain('none has sent rows of key k1');
  });

  test('a degraded server, though rows come', () => {
    const problem = problemOf(situation({ lastRowAt: 99_000, degraded: 'the disk is full' }));
    expect(problem).toMatchObject({ severity: 'warn', title: 'The server is degraded' });
    expect(problem?.advice).toContain('The disk is full.');
  });
});
