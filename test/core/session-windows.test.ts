import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClosedWindow } from '../../src/core/event-windows.ts';
import { SessionWindows, type SessionWindowsOptions } from '../../src/core/session-windows.ts';

test('SessionWindows closes a session when the watermark is gap after its last sample', () => {
  const sessions = sessionsOf({ gapMs: 10 }, [0, 16, 8, 40]);
  expect(drained(sessions, 25.9)).toEqual([]);
  expect(drained(sessions, 26)).toEqual([{ samples: [0, 8, 16], start: 0, end: 26, split: false }]);
  expect(drained(sessions, 49)).toEqual([]);
  expect(drained(sessions, Number.POSITIVE_INFINITY)).toEqual([{ samples: [40], start: 40, end: 50, split: false }]);
});

test('a sample between two sessions merges them; one exactly gap after another does not', () => {
  const merged = sessionsOf({ gapMs: 10 }, [0, 18, 9]);
  expect(samples(drained(merged, Number.POSITIVE_INFINITY))).toEqual([[0, 9, 18]]);
  const apart = sessionsOf({ gapMs: 10 }, [0, 20, 10]);
  expect(samples(drained(apart, Number.POSITIVE_INFINITY))).toEqual([[0], [10], [20]]);
});

test('a sample before all others extends the first session, or is one of its own', () => {
  const sessions = sessionsOf({ gapMs: 5 }, [20, 22, 17, 10]);
  expect(samples(drained(sessions, 20))).toEqual([[10]]);
  expect(samples(drained(sessions, 27))).toEqual([[17, 20, 22]]);
});

describe('upper bounds', () => {
  test('within cuts a session that long after its first sample; what follows is the next one', () => {
    const sessions = sessionsOf({ gapMs: 5, withinMs: 10 }, [0, 4, 8, 10, 14]);
    expect(drained(sessions, 9)).toEqual([]);
    expect(drained(sessions, 10)).toEqual([{ samples: [0, 4, 8], start: 0, end: 10, split: false }]);
    expect(drained(sessions, 19)).toEqual([{ samples: [10, 14], start: 10, end: 19, split: false }]);
  });

  test('within that is shorter than gap is the length of each session', () => {
    const sessions = sessionsOf({ gapMs: 10, withinMs: 3 }, [0, 2, 5]);
    expect(drained(sessions, 8)).toEqual([
      { samples: [0, 2], start: 0, end: 3, split: false },
      { samples: [5], start: 5, end: 8, split: false },
    ]);
  });

  test('size cuts a session at its sample of that number, when no earlier one is waited for', () => {
    const sessions = sessionsOf({ gapMs: 5, size: 2 }, [4, 0, 6, 8]);
    expect(drained(sessions, 3)).toEqual([]);
    expect(drained(sessions, 6)).toEqual([{ samples: [0, 4], start: 0, end: 4, split: false }]);
    expect(samples(drained(sessions, 8))).toEqual([[6, 8]]);
  });
});

describe('late samples', () => {
  test('before the end of a session that has closed', () => {
    const sessions = sessionsOf({ gapMs: 10 }, [0, 40]);
    expect(samples(drained(sessions, 12))).toEqual([[0]]);
    expect([9, 10].map((t) => sessions.add(t, t, 12))).toEqual([false, true]);
  });

  test('of a session that would end before the watermark, unless it joins an open one', () => {
    const sessions = sessionsOf({ gapMs: 10 }, [40]);
    expect([20, 29, 31, 22].map((t) => sessions.add(t, t, 39))).toEqual([false, false, true, true]);
    expect(samples(drained(sessions, Number.POSITIVE_INFINITY))).toEqual([[22, 31, 40]]);
  });
});

test('where within is shorter than gap, a session that would end before the watermark is late all the same', () => {
  const sessions = sessionsOf({ gapMs: 10, withinMs: 3 }, [60]);
  expect([35, 36, 37].map((t) => sessions.add(t, t, 39))).toEqual([false, false, true]);
});

test('renew: what was held leaves as parts, and what may continue it is a part', () => {
  const sessions = sessionsOf({ gapMs: 10 }, [0, 20, 25]);
  drained(sessions, 12);
  const next = sessions.renew();
  expect(drained(sessions, Number.POSITIVE_INFINITY)).toEqual([{ samples: [20, 25], start: 20, end: 35, split: true }]);
  expect([9, 30, 45].map((t) => next.add(t, t, 12))).toEqual([false, true, true]);
  expect(drained(next, Number.POSITIVE_INFINITY)).toEqual([
    { samples: [30], start: 30, end: 40, split: true },
    { samples: [45], start: 45, end: 55, split: false },
  ]);
});

test('whatever the order of arrival within the lateness, sessions are those of the sorted samples', () => {
  const options = fc.record({
    gapMs: fc.integer({ min: 1, max: 12 }),
    withinMs: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
    size: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  });
  const arrivals = fc.array(fc.tuple(fc.nat(200), fc.nat(20)), { maxLength: 60 });
  fc.assert(
    fc.property(options, arrivals, (bounds, list) => {
      // delays of at most 20: no sample comes when the watermark, 20 behind the newest, has passed it
      const times = list
        .map(([time, delay]) => ({ time, at: time + delay }))
        .sort((a, b) => a.at - b.at)
        .map(({ time }) => time);
      const sessions = new SessionWindows<number>(bounds);
      const found: ClosedWindow<number>[] = [];
      let newest = Number.NEGATIVE_INFINITY;
      for (const time of times) {
        expect(sessions.add(time, time, newest - 20)).toBe(true);
        newest = Math.max(newest, time);
        found.push(...drained(sessions, newest - 20));
      }
      found.push(...drained(sessions, Number.POSITIVE_INFINITY));
      expect(samples(found)).toEqual(naive(bounds, times));
      expect(sessions.length).toBe(0);
    }),
  );
});

function sessionsOf(options: SessionWindowsOptions, times: readonly number[]): SessionWindows<number> {
  const sessions = new SessionWindows<number>(options);
  for (const time of times) expect(sessions.add(time, time, Number.NEGATIVE_INFINITY)).toBe(true);
  return sessions;
}

function drained<S>(sessions: SessionWindows<S>, watermark: number): ClosedWindow<S>[] {
  const closed: ClosedWindow<S>[] = [];
  for (let next = sessions.next(watermark); next !== undefined; next = sessions.next(watermark)) closed.push(next);
  return closed;
}

function samples(closed: readonly ClosedWindow<number>[]): number[][] {
  return closed.map((session) => session.samples);
}

/** One pass over the sorted times. */
function naive({ gapMs, withinMs = 1e9, size = 1e9 }: SessionWindowsOptions, times: readonly number[]): number[][] {
  const sessions: number[][] = [];
  for (const time of times.toSorted((a, b) => a - b)) {
    const open = sessions.at(-1);
    const ends = open === undefined || time - open.at(-1)! >= gapMs || time - open[0] >= withinMs;
    if (ends || open.length >= size) sessions.push([time]);
    else open.push(time);
  }
  return sessions;
}
