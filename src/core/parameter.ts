/** Checks of parameters, so that every one of them throws in the same words: function, rule, value. */

/** How a value looks in an error message. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return JSON.stringify(value)?.slice(0, 80) ?? 'an object';
  } catch {
    return 'an object'; // circular, such as a scheduler
  }
}

/** Throws a `RangeError` (or a `TypeError` when it is no number) unless `rule` holds. */
export function requireNumber(
  where: string,
  name: string,
  value: unknown,
  holds: (value: number) => boolean,
  rule: string,
): number {
  if (typeof value !== 'number') throw new TypeError(`${where} requires ${name} ${rule}, got ${shown(value)}`);
  if (!holds(value)) throw new RangeError(`${where} requires ${name} ${rule}, got ${value}`);
  return value;
}

export function requirePositiveInteger(where: string, name: string, value: unknown): number {
  return requireNumber(where, name, value, (n) => Number.isSafeInteger(n) && n >= 1, 'to be a whole number >= 1');
}

export function requireBoolean(where: string, name: string, value: unknown): boolean {
  if (typeof value !== 'boolean')
    throw new TypeError(`${where} requires ${name} to be true or false, got ${shown(value)}`);
  return value;
}

export function requireFunction(where: string, name: string, value: unknown): void {
  if (typeof value !== 'function')
    throw new TypeError(`${where} requires ${name} to be a function, got ${shown(value)}`);
}

export function requireOneOf<T extends string>(where: string, name: string, value: unknown, words: readonly T[]): T {
  if (!words.includes(value as T)) {
    throw new TypeError(`${where} requires ${name} to be one of ${words.join(', ')}, got ${shown(value)}`);
  }
  return value as T;
}

/** Throws a `TypeError` that names the first option which `where` does not have: a typo must not be silent. */
export function requireKnown(where: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${where} requires options to be an object, got ${shown(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      // known only so that it can be refused with its reason
      const offered = known.filter((option) => option !== 'momentum');
      throw new TypeError(`${where} has no option '${name}'; it has ${offered.join(', ')}`);
    }
  }
}
