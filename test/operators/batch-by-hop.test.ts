import fc from 'fast-check';
import { asyncScheduler, bufferCount, EMPTY, from, map, NEVER, of, type SchedulerLike, Subject, take } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { type Batch, batchBy } from '../../src/operators/batch-by.ts';
import { samplesOf } from '../support/batches.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';
import { inVirtualTime } from '../support/virtual.ts';

const samples = map((batch: Batch<number>) => batch.samples);
const letters = map((batch: Batch<number>) => String.fromCharCode(...batch.samples));
const code = map((letter: string) => letter.charCodeAt(0));

describe('size and every: windows by count that overlap', () => {
  test('a window of size samples starts at every such sample, and leaves with its last one', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('--a-b-c-------d-e-|   ');
      const expected = '   ----x-y-------z-u-(v|)';
      const words = { x: 'ab', y: 'bc', z: 'cd', u: 'de', v: 'e' };
      expectObservable(source.pipe(code, batchBy({ size: 2, every: 1 }), letters)).toBe(expected, words);
    });
  });

  test('every larger than size leaves out what is between two windows', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('--a-b-c-------d-e-|');
      const expected = '   --a---c---------e-|';
      expectObservable(source.pipe(code, batchBy({ size: 1, every: 2 }), letters)).toBe(expected);
    });
  });

  test('every equal to size is windows of size', () => {
    expect(collected(of(1, 2, 3).pipe(batchBy({ size: 2, every: 2 }), samples))).toEqual([[1, 2], [3]]);
  });

  test('a batch holds the numbers of its own samples, and their times', () => {
    const timed = [1, 2, 3, 4].map((t) => ({ t, x: t * 10 }));
    const batches = collected(
      from(timed).pipe(batchBy({ size: 2, every: 1, features: ['x'], timeOf: ({ t }) => t }), take(3)),
    );
    expect(batches.map((batch) => [batch.start, batch.end, samplesOf(batch)])).toEqual([
      [1, 2, [[10], [20]]],
      [2, 3, [[20], [30]]],
      [3, 4, [[30], [40]]],
    ]);
  });
});

describe('within and every: windows by time that overlap', () => {
  test('a window starts every so long, from the first sample on, and leaves within its length', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('--a-b-c-------d-e-|   ');
      const expected = '   ------x-y---------(z|)';
      const words = { x: 'abc', y: 'c', z: 'de' };
      expectObservable(source.pipe(code, batchBy({ within: 4, every: 2 }), letters)).toBe(expected, words);
    });
  });

  test('a length that is no multiple of every', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('-a-b----c--|   ');
      const expected = '   ------x--y-(z|)';
      expectObservable(source.pipe(code, batchBy({ within: 5, every: 3 }), letters)).toBe(expected, {
        x: 'ab',
        y: 'c',
        z: 'c',
      });
    });
  });

  test('every longer than within leaves out what comes between two windows', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('abcdefghijkl|    ');
      const expected = '   ---x----y---(z|) ';
      const words = { x: 'abcd', y: 'ghi', z: 'l' };
      expectObservable(source.pipe(code, batchBy({ within: 3, every: 5 }), letters)).toBe(expected, words);
    });
  });

  test('a batch holds the numbers of its own samples, and when its window opened and closed', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('-a--b---|', { a: 1, b: 2 });
      const expected = '   -----x-y|';
      const bounds = map((batch: Batch<number>) => [batch.start, batch.end, samplesOf(batch)]);
      expectObservable(source.pipe(batchBy({ within: 4, every: 2 }), bounds)).toBe(expected, {
        x: [1, 5, [[1], [2]]],
        y: [3, 7, [[2]]],
      });
    });
  });

  test('maxSamples: open windows leave with what they hold and go on empty, each sample once in each', () => {
    const arrivals = [0, 1, 5, 6, 9].map((at) => ({ at, sample: at }));
    const seen: unknown[] = [];
    inVirtualTime<number>(arrivals, 20, (source, scheduler) =>
      source
        .pipe(batchBy({ within: 7, every: 4, maxSamples: 3, scheduler }))
        .subscribe(({ start, end, samples: list, split }) => seen.push([start, end, list, split])),
    );
    expect(seen).toEqual([
      [0, 5, [0, 1, 5], true],
      [4, 5, [5], true],
      [0, 7, [6], true],
      [4, 11, [6, 9], true],
      [8, 15, [9], false],
    ]);
  });

  test('after a silence as long as a window, the next sample starts anew', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a------b----|', { a: 1, b: 2 });
      const expected = '   ---x------y-|';
      const bounds = map((batch: Batch<number>) => [batch.start, batch.samples]);
      expectObservable(source.pipe(batchBy({ within: 3, every: 2 }), bounds)).toBe(expected, {
        x: [0, [1]],
        y: [7, [2]],
      });
    });
  });

  test('when the clock is set, only start and end change', () => {
    marbles(({ cold, expectObservable }) => {
      const clock: SchedulerLike = {
        now: () => (asyncScheduler.now() < 5 ? 1000 : -1000) + asyncScheduler.now(),
        schedule: asyncScheduler.schedule.bind(asyncScheduler),
      };
      const source = cold('--a-b-c-------d-e-|   ');
      const expected = '   ------x-y---------(z|)';
      const words = { x: 'abc', y: 'c', z: 'de' };
      const operator = batchBy<number>({ within: 4, every: 2, scheduler: clock });
      expectObservable(source.pipe(code, operator, letters)).toBe(expected, words);
    });
  });
});

describe.each([
  ['size and every', { size: 3, every: 2 }],
  ['within and every', { within: 5, every: 2 }],
])('edges of %s', (_, options) => {
  const operator = batchBy<number>(options);

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one value is a batch of one on completion', () => {
    expect(collected(of(7).pipe(operator, samples))).toEqual([[7]]);
  });

  test('a source error drops open windows', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a-b#', { a: 1, b: 2 }).pipe(operator)).toBe('---#');
    });
  });

  test('completion flushes all open windows, the oldest first, and stops the clock', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a-bc|   ', { a: 1, b: 2, c: 3 });
      const all = source.pipe(operator, samples);
      if ('size' in options) expectObservable(all).toBe('---x(y|)', { x: [1, 2, 3], y: [3] });
      else expectObservable(all).toBe('----(xy|)', { x: [1, 2, 3], y: [3] });
    });
  });

  test('early unsubscribe unsubscribes the source and stops the clock', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('ab-------', { a: 1, b: 2 });
      expectObservable(source.pipe(operator), '^--!').toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test('re-subscription starts with an empty window', () => {
    const batches = of(1, 2).pipe(operator, samples);
    expect([collected(batches), collected(batches)]).toEqual([[[1, 2]], [[1, 2]]]);
  });

  test('null and text before the first sample are left out', () => {
    expect(collected(from([null, 'text', 4] as number[]).pipe(operator, samples))).toEqual([[4]]);
  });

  test('completion from within next: what is open still leaves', () => {
    const source = new Subject<number>();
    const seen: (readonly number[])[] = [];
    const full = 'size' in options ? options : { ...options, maxSamples: 3 };
    source.pipe(batchBy<number>(full), samples).subscribe((list) => {
      seen.push(list);
      source.complete();
    });
    for (const x of [1, 2, 3]) source.next(x);
    expect(seen).toEqual('size' in options ? [[1, 2, 3], [3]] : [[1, 2, 3]]);
  });
});

test('size and every, re-entrant: a sample pushed from within next is in the windows that are open then', () => {
  const source = new Subject<number>();
  const seen: (readonly number[])[] = [];
  source.pipe(batchBy<number>({ size: 3, every: 1 }), samples).subscribe((list) => {
    seen.push(list);
    if (seen.length === 1) source.next(4);
  });
  for (const x of [1, 2, 3, 5]) source.next(x);
  expect(seen).toEqual([
    [1, 2, 3],
    [2, 3, 4],
    [3, 4, 5],
  ]);
});

test('within and every: completion from within next, while split windows leave: all of them still do', () => {
  const seen: (readonly number[])[] = [];
  const arrivals = [0, 1, 5].map((at) => ({ at, sample: at }));
  inVirtualTime<number>(arrivals, 20, (source, scheduler) =>
    source.pipe(batchBy<number>({ within: 7, every: 4, maxSamples: 3, scheduler }), samples).subscribe((list) => {
      seen.push(list);
      source.complete();
    }),
  );
  expect(seen).toEqual([[0, 1, 5], [5]]);
});

test('windows by count are those of bufferCount', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), (count, size, every) => {
      const source = from(Array.from({ length: count }, (_, i) => i));
      const batches = collected(source.pipe(batchBy({ size, every })));
      expect(batches.map((batch) => batch.samples)).toEqual(collected(source.pipe(bufferCount(size, every))));
      expect(batches.map((batch) => samplesOf(batch).flat())).toEqual(batches.map((batch) => batch.samples));
    }),
  );
});

test('windows by time hold what came while they were open; with maxSamples their parts do', () => {
  const waits = fc.array(fc.oneof(fc.nat(8), fc.nat(60)), { minLength: 1, maxLength: 40 });
  const span = fc.integer({ min: 1, max: 15 });
  fc.assert(
    fc.property(waits, span, span, fc.option(fc.integer({ min: 1, max: 8 })), (list, within, every, maxSamples) => {
      // no two events at a time: windows end at whole ms after the first sample
      let at = 0;
      const arrivals = list.map((wait, i) => {
        at += wait + 1;
        return { at: at + i / 1000, sample: i };
      });
      const end = at + 20.9;
      const found = new Map<number, number[]>();
      const left = inVirtualTime(arrivals, end, (source, scheduler) =>
        source
          .pipe(batchBy<number>({ within, every, scheduler, ...(maxSamples !== null && { maxSamples }) }))
          .subscribe((batch) => {
            const start = Math.round(Number(batch.start) * 1000);
            if (maxSamples === null) expect([batch.split, found.has(start)]).toEqual([false, false]);
            else expect(batch.rows).toBeLessThanOrEqual(maxSamples);
            found.set(start, [...(found.get(start) ?? []), ...batch.samples]);
          }),
      );
      expect(left).toBe(0);
      const starts = [...found].sort(([a], [b]) => a - b);
      expect(starts.map(([, list]) => list)).toEqual(naive(arrivals, within, every));
    }),
  );
});

/** All windows of each grid, which ends when nothing came since a window opened that is longer ago than `within`. */
function naive(arrivals: readonly { at: number; sample: number }[], within: number, every: number): number[][] {
  const windows: number[][] = [];
  const between = (from: number, to: number) => arrivals.filter(({ at }) => at >= from - 1e-9 && at < to - 1e-9);
  for (let first = arrivals.at(0)?.at; first !== undefined; ) {
    const grid: number[] = [];
    let start = first;
    let going = true;
    while (going) {
      grid.push(start);
      start += every;
      going = between(start - Math.max(1, Math.ceil(within / every)) * every, start).length > 0;
    }
    for (const opened of grid) {
      windows.push(between(opened, Math.min(opened + within, start)).map(({ sample }) => sample));
    }
    first = arrivals.find(({ at }) => at > start)?.at;
  }
  return windows.filter((list) => list.length > 0);
}
