/**
 * Exact statistics of float64 values, in integers: every finite float64 is an integer times 2^-1074, so sums and squares
 * of them have no rounding at all. The results are rounded once, to the nearest float64, ties to even.
 */
export interface Fraction {
  readonly numerator: bigint;
  /** > 0 */
  readonly denominator: bigint;
}

const SMALLEST = 1074n;
const bits = new DataView(new ArrayBuffer(8));

/** `x` as an integer number of 2^-1074. */
function units(x: number): bigint {
  if (!Number.isFinite(x)) throw new RangeError(`only finite numbers are exact, got ${x}`);
  bits.setFloat64(0, x);
  const raw = bits.getBigUint64(0);
  const exponent = (raw >> 52n) & 0x7ffn;
  const fraction = raw & 0xfffffffffffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | 0x10000000000000n) << (exponent - 1n);
  return x < 0 ? -magnitude : magnitude;
}

/** Σx / n */
export function exactMean(values: readonly number[]): Fraction {
  return { numerator: sum(values.map(units)), denominator: BigInt(values.length) << SMALLEST };
}

/** Σ(x - mean)² / n, or / (n - 1) with `freedom` 1. */
export function exactVariance(values: readonly number[], freedom: 0 | 1 = 0): Fraction {
  const n = BigInt(values.length);
  const whole = values.map(units);
  const total = sum(whole);
  const squares = sum(whole.map((x) => x * x));
  return { numerator: n * squares - total * total, denominator: (n * (n - BigInt(freedom))) << (2n * SMALLEST) };
}

/** Σw·x / Σw and Σw·(x - mean)² / Σw, for whole weights. */
export function exactWeighted(
  values: readonly number[],
  weights: readonly bigint[],
): { mean: Fraction; variance: Fraction } {
  const weight = sum(weights);
  const whole = values.map(units);
  const total = sum(whole.map((x, i) => x * weights[i]));
  const squares = sum(whole.map((x, i) => x * x * weights[i]));
  return {
    mean: { numerator: total, denominator: weight << SMALLEST },
    variance: { numerator: weight * squares - total * total, denominator: (weight * weight) << (2n * SMALLEST) },
  };
}

/** The float64 nearest to the fraction. */
export function rounded({ numerator, denominator }: Fraction): number {
  if (numerator === 0n) return 0;
  const magnitude = numerator < 0n ? -numerator : numerator;
  // so many bits after the point that the quotient has 54 or more of them, or ends below the smallest float64
  const wanted = 55 - (bitLength(magnitude) - bitLength(denominator));
  const shift = BigInt(Math.min(wanted, 1076));
  let quotient = shift >= 0n ? (magnitude << shift) / denominator : magnitude / (denominator << -shift);
  const exact =
    shift >= 0n ? quotient * denominator === magnitude << shift : quotient * (denominator << -shift) === magnitude;
  // a sticky last bit keeps what was cut off from looking like a tie
  quotient = (quotient << 1n) | (exact ? 0n : 1n);
  let exponent = -Number(shift) - 1;
  const excess = Math.max(bitLength(quotient) - 53, -1074 - exponent);
  if (excess > 0) {
    const cut = BigInt(excess);
    const rest = quotient & ((1n << cut) - 1n);
    const half = 1n << (cut - 1n);
    quotient >>= cut;
    if (rest > half || (rest === half && (quotient & 1n) === 1n)) quotient++;
    exponent += excess;
  }
  const value = timesPowerOfTwo(Number(quotient), exponent);
  return numerator < 0n ? -value : value;
}

/** How many steps between neighbouring float64 lie between two numbers; 0 and -0 are the same. */
export function ulpDistance(a: number, b: number): number {
  if (Object.is(a, b)) return 0;
  const distance = Number(ordinal(a) - ordinal(b));
  return Number.isNaN(a) || Number.isNaN(b) ? Number.POSITIVE_INFINITY : Math.abs(distance);
}

function ordinal(x: number): bigint {
  bits.setFloat64(0, Math.abs(x));
  const magnitude = bits.getBigUint64(0);
  return x < 0 ? -magnitude : magnitude;
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}

function bitLength(n: bigint): number {
  return n.toString(2).length;
}

/** In two steps, since 2^-1074 · 2^52 and its like leave the range of a single power. */
function timesPowerOfTwo(x: number, exponent: number): number {
  const half = Math.trunc(exponent / 2);
  return x * 2 ** half * 2 ** (exponent - half);
}
