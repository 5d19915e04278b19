import fc from 'fast-check';
import { EMPTY, from, map, NEVER, of, range, Subject, throwError } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { type Batch, batchBy } from '../../src/operators/batch-by.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { samplesOf } from '../support/batches.ts';
import { collected } from '../support/collected.ts';
import { marbles } from '../support/marbles.ts';

const samples = map((batch: Batch<unknown>) => batch.samples);

test('batchBy emits a batch when it holds size samples, and the rest on completion', () => {
  marbles(({ cold, expectObservable }) => {
    const source = cold('--a-b-c-------d-e-|   ');
    const expected = '   ------x-----------(y|)';
    const lengths = source.pipe(
      map((letter) => letter.charCodeAt(0)),
      batchBy({ size: 3 }),
      samples,
    );
    expectObservable(lengths).toBe(expected, { x: [97, 98, 99], y: [100, 101] });
  });
});

test('a batch holds its samples and their numbers row by row', () => {
  const records = [
    { a: 1, b: 10, id: 'x' },
    { a: 2, id: 'y' },
    { a: 3, b: 30 },
  ];
  const [batch, rest] = collected(from(records).pipe(batchBy({ size: 2, features: ['a', 'b'] })));
  expect(batch).toMatchObject({ samples: records.slice(0, 2), rows: 2, features: 2, names: ['a', 'b'] });
  expect([samplesOf(batch), samplesOf(rest)]).toEqual([
    [
      [1, 10],
      [2, Number.NaN],
    ],
    [[3, 30]],
  ]);
  expect(batch.data).toHaveLength(4);
});

describe('options', () => {
  test('within closes a window that long after its first sample, however few it holds', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('a-b------c--d--e-|   ', { a: 1, b: 2, c: 3, d: 4, e: 5 });
      const expected = '   -----x--------y--(z|)';
      expectObservable(source.pipe(batchBy({ within: 5 }), samples)).toBe(expected, { x: [1, 2], y: [3, 4], z: [5] });
    });
  });

  test('size and within: whichever comes first, and a full window stops the clock', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('ab-c--------|', { a: 1, b: 2, c: 3 });
      const expected = '   -x------y---|';
      expectObservable(source.pipe(batchBy({ size: 2, within: 5 }), samples)).toBe(expected, { x: [1, 2], y: [3] });
    });
  });

  test('features label the columns of arrays', () => {
    const [batch] = collected(of([1, 2]).pipe(batchBy({ size: 1, features: ['a', 'b'] })));
    expect(batch.names).toEqual(['a', 'b']);
  });

  test('labels that do not fit the arrays are an error notification', () => {
    const source = of([1, 2]).pipe(batchBy({ size: 1, features: ['a'] }));
    expect(() => collected(source)).toThrow('batchBy has 1 features (a), the first sample is an array of 2');
  });
});

describe('bounds of a batch', () => {
  test('by count: the times of the first and the last sample, if timeOf has both', () => {
    const timed = [{ t: 5, x: 1 }, { t: 7, x: 2 }, { t: 6, x: 3 }, { x: 4 }];
    const batches = collected(from(timed).pipe(batchBy({ size: 3, features: ['x'], timeOf: ({ t }) => t as number })));
    expect(batches.map(({ start, end, split, late }) => [start, end, split, late])).toEqual([
      [5, 6, false, 0],
      [undefined, undefined, false, 0],
    ]);
    const [untimed] = collected(of(1).pipe(batchBy({ size: 3 })));
    expect([untimed.start, untimed.end]).toEqual([undefined, undefined]);
  });

  test('by count, timeOf is asked for the first and the last sample only, and not for a sample of another form', () => {
    const asked: unknown[] = [];
    const timeOf = (sample: unknown) => asked.push(sample);
    collected(from([1, 2, 3, 4, 'text' as never]).pipe(batchBy<number>({ size: 4, timeOf })));
    expect(asked).toEqual([1, 4]);
  });

  test('within: when it opened and closed, by the scheduler', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('--a-b-----c-d-|   ', { a: 1, b: 2, c: 3, d: 4 });
      const expected = '   -------x------(y|)';
      const bounds = map(({ start, end }: Batch<number>) => [start, end]);
      expectObservable(source.pipe(batchBy({ within: 5 }), bounds)).toBe(expected, { x: [2, 7], y: [10, 14] });
    });
    marbles(({ cold, expectObservable }) => {
      const bounds = map(({ start, end }: Batch<number>) => [start, end]);
      const full = cold('--a', { a: 1 }).pipe(batchBy({ size: 1, within: 5 }), bounds);
      expectObservable(full).toBe('--x', { x: [2, 2] });
    });
  });
});

describe('maxSamples', () => {
  test('within: a window that holds so many leaves early, split, and the next sample starts another', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('abc----|  ', { a: 1, b: 2, c: 3 });
      const expected = '   -x-----(y|)';
      const parts = map(({ samples: list, split }: Batch<number>) => [list, split]);
      expectObservable(source.pipe(batchBy({ within: 5, maxSamples: 2 }), parts)).toBe(expected, {
        x: [[1, 2], true],
        y: [[3], false],
      });
    });
  });

  test('is 100,000', () => {
    const batches = collected(range(0, 100_001).pipe(batchBy({ within: '1h' })));
    expect(batches.map(({ rows, split }) => [rows, split])).toEqual([
      [100_000, true],
      [1, false],
    ]);
  });

  test('is no less than size, which closes a window as it should', () => {
    const batches = collected(range(0, 100_001).pipe(batchBy({ within: '1h', size: 100_001 })));
    expect(batches.map(({ rows, split }) => [rows, split])).toEqual([[100_001, false]]);
  });
});

test.each<[string, object, RegExp]>([
  ['no bound', { every: 2 }, /^batchBy requires size, within or gap, else a window never closes$/],
  [
    'every with gap',
    { gap: '5s', every: 2 },
    /^batchBy takes every with size or with within, not with gap, got every 2$/,
  ],
  ['every with size and within', { size: 2, within: 5, every: 2 }, /not with both, got every 2$/],
  ['every of part of a sample', { size: 2, every: 1.5 }, /^batchBy requires every to be a whole number >= 1, got 1.5$/],
  [
    'every of a time by count',
    { size: 2, every: '1s' },
    /^batchBy requires every to be a whole number >= 1, got '1s'$/,
  ],
  ['every of nothing', { within: 5, every: 0 }, /^batchBy requires every to be a number of ms > 0 .*, got 0$/],
  ['a sample in too many windows', { size: 1001, every: 1 }, /^batchBy requires every to be at least 1\/1000 of size/],
  ['a time in too many windows', { within: '1h', every: '1s' }, /at least 1\/1000 of within, got 1000 of 3600000$/],
  ['gap that is none', { gap: -1 }, /^batchBy requires gap to be a number of ms > 0 .*, got -1$/],
  ['gap that no timer can wait for', { gap: '600h' }, /^batchBy requires gap to be at most 24 days, got '600h'$/],
  [
    'every that no timer can wait for',
    { within: 5, every: '600h' },
    /requires every to be at most 24 days, got '600h'$/,
  ],
  ['timeOf that is a name', { within: 5, timeOf: 't' }, /^batchBy requires timeOf to be a function, got 't'$/],
  [
    'onLate that is none',
    { within: 5, timeOf: Number, onLate: 5 },
    /^batchBy requires onLate to be a function, got 5$/,
  ],
  [
    'lateness without times',
    { within: 5, lateness: '2s' },
    /^batchBy takes lateness only with timeOf, and within or gap, got lateness '2s'$/,
  ],
  ['lateness by count', { size: 5, timeOf: Number, lateness: 2 }, /^batchBy takes lateness only with within or gap/],
  ['onLate by count', { size: 5, timeOf: Number, onLate() {} }, /takes onLate only with .*, got onLate a function$/],
  ['maxAhead without times', { gap: 5, maxAhead: 2 }, /^batchBy takes maxAhead only with timeOf, and within or gap/],
  ['maxSamples by count', { size: 5, maxSamples: 2 }, /^batchBy takes maxSamples only with within or gap/],
  ['maxSamples 0', { gap: 5, maxSamples: 0 }, /^batchBy requires maxSamples to be a whole number >= 1, got 0$/],
  ['lateness < 0', { within: 5, timeOf: Number, lateness: -1 }, /^batchBy requires lateness to be .*, got -1$/],
  ['maxAhead that is no time', { gap: 5, timeOf: Number, maxAhead: 'no' }, /^batchBy requires maxAhead to be .*'no'$/],
  [
    'parts of a ms',
    { within: 0.5, timeOf: Number },
    /^batchBy requires within to be at least 1 ms with timeOf, got 0.5$/,
  ],
])('%s throws at once', (_, options, message) => {
  expect(() => batchBy(options)).toThrow(message);
});

test('batchNorm has windows of its own and refuses the rest', () => {
  for (const option of ['every', 'gap', 'timeOf', 'lateness', 'onLate', 'maxSamples']) {
    expect(() => batchNorm({ [option]: 1 } as never)).toThrow(`batchNorm has no option '${option}'`);
  }
});

test('a sample of another form than the first enters as a row of NaN', () => {
  const odd = [[1, 2], 'text', null, [3], { a: 1 }, [4, 5]] as number[][];
  const [batch] = collected(from(odd).pipe(batchBy({ size: 6 })));
  expect(batch.samples).toEqual(odd);
  expect(samplesOf(batch).map(([a]) => a)).toEqual([1, Number.NaN, Number.NaN, Number.NaN, Number.NaN, 4]);
});

describe('edges', () => {
  const operator = batchBy<number>({ size: 2, within: 5 });

  test('empty: no batch', () => marbles(({ expectObservable }) => expectObservable(EMPTY.pipe(operator)).toBe('|')));

  test('never', () => marbles(({ expectObservable }) => expectObservable(NEVER.pipe(operator)).toBe('-')));

  test('one value is a batch of one on completion', () => {
    expect(collected(of(7).pipe(operator, samples))).toEqual([[7]]);
  });

  test('a source error drops the partial window', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a-#', { a: 1 }).pipe(operator)).toBe('--#');
    });
    expect(() => collected(throwError(() => new Error('lost')).pipe(operator))).toThrow('lost');
  });

  test('completion flushes at once and stops the clock', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a--|', { a: 1 }).pipe(operator, samples)).toBe('---(x|)', { x: [1] });
    });
  });

  test('early unsubscribe unsubscribes the source and stops the clock', () => {
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('a--------', { a: 1 });
      expectObservable(source.pipe(operator), '^--!').toBe('-');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test('re-subscription starts with an empty window', () => {
    const batches = of(1, 2, 3).pipe(operator, samples);
    expect([collected(batches), collected(batches)]).toEqual([
      [[1, 2], [3]],
      [[1, 2], [3]],
    ]);
  });

  test('a re-entrant source: a sample pushed from within next opens the next window', () => {
    const source = new Subject<number>();
    const seen: (readonly unknown[])[] = [];
    source.pipe(batchBy({ size: 2 }), samples).subscribe((batch) => {
      seen.push(batch);
      if (seen.length === 1) source.next(3);
    });
    for (const x of [1, 2, 4]) source.next(x);
    expect(seen).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });
});

test('batches in a row are the samples in order, all but the last of size', () => {
  const stream = fc.array(fc.tuple(fc.double(), fc.double()), { maxLength: 300 });
  fc.assert(
    fc.property(stream, fc.integer({ min: 1, max: 150 }), (rows, size) => {
      const batches = collected(from(rows).pipe(batchBy({ size })));
      expect(batches.flatMap((batch) => batch.samples)).toEqual(rows);
      expect(batches.flatMap(samplesOf)).toEqual(rows);
      expect(batches.slice(0, -1).every((batch) => batch.rows === size)).toBe(true);
    }),
  );
});
