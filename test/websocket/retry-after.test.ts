import { describe, expect, it } from 'vitest';
import { boundedWaitMs, retryAfterMs } from '../../src/websocket/retry-after.ts';

describe('retryAfterMs', () => {
  it.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ['0', 0],
    [' 3 ', 3_000],
    ['3601', 3_600_000],
    ['Thu, 01 Jan 1970 00:00:12 GMT', 2_000],
    ['Thu, 01 Jan 1970 00:00:09 GMT', 0],
    ['', undefined],
    ['later', undefined],
  ])('reads %o at 00:00:10 as %o ms', (header, ms) => {
    expect(retryAfterMs(header, 10_000)).toBe(ms);
  });
});

describe('boundedWaitMs', () => {
  it('keeps numbers within an hour and takes nothing else', () => {
    expect([5, -1, Infinity, Number.NaN, '5', undefined].map(boundedWaitMs)).toEqual([
      5,
      0,
      3_600_000,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
