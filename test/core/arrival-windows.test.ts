import { expect, test } from 'vitest';
import { ArrivalWindows } from '../../src/core/arrival-windows.ts';

test('ArrivalWindows holds what came between opening and closing, in windows that overlap', () => {
  const windows = new ArrivalWindows<number>();
  for (const time of [0, 10, 20]) {
    windows.open(time);
    windows.add(time + 1);
    windows.add(time + 2);
  }
  expect(windows.close()).toEqual({ samples: [1, 2, 11, 12, 21, 22], openedAt: 0, split: false });
  expect(windows.length).toBe(4);
  windows.add(23);
  expect(windows.close()).toEqual({ samples: [11, 12, 21, 22, 23], openedAt: 10, split: false });
  expect(windows.close()).toEqual({ samples: [21, 22, 23], openedAt: 20, split: false });
  expect([windows.close(), windows.length]).toEqual([undefined, 0]);
});

test('a sample without an open window is in none; a window can be empty', () => {
  const windows = new ArrivalWindows<number>();
  windows.add(1);
  windows.open(5);
  expect([windows.length, windows.close()]).toEqual([0, { samples: [], openedAt: 5, split: false }]);
});

test('renew: each sample is once in each of its windows, in one of its parts', () => {
  const windows = new ArrivalWindows<number>();
  windows.open(0);
  windows.add(1);
  windows.open(2);
  windows.add(3);
  const next = windows.renew();
  next.add(4);
  next.open(5);
  next.add(6);
  const closed = (from: ArrivalWindows<number>) => [from.close(), from.close(), from.close()];
  expect(closed(windows)).toEqual([
    { samples: [1, 3], openedAt: 0, split: true },
    { samples: [3], openedAt: 2, split: true },
    undefined,
  ]);
  expect(closed(next)).toEqual([
    { samples: [4, 6], openedAt: 0, split: true },
    { samples: [4, 6], openedAt: 2, split: true },
    { samples: [6], openedAt: 5, split: false },
  ]);
});
