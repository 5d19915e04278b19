import { describe, expect, test } from 'vitest';
import { StreamnormError } from '../../src/errors.ts';
import { readBinaryPush, readJsonPush } from '../../src/server/push.ts';
import type { PushForm } from '../../src/server/push-form.ts';
import { encodeFrame } from '../../src/websocket/frame.ts';

const FORM: PushForm = { features: ['bid', 'ask'], time: undefined, maxRows: 3 };
const NOW = 1_732_450_000_000;

function read(message: unknown, form: Partial<PushForm> = {}) {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  return readJsonPush(text, { ...FORM, ...form }, NOW);
}

function faultOf(act: () => unknown): { code: string; message: string; row: number | undefined } {
  try {
    act();
  } catch (error) {
    if (!(error instanceof StreamnormError)) throw error;
    return { code: error.code, message: error.message, row: error.row };
  }
  throw new Error('nothing was refused');
}

const none = { producer: undefined, seq: undefined, answered: false };

describe('readJsonPush reads', () => {
  test.each([
    ['an array', [1.5, 2], [1.5, 2]],
    ['a record, in the order of the features and whatever else it has', { ask: 2, x: 'y', bid: 1.5 }, [1.5, 2]],
    [
      'many arrays',
      [
        [1, 2],
        [3, 4],
      ],
      [1, 2, 3, 4],
    ],
    [
      'many records',
      [
        { bid: 1, ask: 2 },
        { bid: 3, ask: 4 },
      ],
      [1, 2, 3, 4],
    ],
    ['null as missing', [null, 2], [Number.NaN, 2]],
    ['a missing field as missing', { ask: 2 }, [Number.NaN, 2]],
    ['1e309 as infinite', '[1e309, -1e309]', [Infinity, -Infinity]],
    ['-0, the smallest and the largest number as they are', '[-0, 5e-324]', [-0, 5e-324]],
  ])('%s', (_, message, expected) => {
    const rows = expected.length / 2;
    const push = read(message);
    expect(push).toEqual({ ...none, rows, data: Float64Array.from(expected), times: new Float64Array(rows).fill(NOW) });
    expect(push.data.every((x, i) => Object.is(x, expected[i]))).toBe(true);
  });

  test('a number where there is one feature', () => {
    expect(read(1.5, { features: ['x'] })).toMatchObject({ rows: 1, data: Float64Array.of(1.5) });
  });

  test('a push with producer, seq and one time for all rows', () => {
    expect(
      read({
        type: 'push',
        producer: 'p1',
        seq: 17,
        t: 5,
        x: [
          [1, 2],
          [3, 4],
        ],
      }),
    ).toEqual({
      ...{ producer: 'p1', seq: 17, answered: true, rows: 2 },
      ...{ data: Float64Array.of(1, 2, 3, 4), times: Float64Array.of(5, 5) },
    });
  });

  test('a push with a time for each row, and one without any', () => {
    expect(
      read({
        type: 'push',
        t: [5, 6],
        x: [
          [1, 2],
          [3, 4],
        ],
      }).times,
    ).toEqual(Float64Array.of(5, 6));
    expect(read({ type: 'push', t: null, x: [1, 2] }).times).toEqual(Float64Array.of(NOW));
  });

  test('the time field of records: ms or an ISO 8601 date', () => {
    const rows = [
      { bid: 1, ask: 2, at: 7 },
      { bid: 1, ask: 2, at: '1970-01-01T00:00:00.009Z' },
    ];
    expect(read(rows, { time: 'at' }).times).toEqual(Float64Array.of(7, 9));
  });

  test('a record with a field type as a record', () => {
    expect(read({ type: 'push', bid: 1, ask: 2 })).toMatchObject({ rows: 1, answered: false });
    expect(read({ type: 3, x: 4 }, { features: ['type', 'x'] })).toMatchObject({ data: Float64Array.of(3, 4) });
  });

  test('names that every object has as what the record itself holds', () => {
    const features = ['constructor', 'toString', 'hasOwnProperty'];
    expect(read('{"toString": 2}', { features }).data).toEqual(Float64Array.of(Number.NaN, 2, Number.NaN));
    expect(read('{"__proto__": {"bid": 9, "polluted": 1}, "ask": 2}').data).toEqual(Float64Array.of(Number.NaN, 2));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe('readJsonPush refuses', () => {
  const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

  test.each<[string, string, string, number | undefined]>([
    ['what is not JSON', '[1, 2', 'BAD_JSON', undefined],
    ['an empty message', '', 'BAD_JSON', undefined],
    ['a byte order mark', '\ufeff[1, 2]', 'BAD_JSON', undefined],
    ['NaN, which JSON has not', '[NaN, 2]', 'BAD_JSON', undefined],
    ['null', 'null', 'BAD_JSON', undefined],
    ['true', 'true', 'BAD_JSON', undefined],
    ['a text', '"1.5"', 'BAD_JSON', undefined],
    ['an empty array', '[]', 'BAD_JSON', undefined],
    ['arrays that are 3 deep', '[[[1, 2]]]', 'BAD_JSON', 0],
    ['arrays that are 1,000 deep', deep(1_000), 'BAD_JSON', 0],
    ['arrays that are 200,000 deep', deep(200_000), 'BAD_JSON', 0],
    ['a record of arrays that are 200,000 deep', `{"bid": ${deep(200_000)}}`, 'BAD_VALUE', 0],
    ['a row with too many values', '[1, 2, 3]', 'BAD_DIM', 0],
    ['a row with too few values', '[[1, 2], [3]]', 'BAD_DIM', 1],
    ['an empty row', '[[]]', 'BAD_DIM', 0],
    ['a number where there are two features', '1.5', 'BAD_DIM', 0],
    ['rows that are no rows', '[[1, 2], null]', 'BAD_DIM', 1],
    ['more rows than the limit', '[[1,2],[1,2],[1,2],[1,2]]', 'BAD_DIM', 3],
    ['a push without rows', '{"type":"push","x":[]}', 'BAD_DIM', undefined],
    ['a push of null', '{"type":"push","x":null}', 'BAD_JSON', undefined],
    ['a record with none of the features', '[{"bid":1,"ask":2},{"x":1}]', 'BAD_DIM', 1],
    ['an empty record', '{}', 'BAD_DIM', 0],
    ['a text for a number', '[[1, 2], ["1.5", 2]]', 'BAD_VALUE', 1],
    ['"NaN" for a number', '{"bid": "NaN"}', 'BAD_VALUE', 0],
    ['true for a number', '[true, 2]', 'BAD_VALUE', 0],
    ['a record for a number', '{"bid": {"$gt": 0}}', 'BAD_VALUE', 0],
    ['a producer that is no text', '{"type":"push","producer":1,"seq":1,"x":[1,2]}', 'BAD_VALUE', undefined],
    [
      'a producer with too long a name',
      `{"type":"push","producer":"${'p'.repeat(129)}","x":[1,2]}`,
      'BAD_VALUE',
      undefined,
    ],
    ['a seq that is not whole', '{"type":"push","producer":"p","seq":1.5,"x":[1,2]}', 'BAD_VALUE', undefined],
    ['a seq beyond 2^53', '{"type":"push","producer":"p","seq":9007199254740992,"x":[1,2]}', 'BAD_VALUE', undefined],
    ['an infinite time', '{"type":"push","t":1e309,"x":[1,2]}', 'BAD_VALUE', undefined],
    ['a text for a time', '{"type":"push","t":"now","x":[1,2]}', 'BAD_VALUE', undefined],
    ['other times than rows', '{"type":"push","t":[1,2],"x":[1,2]}', 'BAD_DIM', undefined],
    ['a time of a row that is null', '{"type":"push","t":[1,null],"x":[[1,2],[3,4]]}', 'BAD_VALUE', 1],
  ])('%s', (_, message, code, row) => {
    const fault = faultOf(() => read(message));
    expect(fault).toMatchObject({ code, row });
    expect(fault.message.length).toBeLessThan(300);
  });

  test('in words that name row, value and rule', () => {
    expect(
      faultOf(() =>
        read([
          [1, 2],
          [3, 4, 5],
        ]),
      ).message,
    ).toBe('row 1 has 3 values, the channel has 2 features');
    expect(
      faultOf(() =>
        read([
          [1, 2],
          ['1.5', 4],
        ]),
      ).message,
    ).toBe("bid of row 1 must be a number or null, got '1.5'");
    expect(faultOf(() => read({ x: 1 })).message).toBe("row 0 has none of the channel's features bid, ask");
  });

  test('a record whose time cannot be read, with its row', () => {
    const good = { bid: 1, ask: 2, at: 1 };
    for (const at of ['yesterday', null, true, undefined]) {
      expect(faultOf(() => read([good, { ...good, at }], { time: 'at' }))).toMatchObject({ code: 'BAD_VALUE', row: 1 });
    }
  });
});

describe('readBinaryPush', () => {
  const values = Float64Array.of(1, 2, 3, 4);
  const frame = { kind: 'push', dtype: 'f64', rows: 2, columns: 2, values, seq: 0, time: 5 } as const;

  test.each(['f32', 'f64'] as const)('reads %s at every byte offset', (dtype) => {
    const bytes = encodeFrame({ ...frame, dtype });
    for (let offset = 0; offset < 9; offset++) {
      const moved = new Uint8Array(bytes.length + offset);
      moved.set(bytes, offset);
      expect(readBinaryPush(moved.subarray(offset), FORM, NOW)).toEqual({
        ...none,
        ...{ data: values, rows: 2, times: Float64Array.of(5, 5) },
      });
    }
  });

  test('takes the times of the rows, and now for those that are unknown', () => {
    const times = Float64Array.of(7, Number.NaN);
    expect(readBinaryPush(encodeFrame({ ...frame, times }), FORM, NOW).times).toEqual(Float64Array.of(7, NOW));
    expect(readBinaryPush(encodeFrame({ ...frame, time: 0 }), FORM, NOW).times).toEqual(Float64Array.of(NOW, NOW));
    expect(readBinaryPush(encodeFrame({ ...frame, time: Number.NaN }), FORM, NOW).times[0]).toBe(NOW);
  });

  test.each<[string, (bytes: DataView) => void, string]>([
    ['another magic', (view) => view.setUint32(0, 1), 'BAD_FRAME'],
    ['an unknown kind', (view) => view.setUint8(4, 3), 'BAD_FRAME'],
    ['what a server sends', (view) => view.setUint8(4, 2), 'BAD_FRAME'],
    ['an unknown dtype', (view) => view.setUint8(5, 3), 'BAD_FRAME'],
    ['unknown flags', (view) => view.setUint8(6, 8), 'BAD_FRAME'],
    ['a header that is too short', (view) => view.setUint8(7, 4), 'BAD_FRAME'],
    ['a header that is longer than said', (view) => view.setUint8(7, 6), 'BAD_FRAME'],
    ['the reserved bytes in use', (view) => view.setUint32(8, 1), 'BAD_FRAME'],
    ['fewer rows than bytes', (view) => view.setUint32(12, 1, true), 'BAD_FRAME'],
    ['more rows than bytes', (view) => view.setUint32(12, 3, true), 'BAD_FRAME'],
    ['no rows', (view) => view.setUint32(12, 0, true), 'BAD_DIM'],
    ['more rows than the limit', (view) => view.setUint32(12, 4, true), 'BAD_DIM'],
    ['2^32 - 1 rows', (view) => view.setUint32(12, 0xffff_ffff, true), 'BAD_DIM'],
    ['no columns', (view) => view.setUint32(16, 0, true), 'BAD_DIM'],
    ['an infinite time', (view) => view.setFloat64(32, Infinity, true), 'BAD_FRAME'],
    ['a seq that is not whole', (view) => view.setFloat64(24, 0.5, true), 'BAD_FRAME'],
  ])('refuses %s', (_, damage, code) => {
    const bytes = encodeFrame(frame);
    damage(new DataView(bytes.buffer));
    expect(faultOf(() => readBinaryPush(bytes, FORM, NOW)).code).toBe(code);
  });

  test('refuses a frame cut short at any byte', () => {
    const bytes = encodeFrame(frame);
    for (let length = 0; length < bytes.length; length++) {
      expect(faultOf(() => readBinaryPush(bytes.subarray(0, length), FORM, NOW)).code).toBe('BAD_FRAME');
    }
  });

  test('refuses other columns than the channel has features', () => {
    const wide = encodeFrame({ ...frame, rows: 1, columns: 4 });
    expect(faultOf(() => readBinaryPush(wide, FORM, NOW))).toMatchObject({
      code: 'BAD_DIM',
      message: 'the frame has 4 columns, the channel has 2 features',
    });
  });
});
