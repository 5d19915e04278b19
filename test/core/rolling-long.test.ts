import { expect, test } from 'vitest';
import { BatchSummary } from '../../src/core/batch-summary.ts';
import { Rolling } from '../../src/core/rolling.ts';

test('after 1e7 rows of 1e9 + noise and spikes of 1e12 the window is within 1e-9 of its recomputation', () => {
  const LAST = 1_000;
  const ROWS = 10_000_000;
  const rolling = new Rolling({ features: 1, last: LAST });
  const ring = new Float64Array(LAST);
  const summary = new BatchSummary(1);
  const row = new Float64Array(1);
  let state = 1;
  let worst = 0;
  for (let i = 0; i < ROWS; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' generator: the same everywhere
    row[0] = i % 99_991 === 0 ? 1e12 : 1e9 + state / 2 ** 32;
    ring[i % LAST] = row[0];
    rolling.update(row);
    if ((i + 1) % 333_333 !== 0) continue;
    summary.of({ data: ring, rows: LAST, features: 1 });
    const mean = Math.abs(rolling.mean[0] / summary.mean[0] - 1);
    const variance = Math.abs(rolling.variance[0] / summary.variance(0) - 1);
    worst = Math.max(worst, mean, variance);
  }
  expect(rolling.version).toBe(ROWS);
  expect(worst).toBeGreaterThan(0);
  expect(worst).toBeLessThan(1e-9);
}, 240_000);
