import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FLAG } from '../../src/core/flags.ts';
import { Block } from '../../src/server/block.ts';
import { rounded } from '../../src/server/rounded.ts';
import { decodeFrame } from '../../src/websocket/frame.ts';
import { blockOf, blockWith, JSON_VIEW, payloadOf, REPORT, viewOf } from './blocks.ts';

const textOf = (block: Block, query: string, ...more: [number?, boolean?]) =>
  payloadOf(block.encode(viewOf(query), ...more)).toString();

test('a block in JSON is seq, a time a row, and z', () => {
  expect(textOf(blockOf(11, 2), '')).toBe('{"type":"next","seq":11,"t":[1000,1001],"z":[[1.1],[1.2]]}');
});

test('a block holds what is asked for, and says what was skipped', () => {
  const content = { ...blockOf(11, 2).content, flags: Uint16Array.of(0, FLAG.missing | FLAG.clipped) };
  const block = new Block(11, content, () => REPORT);
  expect(JSON.parse(textOf(block, 'include=z,raw,stats,flags', 7))).toEqual({
    ...{ type: 'next', seq: 11, t: [1_000, 1_001], z: [[1.1], [1.2]], raw: [[11], [12]] },
    ...{ flags: [[], ['missing', 'clipped']], stats: { ...REPORT, time: 1_001 }, skipped: 7 },
  });
  expect(Object.keys(JSON.parse(textOf(block, 'include=raw')))).toEqual(['type', 'seq', 't', 'raw']);
});

describe('a number of z in JSON', () => {
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

  test('has 7 significant digits: those of toPrecision, or its neighbour in a tie', () => {
    fc.assert(
      fc.property(finite, (x) => {
        const size = Math.abs(x);
        fc.pre(size >= 1e-15 && size < 1e15);
        const y = rounded(x);
        expect(Number(y.toPrecision(7))).toBe(y);
        // half a unit of the seventh digit, and the rounding of float64
        expect(Math.abs(y - x)).toBeLessThanOrEqual(size * (5e-7 + 1e-15));
        expect(
          String(y)
            .replace(/^-?0?\.?0*|[.-]|e.*$/g, '')
            .replace(/0+$/, '').length,
        ).toBeLessThanOrEqual(7);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is written as the engine would write it, in whatever range', () => {
    const edges = Array.from({ length: 40 }, (_, n) => 10 ** (n - 20)).flatMap((x) => [
      x,
      x * (1 - 1e-16),
      x * 0.99999995,
    ]);
    const any = fc.oneof(finite, fc.double({ min: -10, max: 10, noNaN: true }), fc.constantFrom(...edges));
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 50 }), (values) => {
        const z = (text: string) => text.slice(text.indexOf('"z":') + 4, -1);
        const written = z(textOf(blockWith(1, 1, Float64Array.from(values)), ''));
        expect(JSON.parse(written).flat()).toEqual(values.map((x) => rounded(x) + 0));
        // no digit more: the engine writes the shortest text
        expect(written.length).toBeLessThanOrEqual(
          JSON.stringify(values.map((x) => [rounded(x)])).length + values.length,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test('stays as it is beyond the range of rounding, and where it is short already', () => {
    for (const x of [0, 1e-300, 5e-324, -1e15, 1.7976931348623157e308, 1, 0.1, 0.3, 1e-7, 123_456.7]) {
      expect(rounded(x)).toBe(x);
    }
    expect(rounded(0.1 + 0.2)).toBe(0.3);
    expect(rounded(-1.069043440445873)).toBe(-1.069043);
    expect(rounded(99_999_999)).toBe(100_000_000);
  });

  test('reads back to the same float64 with digits=17', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 20 }), (values) => {
        const { z } = JSON.parse(textOf(blockWith(1, 1, Float64Array.from(values)), 'digits=17'));
        // JSON has one zero
        expect(z.flat()).toEqual(values.map((x) => x + 0));
      }),
    );
  });
});

test('JSON never holds Infinity or NaN, whatever the numbers are', () => {
  const any = fc.double();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(any, any), { minLength: 1, maxLength: 20 }),
      fc.constantFrom('7', '17'),
      (rows, digits) => {
        const block = blockWith(1, 2, Float64Array.from(rows.flat()));
        const text = textOf(block, `include=z,raw,stats,flags&digits=${digits}`);
        expect(text).not.toMatch(/Infinity|NaN/);
        const { z, raw } = JSON.parse(text);
        for (const matrix of [z, raw]) {
          expect(matrix.map((row: unknown[]) => row.map((x) => x === null))).toEqual(
            rows.map((row) => row.map((x) => !Number.isFinite(x))),
          );
        }
      },
    ),
  );
});

describe('a binary block', () => {
  test('holds float64 bit for bit, and its row times', () => {
    const values = Float64Array.of(1 / 3, -0, 5e-324, Number.NaN, 1.7976931348623157e308, 2 ** 53);
    expect(decodeFrame(payloadOf(blockWith(7, 2, values).encode(viewOf('format=f64'))))).toMatchObject({
      ...{ kind: 'next', dtype: 'f64', seq: 7, time: 1_000, rows: 3, columns: 2, skipped: 0 },
      ...{ values, times: Float64Array.of(1_000, 1_001, 1_002), flags: { conflated: false, replay: false } },
    });
  });

  test('of one row has its time in the header alone', () => {
    expect(decodeFrame(payloadOf(blockOf(7, 1).encode(viewOf('format=f64'))))).toMatchObject({
      time: 1_000,
      times: undefined,
    });
  });

  test('has NaN for what float32 cannot hold, never Infinity', () => {
    const values = Float64Array.of(1e39, -1e39, Infinity, -Infinity, Number.NaN, 1e-50, 1.5);
    const read = (query: string) =>
      Array.from(decodeFrame(payloadOf(blockWith(1, 1, values).encode(viewOf(query)))).values);
    expect(read('format=f32')).toEqual([NaN, NaN, NaN, NaN, NaN, 0, 1.5]);
    expect(read('format=f64')).toEqual([1e39, -1e39, NaN, NaN, NaN, 1e-50, 1.5]);
  });

  test('says that it is conflated or a replay', () => {
    const read = (skipped: number, replay: boolean) =>
      decodeFrame(payloadOf(blockOf(1, 1).encode(viewOf('format=f32'), skipped, replay)));
    expect(read(5, false)).toMatchObject({ skipped: 5, flags: { conflated: true, replay: false } });
    expect(read(0, true)).toMatchObject({ skipped: 0, flags: { conflated: false, replay: true } });
    expect(read(2 ** 33, false).skipped).toBe(0xffff_ffff);
  });

  test('holds raw when that is asked for', () => {
    expect(decodeFrame(payloadOf(blockOf(3, 1).encode(viewOf('format=f64&include=raw')))).values).toEqual(
      Float64Array.of(3),
    );
  });
});

describe('a block is encoded once', () => {
  test('for all who see it the same way', () => {
    const block = blockOf(1, 3);
    for (const query of ['', 'digits=17', 'include=z,raw', 'format=f32', 'format=f64', 'format=f64&include=raw']) {
      expect(block.encode(viewOf(query))).toBe(block.encode(viewOf(query)));
    }
    expect(block.encode(viewOf('include=raw,z'))).toBe(block.encode(viewOf('include=z,raw')));
    expect(block.encode(viewOf(''), 0, true)).toBe(block.encode(viewOf('')));
    expect(block.encode(viewOf('digits=17'))).not.toBe(block.encode(viewOf('')));
    expect(block.encode(viewOf('include=raw'))).not.toBe(block.encode(viewOf('')));
  });

  test('but not shared where it says what one reader missed', () => {
    const block = blockOf(1, 1);
    const shared = block.encode(JSON_VIEW);
    expect(JSON.parse(payloadOf(block.encode(JSON_VIEW, 3)).toString()).skipped).toBe(3);
    expect(block.encode(JSON_VIEW)).toBe(shared);
    const frame = block.encode(viewOf('format=f32'));
    expect(decodeFrame(payloadOf(block.encode(viewOf('format=f32'), 0, true))).flags.replay).toBe(true);
    expect(block.encode(viewOf('format=f32'))).toBe(frame);
  });
});

test('a block makes its statistics when they are asked for, once, and not for those who do not', () => {
  let made = 0;
  const block = blockWith(1, 1, Float64Array.of(1, 2), undefined, () => {
    made++;
    return REPORT;
  });
  textOf(block, 'include=z,raw,flags');
  block.encode(viewOf('format=f32'));
  expect(made).toBe(0);
  textOf(block, 'include=stats');
  textOf(block.from(2), 'include=z,stats');
  expect(made).toBe(1);
});
