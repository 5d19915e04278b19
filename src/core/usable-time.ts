/** The range of a `Date`; what is beyond is no time, and would leave no digits for the bounds of windows. */
const MAX_TIME_MS = 8.64e15;

/** True for a time in ms that windows can follow. */
export function isTime(time: unknown): time is number {
  return typeof time === 'number' && Math.abs(time) <= MAX_TIME_MS;
}
