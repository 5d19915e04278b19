/**
 * The shortest decimal that reads back to the same float64, as bytes: what `String(x)` gives, several times faster.
 *
 * Idea: for 1e-5 <= x < 1e14 the scaled value V = x·10^k with 17 digits before its point is the exact sum of two doubles
 * (T. J. Dekker's product, 1971; 10^k is exact up to 10^22), and so is the half gap to the neighbours of x. Hence it can
 * be asked exactly whether the nearest multiple of 1, 10 or 100 still lies in the rounding interval of x. Everything
 * else is left to `String`: ties, borders of the interval, powers of two (their gaps differ), and fewer than 15 digits,
 * which are rare among computed values.
 *
 * Not done: Ryu or Grisu, whose 128-bit products are slow in JavaScript.
 * Gain: a value takes 0.3 of the time of `String`, and values are most of what `pipe` writes.
 */

const DOT = 46;
const MINUS = 45;
const ZERO = 48;
/** '0.' */
const ZERO_DOT = 0x302e;

const SMALLEST = 1e-5;
const LARGEST = 1e14;
/** Digits before the point of these; for 0.00001 the point is four places before the first digit. */
const FIRST_WHOLE = -4;
const LAST_WHOLE = 14;
/** Bytes that one number can take. */
export const MAX_NUMBER_BYTES = 32;

/** Veltkamp's constant 2^27 + 1: splits 53 bits into two halves whose products are exact. */
const SPLITTER = 134_217_729;
const POWER = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));
const POWER_HIGH = POWER.map((p) => SPLITTER * p - (SPLITTER * p - p));
const POWER_LOW = POWER.map((p, k) => p - POWER_HIGH[k]);
/** By the biased exponent of a float64: half the gap between neighbours. */
const HALF_GAP = Float64Array.from({ length: 2047 }, (_, biased) => 2 ** (biased - 1076));
/** The four digits of 0 to 9999, as the bytes of an integer: they are written at once. */
const FOUR_DIGITS = Uint32Array.from({ length: 10_000 }, (_, n) => {
  const digit = (place: number) => ZERO + (Math.trunc(n / place) % 10);
  return ((digit(1000) << 24) | (digit(100) << 16) | (digit(10) << 8) | digit(1)) >>> 0;
});

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const HIGH_WORD = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

/** By the biased exponent: digits before the point of the smallest number that has it; not positive below 0.1. */
const WHOLE = Int8Array.from({ length: 2047 }, (_, biased) => {
  const smallest = 2 ** (biased - 1023);
  let whole = FIRST_WHOLE;
  while (whole < LAST_WHOLE && smallest >= 10 ** whole) whole++;
  return whole;
});
/** From `FIRST_WHOLE` on: the number that needs one digit more before its point. */
const NEXT_WHOLE = Float64Array.from({ length: LAST_WHOLE - FIRST_WHOLE + 1 }, (_, i) =>
  Number(`1e${i + FIRST_WHOLE}`),
);

/** Writes `values[index]` to `out` from `at`, which needs `MAX_NUMBER_BYTES`; returns where it ended. */
export function writeNumber(values: Float64Array, index: number, out: DataView, at: number): number {
  const x = values[index];
  const size = Math.abs(x);
  if (!(size >= SMALLEST && size < LARGEST)) return writeText(String(x), out, at);
  double[0] = x;
  const signedHigh = words[HIGH_WORD];
  const high = signedHigh & 0x7fffffff;
  if (words[1 - HIGH_WORD] === 0 && (high & 0xfffff) === 0) return writeText(String(x), out, at);

  // sums of comparisons instead of branches from here on: which way they go is random, and a wrong guess costs most
  const biased = high >>> 20;
  const least = WHOLE[biased];
  const whole = least + Number(size >= NEXT_WHOLE[least - FIRST_WHOLE]);
  const k = 17 - whole;

  // V = first + rest, exactly
  const power = POWER[k];
  const powerHigh = POWER_HIGH[k];
  const powerLow = POWER_LOW[k];
  const first = size * power;
  const scaled = SPLITTER * size;
  const sizeHigh = scaled - (scaled - size);
  const sizeLow = size - sizeHigh;
  const rest = sizeHigh * powerHigh - first + sizeHigh * powerLow + sizeLow * powerHigh + sizeLow * powerLow;
  const half = HALF_GAP[biased] * power;

  // V = upper·1e8 + lower + fraction, exactly
  let upper = (first * 1e-8) | 0;
  const restWhole = Math.floor(rest);
  const fraction = rest - restWhole;
  let lower = (first - upper * 1e8 + restWhole) | 0;
  if (lower < 0) {
    lower = (lower + 100_000_000) | 0;
    upper = (upper - 1) | 0;
  } else if (lower >= 100_000_000) {
    lower = (lower - 100_000_000) | 0;
    upper = (upper + 1) | 0;
  }

  // distances to the nearest multiples, and whether those still are x
  const to10 = 5 - Math.abs((lower % 10) + fraction - 5);
  const to100 = 50 - Math.abs((lower % 100) + fraction - 50);
  const to1000 = 500 - Math.abs((lower % 1000) + fraction - 500);
  const undecided = to10 === half || to10 === 5 || to100 === half || fraction === 0.5;
  if (undecided || to1000 <= half || upper < 100_000_000 || upper >= 1_000_000_000) {
    return writeText(String(x), out, at);
  }
  const is16 = Number(to10 < half);
  const is15 = Number(to100 < half);
  const nearest = (lower + fraction + 0.5) | 0;
  const nearest10 = Math.imul(((lower + 5) / 10) | 0, 10);
  const nearest100 = Math.imul(((lower + 50) / 100) | 0, 100);
  lower = (nearest + Math.imul(is16, nearest10 - nearest) + Math.imul(is15, nearest100 - nearest10)) | 0;
  const digits = 17 - is16 - is15;

  out.setUint8(at, MINUS);
  const to = at + (signedHigh >>> 31);
  if (whole <= 0) {
    out.setUint16(to, ZERO_DOT);
    let zero = to + 2;
    for (let zeros = whole; zeros < 0; zeros++) out.setUint8(zero++, ZERO);
    writeDigits(upper, lower, out, zero);
    return zero + digits;
  }
  writeDigits(upper, lower, out, to + 1);
  for (let i = 0; i < whole; i++) out.setUint8(to + i, out.getUint8(to + i + 1));
  out.setUint8(to + whole, DOT);
  return to + digits + 1;
}

/** Nine digits and eight. */
function writeDigits(upper: number, lower: number, out: DataView, at: number): void {
  const leading = (upper / 100_000_000) | 0;
  const next = (upper - leading * 100_000_000) | 0;
  const next4 = (next / 10_000) | 0;
  const lower4 = (lower / 10_000) | 0;
  out.setUint8(at, ZERO + leading);
  out.setUint32(at + 1, FOUR_DIGITS[next4]);
  out.setUint32(at + 5, FOUR_DIGITS[(next - next4 * 10_000) | 0]);
  out.setUint32(at + 9, FOUR_DIGITS[lower4]);
  out.setUint32(at + 13, FOUR_DIGITS[(lower - lower4 * 10_000) | 0]);
}

/** Writes text of one-byte characters. */
export function writeText(text: string, out: DataView, at: number): number {
  for (let i = 0; i < text.length; i++) out.setUint8(at + i, text.charCodeAt(i));
  return at + text.length;
}
