import type { Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import { StreamnormError } from '../../src/errors.ts';
import type { ConnectionEvent } from '../../src/websocket/connect.ts';
import { ConnectionClosed } from '../../src/websocket/connection-closed.ts';
import { type Foreseen, reconnect } from '../../src/websocket/reconnect.ts';
import type { SocketEnd } from '../../src/websocket/socket-port.ts';
import type { SocketStatus } from '../../src/websocket/socket-status.ts';

const OPEN = { type: 'open', protocol: '' } as ConnectionEvent;
const values = { o: OPEN };

describe('reconnect', () => {
  it('waits random · 250 ms · 2^failures between tries, up to 30 s', () => {
    const { delays } = run('#', 10_000_000, { random: 1, tries: 10 });
    expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('spreads waits by the random number', () => {
    expect(run('#', 10_000_000, { random: 0.5, tries: 3 }).delays).toEqual([125, 250, 500]);
  });

  it('keeps on backing off from a server that accepts and drops within 5 s, over 50 cycles', () => {
    const { delays } = run('o 100ms #', 10_000_000, { random: 1, tries: 50 });
    expect(delays.slice(0, 4)).toEqual([250, 500, 1_000, 2_000]);
    expect(delays.slice(7)).toEqual(new Array(43).fill(30_000));
  });

  it('starts the back-off anew once a connection was up 5 s', () => {
    expect(run('o 4998ms #', 10_000_000, { random: 1, tries: 3 }).delays).toEqual([250, 500, 1_000]);
    expect(run('o 5001ms #', 10_000_000, { random: 1, tries: 3 }).delays).toEqual([250, 250, 250]);
  });

  it.each([1000, 1001, 1002, 1006, 1011, 1012, 4408, 4410, 4429])('tries again after close code %i', (code) => {
    expect(run('#', 1_000, { end: { code, reason: '' }, random: 1, tries: 1 }).delays).toEqual([250]);
  });

  it('waits 5 s plus jitter after 1013, but no longer than maxDelayMs', () => {
    const end = { code: 1013, reason: 'slow' };
    expect(run('#', 20_000, { end, random: 1, tries: 2 }).delays).toEqual([5_250, 5_500]);
    expect(run('#', 20_000, { end, random: 1, tries: 2, maxDelayMs: 300 }).delays).toEqual([550, 600]);
  });

  it('waits as long as Retry-After says plus jitter, an hour at most', () => {
    const waits = (retryAfter: string) =>
      run('#', 8e6, { end: { status: 503, reason: '', retryAfter }, random: 0.5, tries: 1 }).delays;
    expect(waits('120')).toEqual([120_125]);
    expect(waits('Thu, 01 Jan 1970 00:01:00 GMT')).toEqual([60_125]);
    expect(waits('99999999999')).toEqual([3_600_125]);
    expect(waits('soon')).toEqual([125]);
  });

  it('waits as long as the bye says plus jitter, once', () => {
    const foreseen = { byeMs: 4_200, finishing: false };
    expect(run('#', 20_000, { foreseen, random: 1, tries: 2 }).delays).toEqual([4_450, 500]);
  });

  it.each<SocketEnd>([
    { code: 1008, reason: 'policy' },
    { code: 4400, reason: 'bad' },
    { code: 4401, reason: 'token' },
    { code: 4403, reason: '' },
    { code: 4404, reason: '' },
    { code: 1006, status: 401, reason: '' },
    { code: 1006, status: 403, reason: '' },
    { code: 1006, status: 404, reason: '' },
  ])('errors with UNAVAILABLE at once after %o', (end) => {
    const { error, events } = run('#', 1_000, { end, tries: 1 });
    expect(error).toBeInstanceOf(StreamnormError);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', cause: { code: end.code, status: end.status } });
    expect(events.map((event) => event.type)).toEqual(['connecting', 'closed', 'failed']);
  });

  it('completes at an end that was foreseen, unless it is a refusal', () => {
    const foreseen = { byeMs: undefined, finishing: true };
    expect(run('o#', 100, { foreseen, tries: 1 }).completed).toBe(true);
    expect(run('o#', 100, { foreseen, tries: 1, end: { code: 4401, reason: '' } }).error).toMatchObject({
      code: 'UNAVAILABLE',
    });
  });

  it('keeps the count of one subscription from another', () => {
    const events: SocketStatus[] = [];
    const scheduler = scheduled();
    scheduler.run(({ cold, expectObservable }) => {
      const failing = cold('#', values, new ConnectionClosed({ reason: 'gone' }));
      const settings = { where: 'test', minDelayMs: 10, maxDelayMs: 10_000, stableMs: 5_000, scheduler };
      const tried = failing.pipe(
        reconnect(
          settings,
          (event) => events.push(event),
          { byeMs: undefined, finishing: false },
          () => 1,
        ),
      );
      expectObservable(tried, '^ 60ms !').toBe('');
      expectObservable(tried, '100ms ^ 5ms !').toBe('');
    });
    const attempts = events.filter((event) => event.type === 'connecting').map((event) => event.attempt);
    expect(attempts).toEqual([1, 2, 3, 1]);
  });
});

function scheduled(): TestScheduler {
  return new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
}

/** Runs one connection's marble again and again in virtual time and notes what happened. */
function run(
  marble: string,
  untilMs: number,
  options: { end?: SocketEnd; random?: number; tries: number; foreseen?: Foreseen; maxDelayMs?: number },
) {
  const { end = { code: 1006, reason: 'gone' }, random = 0.5, tries, maxDelayMs = 30_000 } = options;
  const foreseen = options.foreseen ?? { byeMs: undefined, finishing: false };
  const events: SocketStatus[] = [];
  let error: unknown;
  let completed = false;
  const scheduler = scheduled();
  scheduler.run(({ cold, flush }) => {
    const connection = cold(marble, values, new ConnectionClosed(end)) as Observable<ConnectionEvent>;
    const settings = { where: 'test', minDelayMs: 250, maxDelayMs, stableMs: 5_000, scheduler };
    const subscription = connection
      .pipe(
        reconnect(
          settings,
          (event) => {
            events.push(event);
            if (event.type === 'waiting' && waits(events).length === tries) subscription.unsubscribe();
          },
          foreseen,
          () => random,
        ),
      )
      .subscribe({
        error: (reason) => {
          error = reason;
        },
        complete: () => {
          completed = true;
        },
      });
    scheduler.schedule(() => subscription.unsubscribe(), untilMs);
    flush();
  });
  return { events, delays: waits(events), error, completed };
}

function waits(events: SocketStatus[]): number[] {
  return events.filter((event) => event.type === 'waiting').map((event) => event.delayMs);
}
