import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fullJitter } from '../../src/websocket/full-jitter.ts';

describe('fullJitter', () => {
  it('doubles its bound with every attempt, from 250 ms to 30 s by default', () => {
    const bounds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 50].map((attempt) => fullJitter(attempt, 1));
    expect(bounds).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('draws from the whole of [0, bound)', () => {
    expect(fullJitter(2, 0)).toBe(0);
    expect(fullJitter(2, 0.25)).toBe(250);
    expect(fullJitter(2, 0.5)).toBe(500);
  });

  it('takes other bounds', () => {
    expect(fullJitter(3, 1, { minDelayMs: 10, maxDelayMs: 1_000 })).toBe(80);
    expect(fullJitter(9, 1, { minDelayMs: 10, maxDelayMs: 1_000 })).toBe(1_000);
  });

  it('is a finite wait in [0, maxDelayMs) after any number of failures', () => {
    fc.assert(
      fc.property(fc.nat(1e9), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
        const delayMs = fullJitter(attempt, random);
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThan(30_000);
      }),
    );
  });
});
