import fc from 'fast-check';
import { concat, EMPTY, from, map, NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { type Batch, type BatchByOptions, batchBy, type LateSample } from '../../src/operators/batch-by.ts';
import { samplesOf } from '../support/batches.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

/** Seconds as text, in ms. */
const timeOf = (letter: string) => Number(letter) * 1000;
const identity = (time: number) => time;
const samples = map((batch: Batch<number>) => batch.samples);

/** What a stream of one-digit times in s becomes, as marbles of words such as `1 3 4`. */
function check(given: string, options: Partial<BatchByOptions<number>>, expected: string, words: object): void {
  marbles(({ cold, expectObservable }) => {
    const source = cold(given).pipe(map(timeOf));
    const seconds = map((batch: Batch<number>) => batch.samples.map((ms) => ms / 1000).join(' '));
    const output = source.pipe(batchBy({ timeOf: identity, ...options }), seconds);
    expectObservable(output).toBe(expected, words as Record<string, string>);
  });
}

test('within: a window of event time closes when the watermark reaches its end, and is sorted by time', () => {
  const given = '   -1-4-3-6-2--9-|';
  const expected = '-------x------(y|)';
  check(given, { within: '5s' }, expected, { x: '1 3 4', y: '6 9' });
});

test('lateness holds the watermark back', () => {
  const given = '   -1-4-3-6-2--9-|';
  const expected = '------------x-(y|)';
  check(given, { within: '5s', lateness: '2s' }, expected, { x: '1 2 3 4', y: '6 9' });
});

test('every: windows that overlap', () => {
  const given = '   -1-4-3-6----9-|';
  const expected = '---(xy)z----u-(vw|)';
  check(given, { within: '4s', every: '2s' }, expected, { x: '1', y: '1', z: '3 4', u: '4 6', v: '6 9', w: '9' });
});

test('every longer than within: what is between two windows is in none, and moves the watermark', () => {
  const given = '   -1-4-3-6----9-|';
  const expected = '---x--------y-|';
  check(given, { within: '2s', every: '5s' }, expected, { x: '1', y: '6' });
});

test('gap: sessions, merged by a sample between them', () => {
  const given = '   -1-4-3-6-2--9-|';
  const expected = '--------------(xy|)';
  check(given, { gap: '3s', lateness: '2s' }, expected, { x: '1 2 3 4 6', y: '9' });
});

test('gap and within: a session is cut that long after its first sample', () => {
  const given = '   -1-2-3-4-5--9-|';
  const expected = '-------x----y-(z|)';
  check(given, { gap: '2s', within: '3s' }, expected, { x: '1 2 3', y: '4 5', z: '9' });
});

test('size: the first samples of a window leave as soon as no earlier one is waited for', () => {
  const given = '   -1-4-3-6-2--9-|';
  const expected = '---------x--y-(z|)';
  check(given, { within: '5s', size: 2, lateness: '4s' }, expected, { x: '1 2', y: '3 4', z: '6 9' });
});

describe('what a batch says', () => {
  test('an aligned window has its bounds, its end excluded, and the numbers of its samples in their order', () => {
    const records = [7, 12, 3, 21].map((t) => ({ t, x: t * 10 }));
    const batches = collected(
      from(records).pipe(batchBy({ timeOf: ({ t }) => t, within: 10, lateness: 5, features: ['x'] })),
    );
    expect(batches.map(({ start, end, split }) => [start, end, split])).toEqual([
      [0, 10, false],
      [10, 20, false],
      [20, 30, false],
    ]);
    expect(batches.map(samplesOf)).toEqual([[[30], [70]], [[120]], [[210]]]);
  });

  test('a session has its first time, and gap after its last', () => {
    const batches = collected(of(3, 1, 30).pipe(batchBy<number>({ timeOf: identity, gap: 10, lateness: 5 })));
    expect(batches.map(({ start, end }) => [start, end])).toEqual([
      [1, 13],
      [30, 40],
    ]);
  });

  test('samples of one time stay in the order of arrival', () => {
    const pairs = [
      [5, 1],
      [2, 2],
      [5, 3],
      [2, 4],
    ];
    const [batch] = collected(from(pairs).pipe(batchBy<number[]>({ timeOf: ([t]) => t, within: 10 })));
    expect(batch.samples.map(([, i]) => i)).toEqual([2, 4, 1, 3]);
  });
});

describe('samples that are in no window', () => {
  function refused(times: readonly unknown[], options: BatchByOptions<unknown>) {
    const late: LateSample<unknown>[] = [];
    const batches = collected(
      from(times).pipe(batchBy({ timeOf: Number, onLate: (sample) => late.push(sample), ...options })),
    );
    return { late, batches: batches.map((batch) => [batch.samples, batch.late]) };
  }

  test('late: its windows have closed; it is told, counted, and changes nothing', () => {
    expect(refused([1, 12, 9, 10, 2, 25], { within: 10 })).toEqual({
      late: [
        { sample: 9, time: 9, reason: 'late', watermark: 12, late: 1 },
        { sample: 2, time: 2, reason: 'late', watermark: 12, late: 2 },
      ],
      batches: [
        [[1], 0],
        [[10, 12], 2],
        [[25], 2],
      ],
    });
  });

  test('late for one window and not for another: it is in the other, and not told', () => {
    expect(refused([1, 12, 9], { within: 10, every: 5 })).toEqual({
      late: [],
      batches: [
        [[1], 0],
        [[1], 0],
        [[9, 12], 0],
        [[12], 0],
      ],
    });
  });

  test('time: no number of ms that a Date could have', () => {
    const none = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 8.64e15 + 2, -1e300];
    const { late, batches } = refused([...none, 5, ...none], { within: 10 });
    expect(late.map(({ time, reason }) => [time, reason])).toEqual([...none, ...none].map(() => [Number.NaN, 'time']));
    expect([late[0].watermark, late[9].watermark, late[9].late]).toEqual([Number.NEGATIVE_INFINITY, 5, 10]);
    expect(batches).toEqual([[[5], 10]]);
  });

  test('time: what timeOf returns is no number', () => {
    for (const time of [undefined, null, '5', new Date(5), 5n, true]) {
      expect(refused([1], { within: 10, timeOf: () => time as never }).late).toMatchObject([{ reason: 'time' }]);
    }
  });

  test('time: a sample of another form than the first, which timeOf is not asked for', () => {
    const rows = [null, 'text', [1, 10], 7, [2], null, { t: 1 }, [5, 20]];
    const seen = refused(rows, { within: 10, timeOf: (row) => (row as number[])[0] });
    expect(seen.late.map(({ sample, reason }) => [sample, reason])).toEqual(
      [null, 'text', 7, [2], null, { t: 1 }].map((sample) => [sample, 'time']),
    );
    expect(seen.batches).toEqual([[[rows[2], rows[7]], 6]]);
  });

  test('ahead: more than maxAhead later than the clock, so that it does not make the others late', () => {
    marbles(({ cold, expectObservable }) => {
      const late: unknown[] = [];
      const source = cold('-a-b-c-d-|', { a: 1, b: 14, c: 15, d: 16 });
      const operator = batchBy<number>({
        timeOf: identity,
        within: 10,
        maxAhead: 10,
        onLate: ({ sample, reason, watermark }) => late.push([sample, reason, watermark]),
      });
      // the clock says 1, 3, 5, 7
      expectObservable(source.pipe(operator, samples)).toBe('-----x---(y|)', { x: [1], y: [15, 16] });
      expectObservable(cold('---------(x|)', { x: late })).toBe('---------(x|)', { x: [[14, 'ahead', 1]] });
    });
  });

  test('maxAhead is an hour, 0 is none', () => {
    const hour = 3_600_000;
    const now = 1e12;
    const scheduler = { now: () => now, schedule: () => ({}) as never };
    const within = 10;
    const inTime = refused([now + hour, now + hour + 1], { within, scheduler });
    expect(inTime.late).toMatchObject([{ sample: now + hour + 1, reason: 'ahead' }]);
    const none = refused([now, now + 1], { within, scheduler, maxAhead: 0 });
    expect(none.late).toMatchObject([{ sample: now + 1, reason: 'ahead' }]);
  });

  test('ahead: a clock that is set back refuses nothing that is older than what was taken', () => {
    let now = 1e12;
    const scheduler = { now: () => now, schedule: () => ({}) as never };
    const source = new Subject<number>();
    const late: LateSample<number>[] = [];
    const operator = batchBy<number>({ timeOf: identity, gap: 5, onLate: (sample) => late.push(sample), scheduler });
    source.pipe(operator).subscribe();
    source.next(now);
    now -= 7_200_000;
    source.next(1e12);
    source.next(1e12 + 1);
    expect(late).toMatchObject([{ time: 1e12 + 1, reason: 'ahead' }]);
  });

  test('onLate may be a Subject: a side output', () => {
    const late = new Subject<LateSample<number>>();
    const seen: number[] = [];
    late.subscribe(({ sample }) => seen.push(sample));
    collected(
      of(1, 12, 3).pipe(batchBy<number>({ timeOf: identity, within: 10, onLate: (sample) => late.next(sample) })),
    );
    expect(seen).toEqual([3]);
  });

  test('without onLate they are counted', () => {
    const batches = collected(of(1, 12, 3).pipe(batchBy<number>({ timeOf: identity, within: 10, lateness: 0 })));
    expect(batches.map((batch) => batch.late)).toEqual([0, 1]);
  });
});

describe('maxSamples', () => {
  test('open windows leave with what they hold and go on empty; each sample is once in each', () => {
    const operator = batchBy<number>({ timeOf: identity, within: 10, every: 5, lateness: 50, maxSamples: 3 });
    const batches = collected(of(7, 1, 8, 9, 31).pipe(operator));
    expect(batches.map(({ start, samples: list, split }) => [start, list, split])).toEqual([
      [-5, [1], true],
      [0, [1, 7, 8], true],
      [5, [7, 8], true],
      [0, [9], true],
      [5, [9], true],
      [25, [31], false],
      [30, [31], false],
    ]);
  });

  test('is 100,000, which bounds open windows too: each holds a sample', () => {
    const times = [...Array(100_001).keys()].map((i) => i * 10);
    const operator = batchBy<number>({ timeOf: identity, within: 10, lateness: '1h' });
    const batches = collected(from(times).pipe(operator));
    expect(batches.map(({ split }) => split)).toEqual(times.map((_, i) => i < 100_000));
    expect(batches.flatMap((batch) => batch.samples)).toEqual(times);
  });
});

describe.each<[string, BatchByOptions<number>]>([
  ['within', { within: 5 }],
  ['within and every', { within: 5, every: 5 }],
  ['gap', { gap: 3 }],
])('edges of %s', (_, options) => {
  const operator = batchBy<number>({ timeOf: identity, ...options });

  test('empty', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one value is a batch of one on completion', () => {
    expect(collected(of(7).pipe(operator, samples))).toEqual([[7]]);
  });

  test('a source error drops open windows', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('ab#', { a: 1, b: 2 }).pipe(operator)).toBe('--#');
    });
    expect(() =>
      collected(
        concat(
          of(1),
          throwError(() => new Error('lost')),
        ).pipe(operator),
      ),
    ).toThrow('lost');
  });

  test('completion flushes all open windows, the oldest first', () => {
    const held = batchBy<number>({ timeOf: identity, lateness: 100, ...options });
    expect(collected(of(12, 1, 2, 7).pipe(held, samples))).toEqual([[1, 2], [7], [12]]);
  });

  test('no timer: a silent source closes nothing', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a--------------b|', { a: 1, b: 9 }).pipe(operator, samples)).toBe('---------------x(y|)', {
        x: [1],
        y: [9],
      });
    });
  });

  test('early unsubscribe unsubscribes the source', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('a--------', { a: 1 });
      expectObservable(source.pipe(operator), '^--!').toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test('re-subscription starts with a watermark of its own', () => {
    const batches = of(12, 1).pipe(operator, samples);
    expect([collected(batches), collected(batches)]).toEqual([[[12]], [[12]]]);
  });

  test('a throw of timeOf or onLate is an error notification', () => {
    const fail = () => {
      throw new Error('not today');
    };
    expect(() => collected(of(1).pipe(batchBy<number>({ ...options, timeOf: fail })))).toThrow('not today');
    const late = batchBy<number>({ timeOf: identity, ...options, onLate: fail });
    expect(() => collected(of(12, 1).pipe(late))).toThrow('not today');
  });
});

describe('re-entrant sources', () => {
  test('a sample pushed from within next comes after the windows that had closed before it', () => {
    const source = new Subject<number>();
    const seen: (readonly number[])[] = [];
    const operator = batchBy<number>({ timeOf: identity, within: 10, lateness: 10 });
    source.pipe(operator, samples).subscribe((list) => {
      seen.push(list);
      if (seen.length === 1) source.next(45);
    });
    for (const time of [1, 12, 40, 31, 2]) source.next(time);
    source.complete();
    expect(seen).toEqual([[1], [12], [31], [40, 45]]);
  });

  test('a sample pushed from within next does not close windows before they have left', () => {
    const source = new Subject<number>();
    const seen: (readonly number[])[] = [];
    source.pipe(batchBy<number>({ timeOf: identity, within: 10, every: 5 }), samples).subscribe((list) => {
      seen.push(list);
      if (seen.length === 1) source.next(97); // the watermark is 100, and [0, 10) has closed but not left
    });
    for (const time of [1, 100]) source.next(time);
    source.complete();
    expect(seen).toEqual([[1], [1], [97, 100], [100]]);
  });

  test('completion from within next: all that is held still leaves', () => {
    const source = new Subject<number>();
    const seen: (readonly number[])[] = [];
    const operator = batchBy<number>({ timeOf: identity, within: 10, lateness: 100, maxSamples: 3 });
    source.pipe(operator, samples).subscribe((list) => {
      seen.push(list);
      if (seen.length === 1) source.complete();
    });
    for (const time of [1, 12, 25]) source.next(time);
    expect(seen).toEqual([[1], [12], [25]]);
  });

  test('a sample pushed while windows that were too full leave is in those that go on', () => {
    const source = new Subject<number>();
    const seen: (readonly number[])[] = [];
    const operator = batchBy<number>({ timeOf: identity, within: 10, lateness: 100, maxSamples: 2 });
    source.pipe(operator, samples).subscribe((list) => {
      seen.push(list);
      if (seen.length === 1) for (const time of [2, 13, 24]) source.next(time);
    });
    for (const time of [1, 12]) source.next(time);
    source.complete();
    expect(seen).toEqual([[1], [12], [2], [13], [24]]);
  });
});

test('windows are those of a naive oracle, whatever the order of arrival, and nothing is lost', () => {
  const spans = fc.record({ within: fc.integer({ min: 1, max: 12 }), every: fc.integer({ min: 1, max: 12 }) });
  const times = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 60 });
  const bound = fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined });
  fc.assert(
    fc.property(spans, times, fc.nat(30), bound, (options, list, lateness, maxSamples) => {
      const found = new Map<number, number[]>();
      const late: number[] = [];
      const onLate = ({ time }: LateSample<number>) => late.push(time);
      const operator = batchBy<number>({ timeOf: identity, ...options, lateness, maxSamples, onLate });
      for (const batch of collected(from(list).pipe(operator))) {
        const start = Number(batch.start);
        if (maxSamples === undefined) expect([batch.split, found.has(start)]).toEqual([false, false]);
        else if (found.has(start)) expect(batch.split).toBe(true);
        expect(batch.samples).toEqual(batch.samples.toSorted((a, b) => a - b));
        found.set(start, [...(found.get(start) ?? []), ...batch.samples]);
      }
      const sorted = [...found].map(([start, inside]) => [start, inside.toSorted((a, b) => a - b)]);
      const expected = naive(options, list, lateness);
      expect(new Map(sorted as [number, number[]][])).toEqual(expected.windows);
      expect(late).toEqual(expected.late);
    }),
  );
});

/** Windows by their start, each with the samples that came before the watermark reached its end. */
function naive({ within, every }: { within: number; every: number }, times: readonly number[], lateness: number) {
  const windows = new Map<number, number[]>();
  const late: number[] = [];
  for (const [i, time] of times.entries()) {
    const watermark = Math.max(...times.slice(0, i)) - lateness;
    let between = true;
    let home = false;
    for (let start = -24; start <= time; start++) {
      if (start % every !== 0 || time >= start + within) continue;
      between = false;
      if (start + within <= watermark) continue;
      home = true;
      windows.set(
        start,
        [...(windows.get(start) ?? []), time].sort((a, b) => a - b),
      );
    }
    if (!home && !between) late.push(time);
  }
  return { windows, late };
}
