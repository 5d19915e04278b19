const MS = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const MS_PER_MINUTE = 60_000;

/** What `readTime` takes, for messages. */
export const TIME_RULE = 'a number of ms or an ISO date';

/**
 * A time in ms since 1970: a number of ms, or an ISO 8601 date with or without time. Without a zone it is UTC, so that
 * a run does not depend on where it happens; so it is not `Date.parse`. NaN for anything else.
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
  const [year, month, day] = parts.slice(1, 4).map(Number);
  const [hour, minute, second] = parts.slice(4, 7).map((part) => Number(part ?? 0));
  const [, , , , , , , fraction = '', zone = 'Z'] = parts;
  const days = daysSince1970(year, month, day);
  const isTime = minute <= 59 && second <= 59 && (hour <= 23 || (hour === 24 && minute === 0 && second === 0));
  if (Number.isNaN(days) || !isTime) return Number.NaN;
  const minutes = (days * 24 + hour) * 60 + minute - minutesEast(zone);
  return minutes * MS_PER_MINUTE + second * 1_000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
}

/** Of the Gregorian calendar; NaN for a day that there is not. */
function daysSince1970(year: number, month: number, day: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const most = month === 2 && isLeap ? 29 : DAYS_IN_MONTH[month - 1];
  if (!(day >= 1 && day <= most)) return Number.NaN;
  // years that begin in March, so that the leap day is the last
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/** Of a zone such as `Z`, `+02`, `-0330`, `+05:45`. */
function minutesEast(zone: string): number {
  if (zone.length === 1) return 0;
  const digits = zone.replace(':', '');
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3) || 0);
  return digits[0] === '-' ? -minutes : minutes;
}
