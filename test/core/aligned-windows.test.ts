import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AlignedWindows, type AlignedWindowsOptions } from '../../src/core/aligned-windows.ts';
import type { ClosedWindow } from '../../src/core/event-windows.ts';

test('AlignedWindows closes the windows that end at or before the watermark, the oldest first', () => {
  const windows = windowsOf({ withinMs: 10 }, [3, 12, 1, 27]);
  expect(drained(windows, 9.9)).toEqual([]);
  expect(drained(windows, 20)).toEqual([
    { samples: [1, 3], start: 0, end: 10, split: false },
    { samples: [12], start: 10, end: 20, split: false },
  ]);
  expect([windows.length, drained(windows, Number.POSITIVE_INFINITY)]).toEqual([
    1,
    [{ samples: [27], start: 20, end: 30, split: false }],
  ]);
});

describe('bounds', () => {
  test('a sample at the start of a window is in it, one at the end is in the next', () => {
    const windows = windowsOf({ withinMs: 10 }, [-10, -0.5, 0, 10]);
    expect(bounds(drained(windows, Number.POSITIVE_INFINITY))).toEqual([
      [-10, 0, [-10, -0.5]],
      [0, 10, [0]],
      [10, 20, [10]],
    ]);
  });

  test('overlapping windows share samples, and each window that holds any leaves once', () => {
    const windows = windowsOf({ withinMs: 10, everyMs: 4 }, [9, 31]);
    expect(bounds(drained(windows, Number.POSITIVE_INFINITY))).toEqual([
      [0, 10, [9]],
      [4, 14, [9]],
      [8, 18, [9]],
      [24, 34, [31]],
      [28, 38, [31]],
    ]);
  });

  test('samples between windows are in none, and not late', () => {
    const windows = new AlignedWindows<number>({ withinMs: 2, everyMs: 5 });
    expect([0, 1.9, 2, 4.9, 5].map((t) => windows.add(t, t, 100))).toEqual([false, false, true, true, false]);
    expect(windows.length).toBe(0);
  });

  test.each([1, 1.1, 10 / 3, 7, 3_600_000])(
    'of length %d: no time of a Date is in two windows or in none',
    (withinMs) => {
      const wholeMs = fc.integer({ min: -8.64e15, max: 8.64e15 });
      fc.assert(
        fc.property(
          fc.oneof(
            wholeMs,
            wholeMs.map((n) => Math.floor(n / 1e10) * withinMs),
          ),
          (time) => {
            const [window] = drained(windowsOf({ withinMs }, [time]), Number.POSITIVE_INFINITY);
            expect(window.start <= time && time < window.end, JSON.stringify(window)).toBe(true);
          },
        ),
      );
    },
  );
});

describe('late samples', () => {
  test('a sample is late when its window has closed, not when it is older than others of its window', () => {
    const windows = windowsOf({ withinMs: 10 }, [19]);
    expect([11, 9, 10].map((t) => windows.add(t, t, 19))).toEqual([true, false, true]);
  });

  test('where windows overlap, it is in those that are still open', () => {
    const windows = windowsOf({ withinMs: 10, everyMs: 5 }, [22]);
    expect(drained(windows, 22)).toEqual([]);
    expect([14, 17].map((t) => windows.add(t, t, 22))).toEqual([false, true]);
    expect(bounds(drained(windows, Number.POSITIVE_INFINITY))).toEqual([
      [15, 25, [17, 22]],
      [20, 30, [22]],
    ]);
  });
});

describe('size', () => {
  test('the first samples of a window leave when the watermark has reached the last of them, then the rest', () => {
    const windows = windowsOf({ withinMs: 10, size: 2 }, [5, 1, 3]);
    expect(drained(windows, 2)).toEqual([]);
    expect(drained(windows, 3)).toEqual([{ samples: [1, 3], start: 0, end: 10, split: true }]);
    expect(windows.add(9, 9, 3)).toBe(true);
    expect(windows.add(12, 12, 3)).toBe(true);
    expect(drained(windows, 10)).toEqual([{ samples: [5, 9], start: 0, end: 10, split: true }]);
    expect(drained(windows, 20)).toEqual([{ samples: [12], start: 10, end: 20, split: false }]);
  });
});

test('renew: what was held leaves as parts, and its windows go on as parts, those after them whole', () => {
  const windows = windowsOf({ withinMs: 10, everyMs: 5 }, [1, 7, 12]);
  drained(windows, 6);
  const next = windows.renew();
  expect(bounds(drained(windows, Number.POSITIVE_INFINITY))).toEqual([
    [0, 10, [1, 7]],
    [5, 15, [7, 12]],
    [10, 20, [12]],
  ]);
  expect([next.length, next.add(4, 4, 6), next.add(16, 16, 6)]).toEqual([0, true, true]);
  expect(drained(next, Number.POSITIVE_INFINITY)).toEqual([
    { samples: [4], start: 0, end: 10, split: true },
    { samples: [16], start: 10, end: 20, split: true },
    { samples: [16], start: 15, end: 25, split: false },
  ]);
});

test('whatever the order of arrival, windows hold what a list of all windows would', () => {
  const options = fc.record({ withinMs: fc.integer({ min: 1, max: 12 }), everyMs: fc.integer({ min: 1, max: 12 }) });
  const times = fc.array(fc.integer({ min: -30, max: 60 }), { maxLength: 60 });
  fc.assert(
    fc.property(options, times, fc.nat(40), (spans, list, lateness) => {
      const windows = new AlignedWindows<number>(spans);
      const found: ClosedWindow<number>[] = [];
      const late: number[] = [];
      let newest = Number.NEGATIVE_INFINITY;
      for (const [i, time] of list.entries()) {
        if (!windows.add(i, time, newest - lateness)) late.push(i);
        newest = Math.max(newest, time);
        found.push(...drained(windows, newest - lateness));
      }
      found.push(...drained(windows, Number.POSITIVE_INFINITY));
      const expected = naive(spans, list, lateness);
      expect(found.map(({ start, samples }) => [start, samples])).toEqual(expected.windows);
      expect(late).toEqual(expected.late);
      expect(windows.length).toBe(0);
    }),
  );
});

function windowsOf(options: AlignedWindowsOptions, times: readonly number[]): AlignedWindows<number> {
  const windows = new AlignedWindows<number>(options);
  for (const time of times) expect(windows.add(time, time, Number.NEGATIVE_INFINITY)).toBe(true);
  return windows;
}

function drained<S>(windows: AlignedWindows<S>, watermark: number): ClosedWindow<S>[] {
  const closed: ClosedWindow<S>[] = [];
  for (let window = windows.next(watermark); window !== undefined; window = windows.next(watermark))
    closed.push(window);
  return closed;
}

function bounds(closed: readonly ClosedWindow<number>[]): [number, number, number[]][] {
  return closed.map(({ start, end, samples }) => [start, end, samples]);
}

/** Every window there can be, with the samples that came before the watermark passed its end. */
function naive({ withinMs, everyMs }: { withinMs: number; everyMs: number }, times: number[], lateness: number) {
  const inOrder = times.map((time, i) => ({ time, i, watermark: Math.max(...times.slice(0, i)) - lateness }));
  const windows: [number, number[]][] = [];
  const home = new Set<number>();
  for (let start = -60; start <= 60 + everyMs; start++) {
    if (start % everyMs !== 0) continue;
    const inside = inOrder.filter(({ time }) => start <= time && time < start + withinMs);
    const kept = inside.filter(({ watermark }) => start + withinMs > watermark);
    for (const { i } of kept) home.add(i);
    kept.sort((a, b) => a.time - b.time || a.i - b.i);
    if (kept.length > 0) windows.push([start, kept.map(({ i }) => i)]);
  }
  const between = ({ time }: { time: number }) => time - Math.floor(time / everyMs) * everyMs >= withinMs;
  return { windows, late: inOrder.filter((sample) => !home.has(sample.i) && !between(sample)).map(({ i }) => i) };
}
