const DECIMAL = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i;

/**
 * The number that a text spells in decimal; `undefined` for anything else: the empty text, hexadecimal, `NaN`,
 * `Infinity`, all of which `Number` would take for a number or for 0. Longer than any number is written is no number.
 *
 * @example decimalNumber('27123.40') // 27123.4
 * @example decimalNumber('') // undefined
 */
export function decimalNumber(text: string): number | undefined {
  return text.length <= 400 && DECIMAL.test(text) ? Number(text) : undefined;
}
