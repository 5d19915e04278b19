import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { FLAG, flagNames } from '../../src/core/flags.ts';
import { createNormalizer, type MethodOptions } from '../../src/core/methods.ts';
import { NO_CLOCK, type NormalizedRows, type RowNormalizer } from '../../src/core/row-normalizer.ts';
import { readingOrNot } from '../support/arbitrary.ts';

/** A row of one feature: what it holds, its own time, and when it comes. */
interface Row {
  x: number;
  time?: number;
  at?: number;
}

function batch(options: MethodOptions): RowNormalizer {
  return createNormalizer('batch', ['x'], { eps: 0, ...options });
}

/** Pushes rows one by one, named by their place among them; returns what has left so far. */
function pushed(normalizer: RowNormalizer, rows: readonly Row[], firstId = 0): Left[] {
  return rows.flatMap(({ x, time = 0, at = 0 }, i) =>
    left(
      normalizer.push(Float64Array.of(x), 1, Float64Array.of(time), {
        elapsedMs: at,
        nowMs: Number.POSITIVE_INFINITY,
        ids: Float64Array.of(firstId + i),
      }),
    ),
  );
}

interface Left {
  id: number;
  x: number;
  z: number;
  flags: string[];
}

function left(out: NormalizedRows | undefined): Left[] {
  if (out === undefined) return [];
  return Array.from({ length: out.rows }, (_, i) => ({
    id: out.ids?.[i] ?? Number.NaN,
    x: out.raw[i],
    z: out.z[i],
    flags: flagNames(out.flags[i]),
  }));
}

const values = (...xs: number[]): Row[] => xs.map((x) => ({ x }));
const ids = (rows: readonly Left[]) => rows.map(({ id }) => id);

describe('size and every', () => {
  test('a batch closes every so many rows and holds the last size; a row leaves once, with the first that has it', () => {
    const normalizer = batch({ size: 4, every: 2 });
    expect(pushed(normalizer, values(1))).toEqual([]);
    expect(normalizer.pending).toBe(1);
    expect(pushed(normalizer, values(3), 1).map(({ z }) => z)).toEqual([-1, 1]);
    // 1 3 5 11
    const next = pushed(normalizer, values(5, 11), 2);
    expect(next.map(({ x, z }) => [x, z])).toEqual([
      [5, 0],
      [11, 6 / Math.sqrt(14)],
    ]);
    // 5 11 7 9
    expect(pushed(normalizer, values(7, 9), 4).map(({ z }) => z)).toEqual([-1 / Math.sqrt(5), 1 / Math.sqrt(5)]);
    expect(normalizer.report().batch).toMatchObject({ count: 4, mean: [8], min: [5], max: [11] });
  });

  test('flush lets out what waits, by the rows that its batch would have had', () => {
    const normalizer = batch({ size: 4, every: 2 });
    pushed(normalizer, values(1, 3, 5));
    expect(left(normalizer.flush()).map(({ x, z }) => [x, z])).toEqual([[5, 2 / Math.sqrt(8 / 3)]]);
    expect([normalizer.pending, normalizer.flush()]).toEqual([0, undefined]);
  });

  test('rows and statistics are those of naive windows, and the moving statistics those of batches side by side', () => {
    const streams = fc.array(readingOrNot, { maxLength: 60 });
    const shapes = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }));
    fc.assert(
      fc.property(streams, shapes, (xs, [a, b]) => {
        const [size, every] = [Math.max(a, b), Math.min(a, b)];
        const normalizer = batch({ size, every });
        const rows = [...pushed(normalizer, values(...xs)), ...left(normalizer.flush())];
        expect(ids(rows)).toEqual(xs.map((_, i) => i));
        expect(rows.map(({ z }) => z)).toEqual(naiveHops(xs, size, every));
        const plain = batch({ size });
        pushed(plain, values(...xs));
        plain.flush();
        expect(normalizer.state()).toEqual(plain.state());
      }),
    );
  });
});

describe('within and every', () => {
  test('a batch closes every so often, by the clock alone, and holds what came within', () => {
    const normalizer = batch({ within: 100, every: 50 });
    expect(normalizer.dueMs).toBe(Number.POSITIVE_INFINITY);
    pushed(normalizer, [
      { x: 1, at: 1_000 },
      { x: 3, at: 1_010 },
    ]);
    expect(normalizer.dueMs).toBe(1_050);
    expect(normalizer.advance(1_049)).toBeUndefined();
    expect(left(normalizer.advance(1_050)).map(({ z }) => z)).toEqual([-1, 1]);
    expect(normalizer.dueMs).toBe(Number.POSITIVE_INFINITY);
    // a row that comes at the end of a window is in the next
    expect(pushed(normalizer, [{ x: 5, at: 1_060 }], 2)).toEqual([]);
    expect(pushed(normalizer, [{ x: 9, at: 1_100 }], 3).map(({ x, z }) => [x, z])).toEqual([[5, 2 / Math.sqrt(8 / 3)]]);
    expect(left(normalizer.advance(1_150)).map(({ x, z }) => [x, z])).toEqual([[9, 1]]);
  });

  test('after a silence as long as a batch, the next begins with its first row', () => {
    const normalizer = batch({ within: 100, every: 50 });
    pushed(normalizer, [{ x: 1, at: 0 }]);
    normalizer.advance(50);
    pushed(normalizer, [{ x: 2, at: 777 }]);
    expect(normalizer.dueMs).toBe(827);
  });
});

describe('gap', () => {
  test('a batch ends when no row has come for so long', () => {
    const normalizer = batch({ gap: 100 });
    pushed(normalizer, [
      { x: 1, at: 0 },
      { x: 3, at: 90 },
    ]);
    expect(normalizer.dueMs).toBe(190);
    expect(pushed(normalizer, [{ x: 7, at: 190 }], 2).map(({ z }) => z)).toEqual([-1, 1]);
    expect(normalizer.pending).toBe(1);
  });

  test('size and within end it before', () => {
    const normalizer = batch({ gap: 100, within: 150, size: 3 });
    expect(
      pushed(normalizer, [
        { x: 1, at: 0 },
        { x: 3, at: 90 },
        { x: 9, at: 150 },
      ]).map(({ x }) => x),
    ).toEqual([1, 3]);
    expect(
      pushed(
        normalizer,
        [
          { x: 5, at: 160 },
          { x: 7, at: 170 },
        ],
        3,
      ).map(({ x }) => x),
    ).toEqual([9, 5, 7]);
  });
});

describe('lateness: windows follow the times of rows', () => {
  const rows = [1, 12, 4, 27, 3, 21].map((time) => ({ x: time, time }));

  test('rows leave in the order of their times, when the watermark has reached the end of their window', () => {
    const out = pushed(batch({ within: 10, lateness: 5 }), rows);
    expect(out.map(({ x, z, id }) => [x, z, id])).toEqual([
      [1, -1, 0],
      [4, 1, 2],
      [12, 0, 1],
      [3, Number.NaN, 4],
    ]);
  });

  test('a late row leaves at once as NaN, flagged, and is in no statistic', () => {
    const [normalizer, without] = [batch({ within: 10, lateness: 5 }), batch({ within: 10, lateness: 5 })];
    const late = pushed(normalizer, rows).find(({ x }) => x === 3);
    expect(late?.flags).toEqual(['late', 'quarantined']);
    pushed(
      without,
      rows.filter(({ x }) => x !== 3),
    );
    for (const each of [normalizer, without]) each.flush();
    expect(normalizer.state()).toEqual(without.state());
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 1e300])('a row whose time is %s leaves at once, flagged', (time) => {
    const normalizer = batch({ gap: 10, lateness: 0 });
    expect(pushed(normalizer, [{ x: 1, time }])).toMatchObject([{ z: Number.NaN, flags: ['time', 'quarantined'] }]);
    expect(normalizer.pending).toBe(0);
  });

  test('a row further ahead of the clock than maxAhead does not make all others late', () => {
    const normalizer = batch({ within: 10, lateness: 0, maxAhead: '1m' });
    const push = (time: number) =>
      normalizer.push(Float64Array.of(1), 1, Float64Array.of(time), { elapsedMs: 0, nowMs: 1_000 });
    expect(push(1_000)).toBeUndefined();
    expect(push(61_001)?.flags[0]).toBe(FLAG.time | FLAG.quarantined);
    expect(push(1_001)).toBeUndefined();
    expect(push(61_000)?.rows).toBe(2);
  });

  test('maxSamples bounds what is held: all leave early, flagged, and nothing is lost', () => {
    const normalizer = batch({ gap: 10, lateness: 0, maxSamples: 3 });
    const out = pushed(
      normalizer,
      [1, 2, 3, 4].map((time) => ({ x: time, time })),
    );
    expect([ids(out), normalizer.pending]).toEqual([[0, 1, 2], 1]);
    expect(out.map(({ flags }) => flags)).toEqual([['early'], ['early'], ['early']]);
  });

  test('whatever comes in whatever order, every row leaves once, with the naive window of its time or late', () => {
    const stream = fc.array(fc.record({ x: readingOrNot, time: fc.integer({ min: 0, max: 60 }) }), { maxLength: 40 });
    fc.assert(
      fc.property(stream, fc.integer({ min: 0, max: 20 }), (given, lateness) => {
        const normalizer = batch({ within: 10, lateness });
        const out = [...pushed(normalizer, given), ...left(normalizer.flush())];
        expect(ids(out).toSorted((a, b) => a - b)).toEqual(given.map((_, i) => i));
        const late = out.filter(({ flags }) => flags.includes('late'));
        expect(ids(late)).toEqual(naiveLate(given, lateness));
        for (const { id, z, flags } of out) {
          if (flags.includes('late')) continue;
          const window = Math.floor(given[id].time / 10);
          const mates = given.filter((row, i) => Math.floor(row.time / 10) === window && !ids(late).includes(i));
          const sorted = mates.toSorted((a, b) => a.time - b.time);
          expect(z).toBe(trained(sorted.map(({ x }) => x))[sorted.indexOf(given[id])]);
        }
      }),
    );
  });

  test('with every, each row leaves with the first of its windows to close, and is learned once', () => {
    const times = [2, 7, 13, 4, 18, 26, 31, 45];
    const given = times.map((time) => ({ x: time * time, time }));
    const [hops, plain] = [batch({ within: 20, every: 10, lateness: 10 }), batch({ within: 20, lateness: 10 })];
    const out = [...pushed(hops, given), ...left(hops.flush())];
    expect(out.map(({ x }) => Math.sqrt(x))).toEqual([2, 4, 7, 13, 18, 26, 31, 45]);
    expect(out[3].z).toBe(trained([4, 16, 49, 169, 324])[3]);
    pushed(plain, given);
    plain.flush();
    expect(hops.state()).toEqual(plain.state());
  });
});

const KINDS: MethodOptions[] = [
  { size: 5 },
  { size: 5, within: 20 },
  { size: 6, every: 2 },
  { size: 6, every: 4 },
  { within: 20, every: 5 },
  { gap: 7 },
  { gap: 7, within: 30, size: 4 },
  { within: 20, lateness: 5 },
  { within: 20, every: 5, lateness: 5 },
  { within: 20, size: 3, lateness: 5 },
  { gap: 4, lateness: 5 },
  { gap: 4, lateness: 5, quarantine: 'flag', range: [-1e5, null] },
  { size: 4, lateness: 5, quarantine: 'drop' },
];

describe.each(KINDS)('%j', (options) => {
  const stream = fc.array(
    fc.record({ x: readingOrNot, time: fc.integer({ min: 0, max: 80 }), pause: fc.integer({ min: 0, max: 12 }) }),
    { minLength: 1, maxLength: 40 },
  );
  const comes = (given: { x: number; time: number; pause: number }[]): Row[] => {
    let at = 0;
    return given.map(({ x, time, pause }) => {
      at += pause;
      return { x, time, at };
    });
  };

  test('restored at any row, it goes on as if it had never stopped', () => {
    fc.assert(
      fc.property(stream, fc.nat(), (given, cut) => {
        const rows = comes(given);
        const at = cut % rows.length;
        const original = batch(options);
        pushed(original, rows.slice(0, at));
        const saved = { state: original.state(), pending: original.pendingRows() };
        const resumed = createNormalizer('batch', ['x'], { eps: 0, ...options }, JSON.parse(JSON.stringify(saved)));
        expect(resumed.pending).toBe(original.pending);
        // the clock of another process stands elsewhere
        const then = at === 0 ? 0 : (rows[at - 1].at ?? 0);
        resumed.advance(1e6 + then);
        const rest = rows.slice(at);
        const later = rest.map((row) => ({ ...row, at: 1e6 + (row.at ?? 0) }));
        const without = (out: Left[]) => out.map(({ id: _, ...row }) => row);
        expect(without([...pushed(resumed, later), ...left(resumed.flush())])).toEqual(
          without([...pushed(original, rest), ...left(original.flush())]),
        );
        expect(resumed.state()).toEqual(original.state());
        expect(resumed.pendingRows()).toEqual(JSON.parse(JSON.stringify(original.pendingRows())));
      }),
    );
  });

  test('every row leaves exactly once, and nothing of it is learned twice', () => {
    fc.assert(
      fc.property(stream, (given) => {
        const normalizer = batch({ ...options, cumulative: true });
        const rows = comes(given);
        const out = [...pushed(normalizer, rows), ...left(normalizer.flush())];
        expect(ids(out).toSorted((a, b) => a - b)).toEqual(rows.map((_, i) => i));
        expect(normalizer.pending).toBe(0);
        const learned = out.filter(({ flags }) => !flags.includes('quarantined'));
        // batches without a usable value are not counted
        expect(normalizer.report().rows).toBeLessThanOrEqual(learned.length);
        if (learned.every(({ x }) => Math.abs(x) < 1e7)) expect(normalizer.report().rows).toBe(learned.length);
      }),
    );
  });
});

test('windows of another kind do not go on from rows that wait, code STATE; from rows that have left they do', () => {
  const hops = batch({ size: 4, every: 2 });
  pushed(hops, values(1, 2, 3));
  const saved = () => JSON.parse(JSON.stringify({ state: hops.state(), pending: hops.pendingRows() }));
  const others: MethodOptions[] = [{ size: 4 }, { size: 6, every: 2 }, { gap: 5 }];
  for (const options of others) {
    expect(() => createNormalizer('batch', ['x'], { eps: 0, ...options }, saved())).toThrow(
      expect.objectContaining({ code: 'STATE' }),
    );
  }
  pushed(hops, values(4));
  for (const options of others)
    expect(createNormalizer('batch', ['x'], { eps: 0, ...options }, saved()).pending).toBe(0);
  const plain = batch({ size: 4 });
  pushed(plain, values(1));
  const open = JSON.parse(JSON.stringify({ state: plain.state(), pending: plain.pendingRows() }));
  expect(() => createNormalizer('batch', ['x'], { eps: 0, gap: 5 }, open)).toThrow(/1 rows of the saved state wait/);
});

test.each<[string, (line: Record<string, unknown>) => void]>([
  ['a mark that is text', (line) => Object.assign(line, { marks: ['x', 4, 4] })],
  ['too few positions', (line) => Object.assign(line, { positions: [0] })],
  ['no end', (line) => Object.assign(line, { closed: 'never' })],
])('a saved line with %s is refused, code STATE', (_, damage) => {
  const normalizer = batch({ gap: 5 });
  pushed(normalizer, values(1, 2, 3));
  const pending = JSON.parse(JSON.stringify(normalizer.pendingRows()));
  damage(pending.line);
  expect(() => createNormalizer('batch', ['x'], { eps: 0, gap: 5 }, { state: normalizer.state(), pending })).toThrow(
    expect.objectContaining({ code: 'STATE' }),
  );
});

test.each<[MethodOptions, RegExp]>([
  [{ every: 65 }, /every to be at most size \(64\)/],
  [{ within: '1s', every: '2s' }, /every to be at most within \('1s'\)/],
  [{ size: 4, every: 2, gap: '1s' }, /takes every with size or with within, not with gap/],
  [{ size: 4, within: '1s', every: 2 }, /takes every with size or with within, not with both/],
  [{ lateness: '1s' }, /takes lateness only with within, gap or quarantine, got lateness '1s'/],
  [{ maxAhead: '1s' }, /takes maxAhead only with lateness, and within, gap or quarantine/],
  [{ within: '1s', maxAhead: '1s' }, /takes maxAhead only with lateness, got/],
  [{ maxSamples: 5 }, /takes maxSamples only with within or gap/],
  [{ gap: 0 }, /gap to be a number of ms > 0/],
  [{ gap: '1s', maxSamples: 1e9 }, /maxSamples <= 16777216 with 1 features/],
  [{ every: '5s' }, /every to be a whole number >= 1/],
])('%j throws', (options, message) => {
  expect(() => batch(options)).toThrow(message);
});

test('cut closes all windows, and the next row is flagged', () => {
  const normalizer = batch({ size: 4, every: 2 });
  pushed(normalizer, values(1, 2, 3));
  expect(left(normalizer.cut()).map(({ x }) => x)).toEqual([3]);
  expect(pushed(normalizer, values(5, 6)).map(({ flags }) => flags)).toEqual([['gap'], []]);
});

test('without a clock nothing closes by time', () => {
  const normalizer = batch({ within: 10, size: 100 });
  for (let i = 0; i < 50; i++) {
    expect(normalizer.push(Float64Array.of(i), 1, Float64Array.of(i * 1e6), NO_CLOCK)).toBeUndefined();
  }
});

/** Each value by the first naive window that closes over it: those of `size` values that end at every `every`th. */
function naiveHops(xs: readonly number[], size: number, every: number): number[] {
  const z: number[] = [];
  let end = size % every || every;
  while (z.length < xs.length) {
    const from = Math.max(0, end - size);
    z.push(...trained(xs.slice(from, end)).slice(z.length - from));
    end += every;
  }
  return z;
}

/** Which rows come when their window has closed. */
function naiveLate(rows: readonly Row[], lateness: number): number[] {
  let newest = Number.NEGATIVE_INFINITY;
  return rows.flatMap(({ time = 0 }, i) => {
    const late = (Math.floor(time / 10) + 1) * 10 <= newest - lateness;
    if (!late) newest = Math.max(newest, time);
    return late ? [i] : [];
  });
}

function trained(xs: readonly number[]): number[] {
  const model = new BatchNorm({ features: 1, eps: 0 });
  return model.train(xs.map((x) => x));
}
