import { expect, test } from 'vitest';
import { seeded } from '../../bench/seeded.ts';
import { risePerRun } from '../faults/rise.ts';

const noise = (count: number, likeness: number, seed = 1) => {
  const random = seeded(seed);
  let last = 0;
  return Array.from({ length: count }, () => {
    last = likeness * last + (random() - 0.5);
    return last;
  });
};

test('finds the rise of a line, and no error in it', () => {
  const { mean, rise, error } = risePerRun(Array.from({ length: 101 }, (_, i) => 50 + i / 10));
  expect([mean, rise]).toEqual([expect.closeTo(55), expect.closeTo(10)]);
  expect(error).toBeCloseTo(0);
});

test('tells a leak from scatter, also where neighbours are alike', () => {
  for (const likeness of [0, 0.9]) {
    let [false_, found] = [0, 0];
    for (let seed = 1; seed <= 50; seed++) {
      const flat = noise(400, likeness, seed).map((e) => 30 + e);
      const leak = flat.map((y, i) => y + i / 50);
      const grows = ({ rise, error }: { rise: number; error: number }) => rise - 2 * error > 0;
      if (grows(risePerRun(flat))) false_++;
      if (grows(risePerRun(leak))) found++;
    }
    expect(found).toBe(50);
    expect(false_).toBeLessThanOrEqual(5);
  }
});
