import { describe, expect, test } from 'vitest';
import { labelsThatFit, Marks } from '../../dashboard/marks.ts';

const mark = (time: number, feature?: string) => ({ kind: 'drift' as const, time, seq: time, label: 'drift', feature });

describe('Marks', () => {
  test('are those of the stretch that is shown, of all features and of one', () => {
    const marks = new Marks();
    for (const each of [mark(1), mark(5, 'a'), mark(6, 'b'), mark(9)]) marks.add(each);
    expect(marks.between(2, 9, 'a').map(({ time }) => time)).toEqual([5, 9]);
  });

  test('are no more than their capacity, however long a page is open', () => {
    const marks = new Marks(3);
    for (let time = 0; time < 1000; time++) marks.add(mark(time));
    expect(marks.between(0, 1000, 'a').map(({ time }) => time)).toEqual([997, 998, 999]);
  });
});

describe('labelsThatFit', () => {
  test('leaves out those that would cover one before, or leave the picture', () => {
    expect(labelsThatFit([0, 10, 25, 95], [20, 20, 20, 20], 100)).toEqual([true, false, true, false]);
  });
});
