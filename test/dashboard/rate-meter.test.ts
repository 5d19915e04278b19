import { describe, expect, test } from 'vitest';
import { RateMeter } from '../../dashboard/rate-meter.ts';

describe('RateMeter', () => {
  test('says how many a second over the last ten seconds', () => {
    const meter = new RateMeter(0);
    for (let ms = 0; ms < 20_000; ms += 100) meter.add(ms, 4);
    expect(meter.perSecond(20_000)).toBeCloseTo(40, 9);
  });

  test('divides by the time it exists while that is shorter, and by one second at least', () => {
    const meter = new RateMeter(500);
    meter.add(600, 10);
    expect(meter.perSecond(700)).toBe(10);
    expect(meter.perSecond(2500)).toBe(5);
  });

  test('forgets what is older, also after a long pause', () => {
    const meter = new RateMeter(0);
    meter.add(0, 50);
    expect(meter.perSecond(9000)).toBeGreaterThan(0);
    expect(meter.perSecond(10_000)).toBe(0);
    meter.add(10_500, 50);
    expect(meter.perSecond(1_000_000)).toBe(0);
  });
});
