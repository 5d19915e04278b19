import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createNormalizer } from '../../src/core/methods.ts';
import type { Entry, Piece } from '../../src/nats/port.ts';
import { ChannelFold } from '../../src/server/channel-fold.ts';
import { parseConfig } from '../../src/server/config.ts';
import { encodeBatch } from '../../src/server/log-batch.ts';
import { decodePieces } from '../../src/server/log-rows.ts';
import type { Push } from '../../src/server/push.ts';
import { rowsOf } from './clients.ts';

const FEATURES = ['a', 'b'];

function configOf(channel: object) {
  const { channels, limits } = parseConfig({ channels: { test: { features: FEATURES, ...channel } } });
  return { config: channels.get('test')!, limits };
}

function pushOf(rows: number[][], producer?: string, seq?: number): Push {
  const data = Float64Array.from(rows.flat());
  const times = Float64Array.from(rows, (_, i) => 1_000 + i);
  return { data, rows: rows.length, times, producer, seq, answered: false } as unknown as Push;
}

let messages = 0;
const entryOf = (data: Uint8Array, time = 0): Entry => ({ seq: ++messages, time, data, origin: false });
const batch = (...pushes: Push[]) => entryOf(encodeBatch(pushes, FEATURES.length));

/** Normalised rows, in order, numbered. */
function rowsIn(pieces: readonly Piece[]): { seq: number; z: number[] }[] {
  return pieces.flatMap(({ data }) =>
    Array.from(decodePieces(data)).flatMap(({ first, content: { rows, features, z } }) =>
      Array.from({ length: rows }, (_, i) => ({
        seq: first + i,
        z: Array.from(z.subarray(i * features, (i + 1) * features)),
      })),
    ),
  );
}

describe.each([
  ['batch of 4', { method: 'batch', size: 4 }],
  ['ewma', { method: 'ewma', halfLife: 5 }],
  ['rolling', { method: 'rolling', last: 6 }],
  ['robust', { method: 'robust' }],
  ['batch of 4 with quarantine', { method: 'batch', size: 4, quarantine: 'flag' }],
  ['overlapping windows', { method: 'batch', size: 8, every: 4 }],
])('a fold of %s', (_, channel) => {
  const { config, limits } = configOf(channel);

  test('gives what the normalizer of a server gives, numbered from 1', () => {
    const rows = rowsOf(50, 2);
    const fold = new ChannelFold(config, limits);
    const pieces = [rows.slice(0, 7), rows.slice(7, 8), rows.slice(8)].flatMap((part) =>
      fold.apply(batch(pushOf(part))),
    );
    const normalizer = createNormalizer(config.method, FEATURES, config.options);
    const expected = normalizer.push(Float64Array.from(rows.flat()), 50, new Float64Array(50))!;
    const out = rowsIn(pieces);
    expect(out.map(({ seq }) => seq)).toEqual(Array.from({ length: expected.rows }, (_, i) => i + 1));
    expect(out.flatMap(({ z }) => z)).toEqual(Array.from(expected.z));
    expect(pieces.at(-1)?.end).toBe(expected.rows);
  });

  test('is the same to the last bit when it is opened again at any moment', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.boolean()), { minLength: 1, maxLength: 12 }),
        (steps) => {
          const steady = new ChannelFold(config, limits);
          let interrupted = new ChannelFold(config, limits);
          let from = 0;
          for (const [count, again] of steps) {
            const message = entryOf(encodeBatch([pushOf(rowsOf(count, 2, from))], 2), 1_000 + 7 * from);
            from += count;
            if (again) interrupted = new ChannelFold(config, limits, interrupted.snapshot());
            expect(interrupted.apply(message)).toEqual(steady.apply(message));
          }
          expect(interrupted.snapshot()).toEqual(steady.snapshot());
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe.each([
  ['windows in time', { within: '60ms', size: 1_000 }],
  ['windows of activity', { gap: '25ms' }],
  ['overlapping windows in time', { within: '80ms', every: '40ms' }],
  ['windows by the times of rows', { within: '40ms', lateness: '20ms' }],
])('a fold of %s', (_, options) => {
  const { config, limits } = configOf({ method: 'batch', ...options });

  test('closes them at the same message, and is the same to the last bit, when it is opened again at any moment', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 60 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
        const steady = new ChannelFold(config, limits);
        let interrupted = new ChannelFold(config, limits);
        let [from, timeMs] = [0, 1_732_000_000_000];
        for (const [count, waitMs, again] of steps) {
          timeMs += waitMs;
          // none: a tick
          const rows = rowsOf(count, 2, from);
          const push = { ...pushOf(rows), times: Float64Array.from(rows, (_, i) => timeMs - 3 * i) };
          const message = entryOf(count === 0 ? new Uint8Array() : encodeBatch([push], 2), timeMs);
          from += count;
          if (again) interrupted = new ChannelFold(config, limits, interrupted.snapshot());
          expect(interrupted.apply(message)).toEqual(steady.apply(message));
        }
        expect(interrupted.snapshot()).toEqual(steady.snapshot());
      }),
      { numRuns: 40 },
    );
  });
});

describe.each([
  ['scored row by row', { method: 'ewma', halfLife: 5 }],
  ['with windows', { method: 'batch', size: 3 }],
  ['of few at a time', { method: 'cumulative', maxKeys: 2 }],
])('a fold of keys %s', (_, channel) => {
  const { config, limits } = configOf({ key: 'k', ...channel });

  test('is the same to the last bit when it is opened again at any moment, and every row has its key', () => {
    const step = fc.tuple(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 6 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const steady = new ChannelFold(config, limits);
        let interrupted = new ChannelFold(config, limits);
        let from = 0;
        for (const [keys, again] of steps) {
          const message = batch({ ...pushOf(rowsOf(keys.length, 2, from)), keys });
          from += keys.length;
          if (again) interrupted = new ChannelFold(config, limits, interrupted.snapshot());
          const pieces = interrupted.apply(message);
          expect(pieces).toEqual(steady.apply(message));
          for (const { data } of pieces) {
            for (const { content } of decodePieces(data)) expect(content.keys).toHaveLength(content.rows);
          }
        }
        expect(interrupted.snapshot()).toEqual(steady.snapshot());
      }),
      { numRuns: 25 },
    );
  });
});

describe('a fold', () => {
  const { config, limits } = configOf({ method: 'cumulative', eps: 0 });

  test('applies a push once, whichever edges bring it and whatever it is joined with', () => {
    const fold = new ChannelFold(config, limits);
    const [first, second] = [pushOf([[1, 1]], 'p', 1), pushOf([[2, 4]], 'p', 2)];
    expect(rowsIn(fold.apply(batch(first)))).toHaveLength(1);
    expect(rowsIn(fold.apply(batch(first)))).toHaveLength(0);
    const again = new ChannelFold(config, limits, fold.snapshot());
    const other = pushOf([[3, 9]], 'q', 1);
    expect(rowsIn(again.apply(batch(first, second, other)))).toHaveLength(2);
    expect(JSON.parse(new TextDecoder().decode(again.snapshot()))).toMatchObject({
      end: 3,
      duplicates: 2,
      producers: [
        ['p', 2],
        ['q', 1],
      ],
    });
  });

  test('takes what a producer may send to a server: JSON, with the time of the log for rows that bring none', () => {
    const fold = new ChannelFold(config, limits);
    const [piece] = fold.apply(entryOf(new TextEncoder().encode('[{"a":1,"b":2},{"a":3}]'), 12_345));
    const [{ content }] = decodePieces(piece.data);
    expect(Array.from(content.raw)).toEqual([1, 2, 3, Number.NaN]);
    expect(Array.from(content.times)).toEqual([12_345, 12_345]);
  });

  test.each([
    ['no JSON', '{', 'BAD_JSON'],
    ['a row of another width', '[[1,2,3]]', 'BAD_DIM'],
    ['a text', '[["x",2]]', 'BAD_VALUE'],
    ['half a batch', Buffer.from(encodeBatch([pushOf([[1, 2]])], 2)).subarray(0, -8), 'BAD_FRAME'],
  ])('refuses %s, and nothing has changed', (_, data, code) => {
    const fold = new ChannelFold(config, limits);
    fold.apply(batch(pushOf([[1, 2]])));
    const before = fold.snapshot();
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    expect(() => fold.apply(entryOf(bytes, 99))).toThrow(expect.objectContaining({ code }));
    expect(fold.snapshot()).toEqual(before);
  });

  test('closes a window by the time of the log, at the same message in every replay', () => {
    const { config, limits } = configOf({ method: 'batch', size: 100, within: '1s' });
    const fold = new ChannelFold(config, limits);
    const at = (time: number, rows: number[][] = []) =>
      entryOf(rows.length === 0 ? new Uint8Array() : encodeBatch([pushOf(rows)], 2), time);
    expect(fold.dueMs).toBe(Number.POSITIVE_INFINITY);
    expect(fold.apply(at(5_000, [[1, 1]]))).toEqual([]);
    expect(fold.dueMs).toBe(6_000);
    expect(fold.apply(at(5_500, [[2, 3]]))).toEqual([]);
    expect(fold.apply(at(5_999))).toEqual([]);
    const again = new ChannelFold(config, limits, fold.snapshot());
    expect(again.dueMs).toBe(6_000);
    // rows that come when it is due are those of the next window
    expect(rowsIn(again.apply(at(6_000, [[9, 9]])))).toHaveLength(2);
    expect(again.dueMs).toBe(7_000);
    expect(rowsIn(again.apply(at(7_100)))).toHaveLength(1);
    expect(again.dueMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('cuts what comes out of a large window into pieces', () => {
    const { config, limits } = configOf({ method: 'batch', size: 10_000 });
    const fold = new ChannelFold(config, limits);
    const pieces = fold.apply(batch(pushOf(rowsOf(10_000, 2))));
    expect(pieces.length).toBeGreaterThan(1);
    for (const { data } of pieces) expect(data.length).toBeLessThan(200_000);
    expect(rowsIn(pieces).map(({ seq }) => seq)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1));
    expect(pieces.at(-1)?.end).toBe(10_000);
  });

  test('refuses a state of another config', () => {
    const state = new ChannelFold(config, limits).snapshot();
    const { config: other } = configOf({ method: 'ewma' });
    expect(() => new ChannelFold(other, limits, state)).toThrow(
      'the state of the partition was made by method cumulative, the config has ewma',
    );
  });
});

test('an option that is gone takes its default again, for keys that were saved too', () => {
  const before = configOf({ method: 'ewma', alpha: 0.2, key: 'symbol' });
  const fold = new ChannelFold(before.config, before.limits);
  fold.apply(batch({ ...pushOf(rowsOf(3, 2)), keys: ['k', 'k', 'k'] }));
  const after = configOf({ method: 'ewma', key: 'symbol' });
  const text = (snapshot: Uint8Array) => new TextDecoder().decode(snapshot);
  expect(text(fold.snapshot())).toContain('"alpha":0.2,"version"');
  const resumed = text(new ChannelFold(after.config, after.limits, fold.snapshot()).snapshot());
  expect(resumed).toContain('"alpha":0.1,"version"');
});
