/** The exact powers of ten: one division of two exact numbers is rounded once, so it is the correct result. */
export const POWER = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const MISSING = /^(?:|[+-]?nan|null|na)$/i;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;

/**
 * Reads the decimal number that fills a field, as `Number` does; spaces and tabs around it do not count.
 *
 * Empty, `nan`, `null` and `na` are NaN, `inf` and `infinity` (in any case, with a sign) are infinite. False for
 * anything else, such as `12abc`, `0x10` and `1_000`; then nothing is written.
 *
 * Idea: up to 2^53 the digits are one exact integer, and the point is one exact power of ten (W. D. Clinger, "How to read
 * floating point numbers accurately", 1990). Gain over cutting out a string for `Number`: about 10 times.
 */
export function readNumber(bytes: Buffer, start: number, end: number, into: Float64Array, at: number): boolean {
  let i = start;
  const negative = bytes[i] === 45;
  if (negative) i++;
  let whole = 0;
  const first = i;
  let digit = 0;
  for (; i < end; i++) {
    digit = bytes[i] - 48;
    if (digit < 0 || digit > 9) break;
    whole = whole * 10 + digit;
  }
  let digits = i - first;
  let decimals = 0;
  if (i < end && bytes[i] === 46) {
    const point = i++;
    for (; i < end; i++) {
      digit = bytes[i] - 48;
      if (digit < 0 || digit > 9) break;
      whole = whole * 10 + digit;
    }
    decimals = i - point - 1;
    digits += decimals;
  }
  if (i === end && digits > 0 && decimals < 23 && whole <= Number.MAX_SAFE_INTEGER) {
    const size = whole / POWER[decimals];
    into[at] = negative ? -size : size;
    return true;
  }
  return readWord(bytes.toString('latin1', start, end), into, at);
}

function readWord(field: string, into: Float64Array, at: number): boolean {
  const text = field.trim();
  if (NUMBER.test(text)) into[at] = Number(text);
  else if (MISSING.test(text)) into[at] = Number.NaN;
  else {
    const infinite = INFINITE.exec(text);
    if (infinite === null) return false;
    into[at] = infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  return true;
}
