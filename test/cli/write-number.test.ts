import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_NUMBER_BYTES, writeNumber } from '../../src/cli/write-number.ts';

const out = Buffer.alloc(MAX_NUMBER_BYTES + 8);
const view = new DataView(out.buffer, out.byteOffset, out.length);
const value = new Float64Array(1);
const bits = new BigInt64Array(value.buffer);

function written(x: number): string {
  value[0] = x;
  return out.toString('latin1', 3, writeNumber(value, 0, view, 3));
}

test.each([
  0,
  -0,
  1,
  -1,
  0.1,
  0.5,
  12.25,
  1 / 3,
  -1.0690434404458737,
  1e-5,
  9.999999999999999e-6,
  1e14,
  99999999999999.98,
  1e21,
  5e-324,
  1.7976931348623157e308,
])('writeNumber writes %d as String does', (x) => {
  expect(written(x)).toBe(String(x));
});

test('writeNumber writes every float64 as String does', () => {
  const any = fc.double({ noNaN: true, noDefaultInfinity: true });
  const usual = fc.double({ min: -100, max: 100, noNaN: true });
  const short = fc
    .tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: -12, max: 8 }))
    .map(([n, e]) => n * 10 ** e);
  fc.assert(
    fc.property(fc.oneof(any, usual, short), (x) => {
      expect(written(x)).toBe(String(x));
    }),
    { numRuns: 20_000 },
  );
});

test('writeNumber is right on both sides of powers of two and of ten', () => {
  for (const start of Array.from({ length: 70 }, (_, i) => [2 ** (i - 20), Number(`1e${i - 20}`)]).flat()) {
    for (let step = -20n; step <= 20n; step++) {
      value[0] = start;
      bits[0] += step;
      const x = value[0];
      expect(written(x)).toBe(String(x));
      expect(written(-5 * x)).toBe(String(-5 * x));
    }
  }
});

test('writeNumber is right for numbers of 14 to 17 digits, the borders of the fast path', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1e15, noNaN: true }), fc.integer({ min: 13, max: 17 }), (x, digits) => {
      const rounded = Number(x.toPrecision(digits));
      expect(written(rounded)).toBe(String(rounded));
    }),
    { numRuns: 20_000 },
  );
});
