const MS = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** What `readTime` takes, for messages. */
export const TIME_RULE = 'a number of ms or an ISO date';

/**
 * A time in ms since 1970: a number of ms, or an ISO 8601 date with or without time. Without a zone it is UTC, so that
 * a run does not depend on where it happens. NaN for anything else.
 *
 * @example readTime('2010-07-10 09:30:05') // 1278754205000
 */
export function readTime(value: unknown): number {
  if (typeof value === 'number') return Number.isFinite(value) ? value : Number.NaN;
  if (typeof value !== 'string') return Number.NaN;
  const text = value.trim();
  if (MS.test(text)) {
    const ms = Number(text);
    return Number.isFinite(ms) ? ms : Number.NaN;
  }
  const parts = ISO.exec(text);
  if (parts === null) return Number.NaN;
  const [, date, time = '00:00', zone = 'Z'] = parts;
  return Date.parse(`${date}T${time.replace(',', '.')}${zoneWithColon(zone)}`);
}

function zoneWithColon(zone: string): string {
  if (zone.length === 1) return 'Z';
  const digits = zone.replace(':', '');
  return `${digits.slice(0, 3)}:${digits.slice(3) || '00'}`;
}
