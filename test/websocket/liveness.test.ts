import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Liveness, type LivenessSpans } from '../../src/websocket/liveness.ts';
import { SendPacer } from '../../src/websocket/send-pacer.ts';

const NEVER = { deadlineMs: undefined, everyMs: undefined, answerMs: undefined };

/** Runs in virtual time, asking when told to; returns when heartbeats went out and when and why the peer was dead. */
function live(spans: Partial<LivenessSpans>, heardAt: readonly number[], untilMs: number) {
  const liveness = new Liveness({ ...NEVER, ...spans }, 0);
  const beats: number[] = [];
  const messages = [...heardAt].sort((a, b) => a - b);
  let now = 0;
  let asks = 0;
  while (now <= untilMs) {
    expect(++asks).toBeLessThan(100_000);
    const { sends, dead, againMs } = liveness.due(now);
    if (dead !== undefined) return { beats, dead, atMs: now };
    if (sends) beats.push(now);
    const askAt = againMs === undefined ? Number.POSITIVE_INFINITY : now + againMs;
    expect(askAt).toBeGreaterThan(now);
    while (messages.length > 0 && messages[0]! <= Math.min(askAt, untilMs)) liveness.heard(messages.shift()!);
    now = askAt;
  }
  return { beats, dead: undefined, atMs: untilMs };
}

describe('Liveness', () => {
  it('with no spans wants nothing and asks for no timer', () => {
    expect(new Liveness(NEVER, 0).due(1e9)).toEqual({ sends: false, dead: undefined, againMs: undefined });
  });

  it('calls a peer dead that is silent for the deadline, whatever it said before', () => {
    expect(live({ deadlineMs: 100 }, [], 1_000)).toEqual({ beats: [], dead: 'no message for 100 ms', atMs: 100 });
    expect(live({ deadlineMs: 100 }, [90, 180, 250], 1_000)).toMatchObject({ atMs: 350 });
  });

  it('sends a heartbeat at every interval', () => {
    expect(live({ everyMs: 100 }, [], 350).beats).toEqual([100, 200, 300]);
  });

  it('calls a peer dead that says nothing in time after a heartbeat', () => {
    expect(live({ everyMs: 100, answerMs: 30 }, [110], 1_000)).toEqual({
      beats: [100, 200],
      dead: 'no answer to a heartbeat for 30 ms',
      atMs: 230,
    });
  });

  it('counts the answer from the oldest heartbeat that nothing came after', () => {
    expect(live({ everyMs: 20, answerMs: 50 }, [], 1_000)).toMatchObject({ beats: [20, 40, 60], atMs: 70 });
  });

  it('sends one heartbeat, not all that are overdue, after a stall', () => {
    const liveness = new Liveness({ ...NEVER, everyMs: 10 }, 0);
    expect(liveness.due(1_000)).toMatchObject({ sends: true, againMs: 10 });
    expect(liveness.due(1_001).sends).toBe(false);
  });

  it('judges nothing while it is held, and starts afresh then', () => {
    const liveness = new Liveness({ deadlineMs: 100, everyMs: 50, answerMs: 20 }, 0);
    expect(liveness.due(50).sends).toBe(true);
    liveness.hold();
    expect(liveness.due(10_000).dead).toBeUndefined();
    liveness.release(20_000);
    expect(liveness.due(20_015).dead).toBeUndefined();
    expect(liveness.due(20_100).dead).toBe('no message for 100 ms');
  });

  it('is dead at the first silence as long as the deadline, never before: property', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.array(fc.nat(3_000), { maxLength: 40 }),
        (deadlineMs, heardAt) => {
          const times = [0, ...[...heardAt].sort((a, b) => a - b)];
          let expected: number | undefined;
          for (let i = 0; i < times.length && expected === undefined; i++) {
            if ((times[i + 1] ?? Number.POSITIVE_INFINITY) > times[i]! + deadlineMs) expected = times[i]! + deadlineMs;
          }
          expect(live({ deadlineMs }, heardAt, 10_000).atMs).toBe(expected);
        },
      ),
    );
  });
});

describe('SendPacer', () => {
  it('lets through what the rate allows, then makes wait', () => {
    const pacer = new SendPacer(2);
    expect(pacer.waitMs(0)).toBe(0);
    pacer.sent(0);
    pacer.sent(10);
    expect(pacer.waitMs(10)).toBeCloseTo(1_090);
    expect(pacer.waitMs(2_000)).toBe(0);
  });

  it('never sends more in a second than it may, also where the network pushes messages 100 ms together: property', () => {
    const wants = fc.array(fc.record({ at: fc.nat(5_000), lateMs: fc.nat(100) }), { maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), wants, (perSecond, list) => {
        const pacer = new SendPacer(perSecond);
        let now = 0;
        const arrivals: number[] = [];
        for (const { at, lateMs } of [...list].sort((a, b) => a.at - b.at)) {
          now = Math.max(now, at);
          now += pacer.waitMs(now);
          expect(pacer.waitMs(now)).toBeCloseTo(0, 6);
          pacer.sent(now);
          arrivals.push(now + Math.min(lateMs, 99));
        }
        arrivals.sort((a, b) => a - b);
        for (let i = perSecond; i < arrivals.length; i++) {
          expect(arrivals[i]! - arrivals[i - perSecond]!).toBeGreaterThan(1_000);
        }
      }),
    );
  });
});
