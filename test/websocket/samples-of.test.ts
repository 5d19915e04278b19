import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '../../src/websocket/frame.ts';
import { samplesOf } from '../../src/websocket/samples-of.ts';

describe('samplesOf', () => {
  it.each<[string, string, unknown[]]>([
    ['a number as one sample', '1.5', [1.5]],
    ['an array of numbers as one row', '[1.5, 2]', [[1.5, 2]]],
    ['null in a row as NaN', '[null, 2]', [[Number.NaN, 2]]],
    [
      'an array of arrays as one row each',
      '[[1, 2], [null, 4]]',
      [
        [1, 2],
        [Number.NaN, 4],
      ],
    ],
    ['a record as it is', '{"bid": null, "type": "trade"}', [{ bid: null, type: 'trade' }]],
    ['an array of records as one sample each', '[{"a": 1}, {"a": 2}]', [{ a: 1 }, { a: 2 }]],
    ['the z rows of next', '{"type": "next", "seq": 3, "t": [1], "z": [[0.5], [null]]}', [[0.5], [Number.NaN]]],
    ['the x rows of push', '{"type": "push", "x": [{"a": 1}]}', [{ a: 1 }]],
    ['nothing in a snapshot', '{"type": "snapshot", "last": {"z": [1]}}', []],
    ['nothing in a heartbeat', '{"type": "heartbeat", "seq": 1}', []],
    ['nothing in a gap', '{"type": "gap", "from": 1}', []],
    ['nothing in accepted', '{"type": "accepted", "seq": 1}', []],
    ['nothing in an error', '{"type": "error", "code": "BAD_DIM"}', []],
    ['nothing in a drift', '{"type": "drift", "seq": 1}', []],
    ['nothing in a bye', '{"type": "bye", "code": 1012}', []],
    ['a record whose type is no string', '{"type": 3, "a": 1}', [{ type: 3, a: 1 }]],
  ])('reads %s', (_, text, samples) => {
    expect(samplesOf(JSON.parse(text))).toEqual(samples);
  });

  it('reads the rows of a frame', () => {
    const values = Float64Array.of(1, Number.NaN, 3, 4);
    const bytes = encodeFrame({ kind: 'next', dtype: 'f64', rows: 2, columns: 2, values, seq: 0, time: 0 });
    expect(samplesOf(bytes, decodeFrame(bytes))).toEqual([
      [1, Number.NaN],
      [3, 4],
    ]);
  });

  it.each<[string, string, string]>([
    ['BAD_JSON', 'null', 'the message must be a number, an array or a record, got null'],
    ['BAD_JSON', '[]', 'the message must be a number, an array or a record, got an empty array'],
    ['BAD_JSON', '"1.5"', 'the message must be a number, an array or a record, got a string'],
    ['BAD_JSON', 'true', 'the message must be a number, an array or a record, got true'],
    ['BAD_JSON', '[[1], 2]', 'row 1 must be a row like row 0, got 2'],
    ['BAD_JSON', '[{"a": 1}, null]', 'row 1 must be a record like row 0, got null'],
    ['BAD_JSON', '{"type": "next"}', 'z must be an array of rows, got undefined'],
    ['BAD_VALUE', '[[1], ["2"]]', 'row 1 requires numbers or null, got a string at 0'],
    ['BAD_VALUE', '[1, [2]]', 'row 0 requires numbers or null, got an array at 1'],
  ])('throws %s for %s', (code, text, message) => {
    expect(() => samplesOf(JSON.parse(text))).toThrow(expect.objectContaining({ code, message }));
  });

  it('throws BAD_FRAME for bytes that are no frame', () => {
    expect(() => samplesOf(new Uint8Array(3))).toThrow(expect.objectContaining({ code: 'BAD_FRAME' }));
  });

  it('refuses 200,000 nested arrays without deep recursion', () => {
    const deep = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000));
    expect(() => samplesOf(deep)).toThrow(expect.objectContaining({ code: 'BAD_VALUE' }));
  });
});
