import { shown } from './parameter.ts';

/** A span of time: a number of ms, or a number with a unit: `'250ms'`, `'30s'`, `'5m'`, `'2h'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h'}`;

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/**
 * Milliseconds of a duration.
 *
 * @throws TypeError, RangeError unless it is a finite span > 0
 * @example durationMs('batchBy', 'within', '30s') // 30000
 */
export function durationMs(where: string, name: string, value: unknown): number {
  const rule = `${where} requires ${name} to be a number of ms > 0 or '250ms', '30s', '5m', '2h'`;
  let spanMs: number;
  if (typeof value === 'number') {
    spanMs = value;
  } else {
    const parts = typeof value === 'string' ? /^(\d+(?:\.\d+)?(?:e[-+]?\d+)?)(ms|s|m|h)$/.exec(value.trim()) : null;
    if (parts === null) throw new TypeError(`${rule}, got ${shown(value)}`);
    spanMs = Number(parts[1]) * MS_PER_UNIT[parts[2] as keyof typeof MS_PER_UNIT];
  }
  if (!(spanMs > 0 && spanMs < Number.POSITIVE_INFINITY)) throw new RangeError(`${rule}, got ${shown(value)}`);
  return spanMs;
}
