import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimeLine } from '../../src/core/time-line.ts';

test('TimeLine keeps samples in the order of their times, those of one time in the order of arrival', () => {
  const line = new TimeLine<string>();
  for (const [sample, time] of [
    ['b1', 2],
    ['c', 3],
    ['a', 1],
    ['b2', 2],
    ['d', 4],
  ] as const)
    line.add(sample, time);
  expect(line.slice(0, line.length)).toEqual(['a', 'b1', 'b2', 'c', 'd']);
  expect([line.time(0), line.time(4)]).toEqual([1, 4]);
  expect([0, 2, 2.5, 9].map((time) => [line.before(time), line.place(time)])).toEqual([
    [0, 0],
    [1, 3],
    [3, 3],
    [5, 5],
  ]);
});

test('an empty TimeLine', () => {
  const line = new TimeLine<string>();
  expect([line.length, line.before(1), line.place(1), line.slice(0, 0)]).toEqual([0, 0, 0, []]);
});

test('adding and dropping in turn is sorting what is left, each step', () => {
  const steps = fc.array(
    fc.oneof(fc.record({ add: fc.integer({ min: -20, max: 20 }) }), fc.record({ drop: fc.nat(9) })),
  );
  fc.assert(
    fc.property(steps, (list) => {
      const line = new TimeLine<number>();
      let expected: { time: number; i: number }[] = [];
      for (const [i, step] of list.entries()) {
        if ('add' in step) {
          line.add(i, step.add);
          expected = [...expected, { time: step.add, i }].sort((a, b) => a.time - b.time || a.i - b.i);
        } else {
          const count = Math.min(step.drop, line.length);
          line.drop(count);
          expected = expected.slice(count);
        }
        expect(line.slice(0, line.length)).toEqual(expected.map((sample) => sample.i));
        expect(expected.map((_, j) => line.time(j))).toEqual(expected.map((sample) => sample.time));
      }
    }),
  );
});

test('the same with more samples than a block holds', () => {
  const line = new TimeLine<number>();
  const random = (i: number) => Math.floor(Math.abs(Math.sin(i * 12.9898)) * 4_000);
  let expected: { time: number; i: number }[] = [];
  for (let i = 0; i < 9_000; i++) {
    line.add(i, random(i));
    expected.push({ time: random(i), i });
  }
  expected.sort((a, b) => a.time - b.time || a.i - b.i);
  for (const count of [1, 1_500, 0, 3_000, 17]) {
    line.drop(count);
    expected = expected.slice(count);
    const { length } = expected;
    expect(line.length).toBe(length);
    for (const [from, to] of [
      [0, length],
      [0, 1],
      [700, 3_400],
      [length - 1, length],
      [5, 5],
    ]) {
      expect(line.slice(from, to)).toEqual(expected.slice(from, to).map(({ i }) => i));
    }
    for (const i of [0, 1, 1_023, 1_024, length - 1]) expect(line.time(i)).toBe(expected[i].time);
    for (const time of [-1, 1_500, 1_500.5, 2_222, 5_000]) {
      const count = (holds: (time: number) => boolean) => expected.filter((sample) => holds(sample.time)).length;
      expect([line.before(time), line.place(time)]).toEqual([count((t) => t < time), count((t) => t <= time)]);
    }
  }
  line.drop(line.length);
  expect([line.length, line.slice(0, 0), line.before(9_999)]).toEqual([0, [], 0]);
});

test('samples that are arrays stay whole, also where they are taken from two blocks', () => {
  const line = new TimeLine<number[]>();
  for (let i = 0; i < 3_000; i++) line.add([i, i], -i);
  expect(line.slice(0, 3_000)).toEqual(Array.from({ length: 3_000 }, (_, i) => [2_999 - i, 2_999 - i]));
});
