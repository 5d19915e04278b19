import { expect, test } from 'vitest';
import { ReplaySchedule } from '../../src/cli/replay-schedule.ts';

/** When rows of these times are due for somebody who is never late. */
function dues(schedule: ReplaySchedule, times: number[]): number[] {
  let nowMs = 0;
  return times.map((time) => {
    nowMs = Math.max(nowMs, schedule.due(time, nowMs));
    return nowMs;
  });
}

test('rows are due at their own times, counted from the first', () => {
  expect(dues(new ReplaySchedule({ speed: 1 }), [1000, 1250, 1250, 4000])).toEqual([0, 250, 250, 3000]);
});

test('a speed divides the times between them', () => {
  expect(dues(new ReplaySchedule({ speed: 10 }), [1000, 1250, 4000])).toEqual([0, 25, 300]);
});

test('times that go backwards wait for nothing', () => {
  expect(dues(new ReplaySchedule({ speed: 1 }), [1000, 2000, 500, 2500])).toEqual([0, 1000, 1000, 1500]);
});

test('a rate spaces rows evenly, whatever their times', () => {
  const none = Number.NaN;
  expect(dues(new ReplaySchedule({ rate: 4 }), [none, none, none, none])).toEqual([0, 250, 500, 750]);
});

test('up to a second late the timetable stays, later than that it moves', () => {
  const schedule = new ReplaySchedule({ rate: 10 });
  expect(schedule.due(0, 0)).toBe(0);
  expect(schedule.due(0, 900)).toBe(100);
  expect(schedule.due(0, 900)).toBe(200);
  expect(schedule.due(0, 60_000)).toBe(60_000);
  expect(schedule.due(0, 60_000)).toBe(60_100);
});

test('the first row of the next pass follows the last one at the average distance', () => {
  const schedule = new ReplaySchedule({ speed: 2 });
  expect(dues(schedule, [0, 100, 400])).toEqual([0, 50, 200]);
  schedule.restart();
  expect([0, 100, 400].map((time) => schedule.due(time, 200))).toEqual([300, 350, 500]);
});
