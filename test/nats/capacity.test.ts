import { expect, test } from 'vitest';
import { capacityOf, costOf, type Deployment } from '../../bench/capacity-model.ts';
import { seeded } from '../../bench/seeded.ts';

const DEPLOYMENT: Deployment = {
  rowsPerSecond: 100_000,
  rowsPerMessage: 512,
  features: 8,
  keys: 0,
  partitions: 64,
  workers: 4,
  leaseMs: 6_000,
  checkpointMs: 5_000,
  nsPerRow: 4_000,
  usPerMessage: 500,
  bytesPerKey: 600,
  checkpointBytesPerSecond: 50e6,
};

test.each<[string, Partial<Deployment>]>([
  ['100,000 rows/s on 4 workers', {}],
  ['1,000,000 rows/s on 16 workers', { rowsPerSecond: 1e6, workers: 16 }],
  [
    '1,000,000 rows/s, 10,000,000 keys on 32 workers',
    { rowsPerSecond: 1e6, keys: 1e7, workers: 32, partitions: 256, checkpointMs: 60_000 },
  ],
  ['small messages', { rowsPerSecond: 10_000, rowsPerMessage: 8 }],
  ['long checkpoints', { rowsPerSecond: 200_000, workers: 6, checkpointMs: 30_000 }],
])('the model of the capacity agrees with a simulation: %s', (_, changes) => {
  const deployment = { ...DEPLOYMENT, ...changes };
  const { load, recoverySeconds } = capacityOf(deployment);
  const runs = Array.from({ length: 8 }, (_, seed) => simulated(deployment, seed + 1));
  const mean = (of: (run: { load: number; recoverySeconds: number }) => number) =>
    runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  expect(mean((run) => run.load) / load).toBeGreaterThan(0.9);
  expect(mean((run) => run.load) / load).toBeLessThan(1.1);
  expect(mean((run) => run.recoverySeconds) / recoverySeconds).toBeGreaterThan(0.75);
  expect(mean((run) => run.recoverySeconds) / recoverySeconds).toBeLessThan(1.25);
});

test('too few workers never catch up, in the model and in the simulation', () => {
  const deployment = { ...DEPLOYMENT, rowsPerSecond: 650_000, workers: 4 };
  expect(capacityOf(deployment)).toMatchObject({ recoverySeconds: Number.POSITIVE_INFINITY });
  expect(capacityOf(deployment).loadWithoutOne).toBeGreaterThan(1);
  expect(simulated(deployment, 1).recoverySeconds).toBe(Number.POSITIVE_INFINITY);
});

const STEP_S = 0.02;
const DEATH_S = 100;
const END_S = 1_000;

/** Workers and partitions in steps of time: rows come in messages at random, each worker has so much time a step. */
function simulated(deployment: Deployment, seed: number): { load: number; recoverySeconds: number } {
  const { rowsPerSecond, rowsPerMessage, keys, partitions, workers, leaseMs, checkpointMs } = deployment;
  const { bytesPerKey, checkpointBytesPerSecond } = deployment;
  const random = seeded(seed);
  const secondsPerMessage = rowsPerMessage * costOf(deployment);
  const perStep = (rowsPerSecond / rowsPerMessage / partitions) * STEP_S;
  const saveSeconds = (keys / partitions) * (bytesPerKey / checkpointBytesPerSecond);
  const owner = Array.from({ length: partitions }, (_, p) => p % workers);
  /** Work that waits, in seconds; and what a successor would have to repeat. */
  const waiting = new Float64Array(partitions);
  const unsaved = new Float64Array(partitions);
  const saveAt = Float64Array.from({ length: partitions }, () => random() * (checkpointMs / 1_000));
  const debt = new Float64Array(workers);
  const turn = new Int32Array(workers);
  let busy = 0;
  let lost: number[] = [];
  const takenAt = DEATH_S + (leaseMs / 1_000) * (1 + random() / 3);
  for (let now = 0; now < END_S; now += STEP_S) {
    if (lost.length === 0 && now >= DEATH_S) {
      lost = owner.flatMap((w, p) => (w === 0 ? [p] : []));
      for (const p of lost) owner[p] = -1;
    }
    if (lost.length > 0 && now >= takenAt && owner[lost[0]] === -1) {
      for (const [i, p] of lost.entries()) {
        owner[p] = 1 + (i % (workers - 1));
        waiting[p] += unsaved[p] + saveSeconds;
        unsaved[p] = 0;
      }
    }
    for (let p = 0; p < partitions; p++) {
      for (let mean = perStep; mean > 0; mean--) if (random() < mean) waiting[p] += secondsPerMessage;
      if (owner[p] >= 0 && now >= saveAt[p]) {
        saveAt[p] = now + checkpointMs / 1_000;
        unsaved[p] = 0;
        debt[owner[p]] += saveSeconds;
      }
    }
    for (let w = 0; w < workers; w++) {
      if (now >= DEATH_S && w === 0) continue;
      let time = STEP_S;
      const paid = Math.min(time, debt[w]);
      debt[w] -= paid;
      time -= paid;
      for (let tried = 0; tried < partitions && time > 0; tried++) {
        const p = turn[w]++ % partitions;
        if (owner[p] !== w) continue;
        const done = Math.min(time, waiting[p]);
        waiting[p] -= done;
        unsaved[p] += done;
        time -= done;
      }
      if (now < DEATH_S) busy += STEP_S - time;
    }
    if (now > takenAt && lost.every((p) => waiting[p] <= 2 * secondsPerMessage)) {
      return { load: busy / (DEATH_S * workers), recoverySeconds: now - DEATH_S };
    }
  }
  return { load: busy / (DEATH_S * workers), recoverySeconds: Number.POSITIVE_INFINITY };
}
