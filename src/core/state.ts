import { StreamnormError } from '../errors.ts';
import { isUsable } from './usable.ts';

/** What every `state()` returns: plain JSON whose `format` names the statistic and its version. */
export interface StatisticState {
  readonly format: string;
}

type Read<T> = (value: unknown, name: string) => T;

/** Reads the fields of a saved state; whatever does not fit is one `StreamnormError` of code `STATE`. */
export class StateReader {
  readonly #fields: Record<string, unknown>;
  readonly #format: string;

  /** @throws StreamnormError STATE unless `state` is an object of this format */
  constructor(state: unknown, format: string) {
    if (typeof state !== 'object' || state === null || Array.isArray(state)) {
      throw new StreamnormError('STATE', `a ${format} state must be a JSON object`);
    }
    this.#fields = state as Record<string, unknown>;
    this.#format = format;
    const found = this.#fields.format;
    if (found === format) return;
    const [kind, version] = format.split('/');
    const newer =
      typeof found === 'string' && found.split('/')[0] === kind && Number(found.split('/')[1]) > Number(version);
    throw new StreamnormError(
      'STATE',
      newer
        ? `the state has format ${found}, which a newer version wrote; this one reads ${format}`
        : `the state has format ${String(found)}, expected ${format}`,
    );
  }

  fail(name: string, rule: string): never {
    throw new StreamnormError('STATE', `${this.#format}: ${name} must ${rule}`);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name) && this.#fields[name] !== null;
  }

  get<T>(name: string, read: Read<T>): T {
    return read(Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined, name);
  }

  number(name: string, holds: (n: number) => boolean = () => true, rule = 'be a finite number'): number {
    const value = this.get<unknown>(name, (v) => v);
    if (typeof value !== 'number' || !Number.isFinite(value) || !holds(value)) return this.fail(name, rule);
    return value;
  }

  count(name: string): number {
    return this.number(name, (n) => Number.isSafeInteger(n) && n >= 0, 'be a whole number >= 0');
  }

  /** False when absent. */
  flag(name: string): boolean {
    if (!this.has(name)) return false;
    const value = this.get<unknown>(name, (v) => v);
    return typeof value === 'boolean' ? value : this.fail(name, 'be true or false');
  }

  /** An array of `length` finite numbers, no larger than a statistic can hold. */
  numbers(name: string, length: number, holds: (n: number) => boolean = () => true, rule = 'be finite'): Float64Array {
    const value = this.get<unknown>(name, (v) => v);
    if (!Array.isArray(value) || value.length !== length) return this.fail(name, `be an array of ${length} numbers`);
    for (const x of value) {
      if (typeof x !== 'number' || !Number.isFinite(x) || !holds(x))
        return this.fail(name, `${rule}, found ${String(x)}`);
    }
    return Float64Array.from(value as number[]);
  }

  means(name: string, length: number): Float64Array {
    return this.numbers(name, length, isUsable, 'be usable means');
  }

  nonNegatives(name: string, length: number): Float64Array {
    return this.numbers(name, length, (x) => x >= 0, 'be >= 0');
  }

  /** Number of features. */
  width(): number {
    return this.number('features', (n) => Number.isSafeInteger(n) && n >= 1, 'be a whole number >= 1');
  }

  /** Features as a number, or as the list of their names. */
  features(): number | string[] {
    const value = this.get<unknown>('features', (v) => v);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
    if (isNames(value)) return value;
    return this.fail('features', 'be a whole number >= 1 or a list of different names');
  }
}

function isNames(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every((name) => typeof name === 'string')) return false;
  return new Set(value).size === value.length && !value.includes('__proto__');
}
