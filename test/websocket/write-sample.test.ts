import { describe, expect, it } from 'vitest';
import { decodeFrame } from '../../src/websocket/frame.ts';
import { rowsIn, writeSample } from '../../src/websocket/write-sample.ts';

describe('writeSample', () => {
  it.each<[unknown, string]>([
    [1.5, '1.5'],
    [Number.NaN, '[null]'],
    [[1, Number.NaN, Infinity], '[1,null,null]'],
    [Float64Array.of(1, Number.NaN), '[1,null]'],
    [[[1], [2]], '[[1],[2]]'],
    [[Float32Array.of(1.5), Float32Array.of(Number.NaN)], '[[1.5],[null]]'],
    [{ bid: 1.5, ask: Number.NaN }, '{"bid":1.5,"ask":null}'],
  ])('writes %o as JSON %s', (sample, text) => {
    expect(writeSample('json', sample, 0, 0)).toBe(text);
  });

  it.each<[string, unknown]>([
    ['undefined has no JSON form', undefined],
    ['null has no JSON form', null],
    ['BigInt', [1n]],
  ])('throws "%s" for what JSON cannot hold', (message, sample) => {
    expect(() => writeSample('json', sample, 0, 0)).toThrow(message);
  });

  it.each<[unknown, number, number, number[]]>([
    [1.5, 1, 1, [1.5]],
    [[1, null, undefined], 1, 3, [1, Number.NaN, Number.NaN]],
    [Float32Array.of(1, 2), 1, 2, [1, 2]],
    [[[1, 2], Float64Array.of(3, Number.NaN)], 2, 2, [1, 2, 3, Number.NaN]],
  ])('writes %o as a push frame of %i × %i values', (sample, rows, columns, values) => {
    const frame = decodeFrame(writeSample('f64', sample, 7, 1_000) as Uint8Array);
    expect(frame).toMatchObject({ kind: 'push', dtype: 'f64', rows, columns, seq: 7, time: 1_000 });
    expect(Array.from(frame.values)).toEqual(values);
    expect(rowsIn(sample)).toBe(rows);
  });

  it.each<[string, string, unknown]>([
    ['BAD_DIM', 'the sample has no values', []],
    ['BAD_DIM', 'row 1 must be 2 values like row 0', [[1, 2], [3]]],
    ['BAD_VALUE', 'row 0 requires numbers or null, got a string', ['1']],
    ['BAD_VALUE', "format 'f32' writes numbers, arrays and arrays of arrays, got object", { a: 1 }],
  ])('throws %s "%s"', (code, message, sample) => {
    expect(() => writeSample('f32', sample, 0, 0)).toThrow(expect.objectContaining({ code, message }));
  });
});
