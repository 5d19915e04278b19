import { isUsable } from '../core/usable.ts';
import { quoted, refuse } from './refuse.ts';

/** What the numbers of a field must be, and how a message says so. */
const RULES = {
  mean: { holds: isUsable, says: 'finite, and small enough to be squared' },
  variance: { holds: (x: number) => x >= 0 && x < Number.POSITIVE_INFINITY, says: 'finite and >= 0' },
  factor: { holds: Number.isFinite, says: 'finite' },
  positive: { holds: (x: number) => x > 0 && x < Number.POSITIVE_INFINITY, says: 'finite and > 0' },
  count: { holds: (x: number) => x >= 0 && x <= Number.MAX_SAFE_INTEGER, says: 'a count >= 0' },
} as const;

export type Rule = keyof typeof RULES;

/**
 * The numbers of a tensor or a field of JSON.
 *
 * @param width how many there must be, unless undefined
 * @throws StreamnormError STATE naming the field, the place and the value
 */
export function fieldNumbers(value: unknown, name: string, rule: Rule, width?: number): number[] {
  const isList = Array.isArray(value) || value instanceof Float64Array;
  if (!isList) refuse(`${quoted(name)} must be a list of numbers`);
  if (width !== undefined && value.length !== width) {
    refuse(`${quoted(name)} has ${value.length} values, expected ${width}`);
  }
  const { holds, says } = RULES[rule];
  return Array.from(value as ArrayLike<unknown>, (x, i) => {
    if (typeof x !== 'number' || !holds(x)) refuse(`${quoted(name)}[${i}] must be ${says}, found ${shortly(x)}`);
    return x;
  });
}

/** One number under a rule; as `fieldNumbers`. */
export function fieldNumber(value: unknown, name: string, rule: Rule): number {
  if (typeof value !== 'number' || !RULES[rule].holds(value)) {
    refuse(`${quoted(name)} must be ${RULES[rule].says}, found ${shortly(value)}`);
  }
  return value;
}

function shortly(value: unknown): string {
  if (typeof value === 'number' || value === null || value === undefined) return String(value);
  return typeof value === 'string' ? quoted(value) : `a value of another kind`;
}
