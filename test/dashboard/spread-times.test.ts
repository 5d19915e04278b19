import { describe, expect, test } from 'vitest';
import { spreadTimes } from '../../dashboard/spread-times.ts';

describe('spreadTimes', () => {
  test('spreads rows of one stamp over the time since the row before', () => {
    expect(spreadTimes([200, 200, 200, 200], 100)).toEqual([125, 150, 175, 200]);
  });

  test('leaves stamps alone that differ', () => {
    expect(spreadTimes([110, 120, 130], 100)).toEqual([110, 120, 130]);
  });

  test('spreads each run of its own', () => {
    expect(spreadTimes([200, 200, 300, 300], 100)).toEqual([150, 200, 250, 300]);
  });

  test('leaves the first run alone where there is no row before', () => {
    expect(spreadTimes([200, 200, 300, 300], Number.NaN)).toEqual([200, 200, 250, 300]);
  });

  test('never goes back', () => {
    expect(spreadTimes([100, 100], 150)).toEqual([100, 100]);
    expect(spreadTimes([], 150)).toEqual([]);
  });
});
