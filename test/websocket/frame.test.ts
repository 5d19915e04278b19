import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamnormError } from '../../src/errors.ts';
import { decodeFrame, encodeFrame, type FrameInput, looksLikeFrame } from '../../src/websocket/frame.ts';

const PLAIN: FrameInput = {
  kind: 'next',
  dtype: 'f64',
  rows: 2,
  columns: 3,
  values: Float64Array.of(1, 2, 3, 4, 5, Number.NaN),
  seq: 1_201,
  time: 1_732_450_000_000.5,
};

describe('encodeFrame', () => {
  it('writes the documented layout, byte by byte', () => {
    const bytes = encodeFrame({
      kind: 'push',
      dtype: 'f32',
      rows: 1,
      columns: 2,
      values: Float32Array.of(1.5, -2),
      seq: 7,
      time: 8,
      times: Float64Array.of(9),
      flags: { conflated: true, replay: true },
      skipped: 37,
    });
    expect(
      Buffer.from(bytes)
        .toString('hex')
        .match(/.{1,8}/g),
    ).toEqual([
      '534e4d31', // 'SNM1'
      '01010705', // push, f32, conflated + row times + replay, 40 bytes
      '00000000',
      '01000000', // rows
      '02000000', // columns
      '25000000', // skipped
      ...['00000000', '00001c40'], // seq 7
      ...['00000000', '00002040'], // time 8
      ...['00000000', '00002240'], // row time 9
      '0000c03f', // 1.5
      '000000c0', // -2
    ]);
  });

  it('lets a reader take the values at byte 40 as one typed array', () => {
    expect(Array.from(new Float64Array(encodeFrame(PLAIN).buffer, 40))).toEqual(Array.from(PLAIN.values));
  });

  it.each<[string, object]>([
    ["encodeFrame requires kind 'push' or 'next', got pull", { kind: 'pull' }],
    ["encodeFrame requires dtype 'f32' or 'f64', got f16", { dtype: 'f16' }],
    ['encodeFrame requires rows to be an integer in [1, 2^32), got 0', { rows: 0 }],
    ['encodeFrame requires columns to be an integer in [1, 2^32), got 1.5', { columns: 1.5 }],
    ['encodeFrame requires skipped to be an integer in [0, 2^32), got -1', { skipped: -1 }],
    ['encodeFrame requires seq to be an integer >= 0, got -1', { seq: -1 }],
    ['encodeFrame requires time to be finite or NaN, got Infinity', { time: Number.POSITIVE_INFINITY }],
    ['encodeFrame requires values.length = rows × columns = 9, got 6', { rows: 3 }],
    ['encodeFrame requires times.length = rows = 2, got 1', { times: Float64Array.of(1) }],
    ['encodeFrame requires values to be a Float64Array or a Float32Array, got another object', { values: [1] }],
    ['encodeFrame requires flags to be an object, got 1', { flags: 1 }],
  ])('throws "%s"', (message, change) => {
    expect(() => encodeFrame({ ...PLAIN, ...change })).toThrow(message);
  });
});

describe('decodeFrame', () => {
  it('gives back whatever was encoded, f32 rounded to 24 bits', () => {
    fc.assert(
      fc.property(frames(), (frame) => {
        const back = decodeFrame(encodeFrame(frame));
        const { values, flags, times, ...rest } = frame;
        expect(back).toMatchObject(rest);
        expect(back.flags).toEqual({ conflated: flags?.conflated ?? false, replay: flags?.replay ?? false });
        expect(back.times).toEqual(times);
        expect(back.values).toEqual(frame.dtype === 'f32' ? Float64Array.from(values, Math.fround) : values);
      }),
    );
  });

  it.each([1, 2, 3, 4, 5, 6, 7])('reads a frame that begins at odd offset %i of its buffer', (offset) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const bytes = encodeFrame({ ...PLAIN, dtype, times: Float64Array.of(10, 20) });
      const moved = new Uint8Array(bytes.length + 16).subarray(offset, offset + bytes.length);
      moved.set(bytes);
      expect(decodeFrame(moved)).toEqual(decodeFrame(bytes));
      expect(decodeFrame(moved).values).toEqual(PLAIN.values);
    }
  });

  it('owns its values: later changes of the buffer do not show, not even of a Node Buffer', () => {
    const bytes = Buffer.from(encodeFrame(PLAIN));
    const { values } = decodeFrame(bytes);
    bytes.fill(0);
    expect(values).toEqual(PLAIN.values);
  });

  it('skips what a longer header has that is not known', () => {
    const bytes = encodeFrame(PLAIN);
    const longer = new Uint8Array(bytes.length + 16).fill(0xff);
    longer.set(bytes.subarray(0, 40));
    longer[7] = 7;
    longer.set(bytes.subarray(40), 56);
    expect(decodeFrame(longer)).toEqual(decodeFrame(bytes));
  });

  it('takes a time that is not known as NaN', () => {
    expect(decodeFrame(encodeFrame({ ...PLAIN, time: Number.NaN })).time).toBeNaN();
  });

  it.each<[string, (view: DataView) => void]>([
    ["frame requires magic to be 'SNM1' (0x314d4e53), got 0x324d4e53", (view) => view.setUint8(3, 0x32)],
    ['frame requires kind to be 1 (push) or 2 (next), got 3', (view) => view.setUint8(4, 3)],
    ['frame requires dtype to be 1 (f32) or 2 (f64), got 0', (view) => view.setUint8(5, 0)],
    [
      'frame requires flags to be a sum of 1 (conflated), 2 (row times) and 4 (replay), got 8',
      (view) => view.setUint8(6, 8),
    ],
    ['frame requires header length / 8 >= 5, got 4', (view) => view.setUint8(7, 4)],
    ['frame requires length = 96 bytes for 2 rows × 3 columns, got 88', (view) => view.setUint8(7, 6)],
    ['frame requires the reserved bytes 8 to 11 to be 0, got 1', (view) => view.setUint32(8, 1, true)],
    ['frame requires length = 112 bytes for 3 rows × 3 columns, got 88', (view) => view.setUint32(12, 3, true)],
    ['frame requires length = 72 bytes for 2 rows × 2 columns, got 88', (view) => view.setUint32(16, 2, true)],
    ['frame requires length = 104 bytes for 2 rows × 3 columns, got 88', (view) => view.setUint8(6, 2)],
    ['frame requires seq to be an integer >= 0, got -1', (view) => view.setFloat64(24, -1, true)],
    ['frame requires seq to be an integer >= 0, got NaN', (view) => view.setFloat64(24, Number.NaN, true)],
    ['frame requires seq to be an integer >= 0, got 0.5', (view) => view.setFloat64(24, 0.5, true)],
    ['frame requires time to be finite or NaN, got -Infinity', (view) => view.setFloat64(32, -Infinity, true)],
  ])('throws BAD_FRAME "%s"', (message, change) => {
    const bytes = encodeFrame(PLAIN);
    change(new DataView(bytes.buffer));
    expectRefused(bytes, 'BAD_FRAME', message);
  });

  it('throws BAD_FRAME for an infinite row time, with its row', () => {
    const bytes = encodeFrame({ ...PLAIN, times: Float64Array.of(1, 2) });
    new DataView(bytes.buffer).setFloat64(48, Infinity, true);
    expect(expectRefused(bytes, 'BAD_FRAME', 'frame requires row times to be finite or NaN, got Infinity').row).toBe(1);
  });

  it('throws BAD_DIM for no rows, no columns, or more than the limits', () => {
    const changed = (at: number, value: number) => {
      const bytes = encodeFrame(PLAIN);
      new DataView(bytes.buffer).setUint32(at, value, true);
      return bytes;
    };
    expectRefused(changed(12, 0), 'BAD_DIM', 'frame requires rows in [1, 10000], got 0');
    expectRefused(changed(12, 0xffffffff), 'BAD_DIM', 'frame requires rows in [1, 10000], got 4294967295');
    expectRefused(changed(16, 0), 'BAD_DIM', 'frame requires columns in [1, 4096], got 0');
    expectRefused(changed(16, 4_097), 'BAD_DIM', 'frame requires columns in [1, 4096], got 4097');
    expect(() => decodeFrame(encodeFrame(PLAIN), { maxRows: 1 })).toThrow('frame requires rows in [1, 1], got 2');
    expect(() => decodeFrame(encodeFrame(PLAIN), { maxColumns: 2 })).toThrow('frame requires columns in [1, 2], got 3');
  });

  it('throws BAD_FRAME for every frame cut short or too long', () => {
    const bytes = encodeFrame({ ...PLAIN, times: Float64Array.of(1, 2) });
    for (let length = 0; length < bytes.length; length++)
      expectRefused(bytes.subarray(0, length), 'BAD_FRAME', 'length');
    expectRefused(Uint8Array.of(...bytes, 0), 'BAD_FRAME', 'got 105');
  });

  it('either reads or throws StreamnormError, whatever the bytes', () => {
    const bytes = encodeFrame(PLAIN);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(39), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const broken = bytes.slice();
        for (const [at, value] of changes) broken[at] = value;
        try {
          const { values, rows, columns } = decodeFrame(broken);
          expect(values.length).toBe(rows * columns);
        } catch (error) {
          expect(error).toBeInstanceOf(StreamnormError);
        }
      }),
    );
  });
});

describe('looksLikeFrame', () => {
  it('tells frames from other bytes by the magic', () => {
    expect(looksLikeFrame(encodeFrame(PLAIN))).toBe(true);
    expect(looksLikeFrame(new TextEncoder().encode('SNM2'))).toBe(false);
    expect(looksLikeFrame(new TextEncoder().encode('SNM'))).toBe(false);
  });
});

function expectRefused(bytes: Uint8Array, code: string, message: string): StreamnormError {
  try {
    decodeFrame(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(StreamnormError);
    expect((error as StreamnormError).code).toBe(code);
    expect((error as StreamnormError).message).toContain(message);
    return error as StreamnormError;
  }
  throw new Error(`decodeFrame accepted what ${message} forbids`);
}

function frames(): fc.Arbitrary<FrameInput> {
  return fc
    .record({ rows: fc.integer({ min: 1, max: 20 }), columns: fc.integer({ min: 1, max: 9 }) })
    .chain(({ rows, columns }) =>
      fc.record({
        kind: fc.constantFrom('push' as const, 'next' as const),
        dtype: fc.constantFrom('f32' as const, 'f64' as const),
        rows: fc.constant(rows),
        columns: fc.constant(columns),
        values: fc.float64Array({ minLength: rows * columns, maxLength: rows * columns }),
        seq: fc.maxSafeNat(),
        time: fc.double({ noDefaultInfinity: true }),
        times: fc.option(fc.float64Array({ minLength: rows, maxLength: rows, noDefaultInfinity: true }), {
          nil: undefined,
        }),
        flags: fc.record({ conflated: fc.boolean(), replay: fc.boolean() }, { requiredKeys: [] }),
        skipped: fc.nat(2 ** 31 - 1),
      }),
    );
}
