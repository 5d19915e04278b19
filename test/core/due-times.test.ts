import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueTimes } from '../../src/core/due-times.ts';

test('whoever is due earliest is taken first, once', () => {
  const due = new DueTimes<string>();
  due.note('b', 20);
  due.note('a', 10);
  due.note('c', 30);
  expect(due.nextMs).toBe(10);
  expect(due.take(20)).toEqual(['a', 'b']);
  expect([due.take(20), due.nextMs]).toEqual([[], 30]);
});

test('one whose time moves on is asked at the former one; one that is due no more is not', () => {
  const due = new DueTimes<string>();
  due.note('a', 10);
  due.note('a', 50);
  expect(due.take(10)).toEqual(['a']);
  due.note('b', 5);
  due.note('b', Number.POSITIVE_INFINITY);
  expect(due.nextMs).toBe(Number.POSITIVE_INFINITY);
});

test('nobody is missed, whatever was noted before', () => {
  const notes = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 100 })), { maxLength: 80 });
  fc.assert(
    fc.property(notes, fc.integer({ min: 0, max: 100 }), (noted, nowMs) => {
      const due = new DueTimes<number>();
      const first = new Map<number, number>();
      for (const [owner, ms] of noted) {
        due.note(owner, ms);
        first.set(owner, Math.min(ms, first.get(owner) ?? ms));
      }
      expect(due.nextMs).toBe(Math.min(Number.POSITIVE_INFINITY, ...first.values()));
      const expected = Array.from(first.keys()).filter((owner) => (first.get(owner) ?? 0) <= nowMs);
      expect(due.take(nowMs).toSorted()).toEqual(expected.toSorted());
    }),
  );
});

test('who is due no more costs nothing, however late it would have been', () => {
  const due = new DueTimes<string>();
  due.note('early', 1);
  for (let i = 0; i < 10_000; i++) {
    due.note('late', 1_000 + i);
    due.note('late', Number.POSITIVE_INFINITY);
  }
  due.note('late', 5_000);
  expect(due.length).toBeLessThan(100);
  expect([due.take(4_999), due.take(5_000)]).toEqual([['early'], ['late']]);
});
