import { InvalidArgumentError } from 'commander';

/** `a,b` as a list of names. */
export function listOf(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => name === '')) throw new InvalidArgumentError('It must be names between commas.');
  return names;
}

export function numberOf(text: string): number {
  if (isNumber(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number.');
}

export function positiveOf(text: string): number {
  const value = numberOf(text);
  if (value > 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new InvalidArgumentError('It must be a number > 0.');
}

export function countOf(text: string): number {
  const value = numberOf(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('It must be a whole number >= 1.');
}

export function portOf(text: string): number {
  const value = numberOf(text);
  if (Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw new InvalidArgumentError('It must be a port: 0 to 65535, where 0 is any that is free.');
}

export function isNumber(text: string): boolean {
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text.trim());
}
