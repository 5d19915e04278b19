import fc from 'fast-check';
import { asyncScheduler, EMPTY, from, map, NEVER, of, type SchedulerLike, Subject } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { type Batch, batchBy } from '../../src/operators/batch-by.ts';
import { samplesOf } from '../support/batches.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';
import { inVirtualTime } from '../support/virtual.ts';

const samples = map((batch: Batch<number>) => batch.samples);
const letters = map((batch: Batch<number>) => String.fromCharCode(...batch.samples));
const code = map((letter: string) => letter.charCodeAt(0));

test('gap closes a window when no sample came for so long', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('--a-b-c-------d-e-|   ');
    const expected = '   -----------x------(y|)';
    expectObservable(source.pipe(code, batchBy({ gap: 5 }), letters)).toBe(expected, { x: 'abc', y: 'de' });
  });
});

test('a batch holds the numbers of its samples, and when its window opened and closed', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('-a-b-------|', { a: { x: 1 }, b: { x: 2 } });
    const expected = '   ------x----|';
    const bounds = map((batch: Batch<{ x: number }>) => [batch.start, batch.end, samplesOf(batch)]);
    expectObservable(source.pipe(batchBy({ gap: 3, features: ['x'] }), bounds)).toBe(expected, {
      x: [1, 6, [[1], [2]]],
    });
  });
});

describe('upper bounds', () => {
  test('size closes a session at so many samples, and stops its clock', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a-b-c-----d-|   ');
      const expected = '   --x----y----(z|)';
      const words = { x: 'ab', y: 'c', z: 'd' };
      expectObservable(source.pipe(code, batchBy({ gap: 3, size: 2 }), letters)).toBe(expected, words);
    });
  });

  test('within closes a session that long after its first sample', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a-b-c-d-e-----|');
      const expected = '   -----x-----y--|';
      const words = { x: 'abc', y: 'de' };
      expectObservable(source.pipe(code, batchBy({ gap: 4, within: 5 }), letters)).toBe(expected, words);
    });
  });

  test('maxSamples bounds a session without size, which is split then', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('abc----|', { a: 1, b: 2, c: 3 });
      const expected = '   -x---y-|';
      const parts = map((batch: Batch<number>) => [batch.samples, batch.split]);
      expectObservable(source.pipe(batchBy({ gap: 3, maxSamples: 2 }), parts)).toBe(expected, {
        x: [[1, 2], true],
        y: [[3], false],
      });
    });
  });
});

test.each([
  ['back', -1000, 'a-b-----------|', '----------x---|'],
  ['forward', 1000, 'a-b-----------|', '-----x--------|'],
])('a clock that is set %s moves the end of a session by gap at most', (_, step, given, expected) => {
  marbles(({ cold, expectObservable }) => {
    const clock: SchedulerLike = {
      now: () => asyncScheduler.now() + (asyncScheduler.now() < 4 ? 0 : step),
      schedule: asyncScheduler.schedule.bind(asyncScheduler),
    };
    const operator = batchBy<number>({ gap: 5, scheduler: clock });
    expectObservable(cold(given).pipe(code, operator, letters)).toBe(expected, { x: 'ab' }); // else at frame 7
  });
});

describe('edges', () => {
  const operator = batchBy<number>({ gap: 3 });

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one value is a batch of one on completion', () => {
    expect(collected(of(7).pipe(operator, samples))).toEqual([[7]]);
  });

  test('a source error drops the open window', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a-#', { a: 1 }).pipe(operator)).toBe('--#');
    });
  });

  test('completion flushes at once and stops the clock', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('ab|', { a: 1, b: 2 }).pipe(operator, samples)).toBe('--(x|)', { x: [1, 2] });
    });
  });

  test('early unsubscribe unsubscribes the source and stops the clock', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('a--------', { a: 1 });
      expectObservable(source.pipe(operator), '^-!').toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^-!');
    });
  });

  test('re-subscription starts with an empty window', () => {
    const batches = of(1, 2).pipe(operator, samples);
    expect([collected(batches), collected(batches)]).toEqual([[[1, 2]], [[1, 2]]]);
  });

  test('a re-entrant source: a sample pushed from within next opens the next session', () => {
    const source = new Subject<number>();
    const seen: (readonly number[])[] = [];
    source.pipe(batchBy<number>({ gap: '1h', size: 2 }), samples).subscribe((list) => {
      seen.push(list);
      if (seen.length === 1) source.next(3);
    });
    for (const x of [1, 2, 4]) source.next(x);
    expect(seen).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test('null and text before the first sample are left out', () => {
    expect(collected(from([null, 'text', 4] as number[]).pipe(operator, samples))).toEqual([[4]]);
  });
});

test('sessions are those of the times of arrival, and no timer is left', () => {
  const waits = fc.array(fc.nat(12), { minLength: 1, maxLength: 50 });
  const bound = fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined });
  fc.assert(
    fc.property(waits, fc.integer({ min: 1, max: 10 }), bound, bound, (list, gap, within, size) => {
      let at = 0;
      const arrivals = list.map((wait, i) => {
        at += wait + 1;
        return { at: at + i / 1000, sample: i };
      });
      const seen: { list: readonly number[]; lasted: number }[] = [];
      const left = inVirtualTime<number>(arrivals, at + 30.9, (source, scheduler) =>
        source
          .pipe(batchBy<number>({ gap, within, size, scheduler }))
          .subscribe(({ samples: list, start, end }) => seen.push({ list, lasted: Number(end) - Number(start) })),
      );
      expect([left, seen.map((session) => session.list)]).toEqual([0, naive(arrivals, gap, within, size)]);
      for (const { list, lasted } of seen) {
        const [first, last] = [arrivals[list[0]].at, arrivals[list.at(-1)!].at];
        const ends = list.length === size ? last : Math.min(last + gap, first + (within ?? 1e9));
        expect(lasted).toBeCloseTo(ends - first, 6);
      }
    }),
  );
});

function naive(arrivals: readonly { at: number; sample: number }[], gap: number, within = 1e9, size = 1e9): number[][] {
  const sessions: { at: number; sample: number }[][] = [];
  for (const arrival of arrivals) {
    const open = sessions.at(-1);
    const closed = open === undefined || arrival.at - open.at(-1)!.at > gap || arrival.at - open[0].at > within;
    if (closed || open.length >= size) sessions.push([arrival]);
    else open.push(arrival);
  }
  return sessions.map((session) => session.map(({ sample }) => sample));
}
