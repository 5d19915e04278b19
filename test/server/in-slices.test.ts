import { expect, test } from 'vitest';
import { inSlices } from '../../src/server/in-slices.ts';

/** Takes up the time of whoever calls. */
function busy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('few are done at once', () => {
  const seen: number[] = [];
  let ended = false;
  inSlices(
    [1, 2, 3],
    (n) => seen.push(n),
    () => {
      ended = true;
    },
  );
  expect([seen, ended]).toEqual([[1, 2, 3], true]);
});

test('many are done in their order, and others have their turn between', async () => {
  const seen: number[] = [];
  const turns: number[] = [];
  let ended = false;
  const work = new Promise<void>((resolve) => {
    inSlices(
      Array.from({ length: 200 }, (_, n) => n),
      (n) => {
        busy(0.5);
        seen.push(n);
      },
      () => {
        ended = true;
        resolve();
      },
    );
  });
  while (!ended) {
    turns.push(seen.length);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await work;
  expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => n));
  // 100 ms of work in slices of 5 ms, or of 16 pieces
  expect(turns.length).toBeGreaterThan(5);
});

test('what is removed from a set meanwhile has no turn, what is added has one', async () => {
  const items = new Set(Array.from({ length: 64 }, (_, n) => n));
  const seen: number[] = [];
  await new Promise<void>((resolve) => {
    inSlices(
      items,
      (n) => {
        busy(0.5);
        seen.push(n);
      },
      resolve,
    );
    items.delete(63);
    items.add(64);
  });
  expect(seen.slice(-2)).toEqual([62, 64]);
});
