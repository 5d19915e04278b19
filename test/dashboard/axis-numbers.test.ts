import { expect, test } from 'vitest';
import { axisNumbers } from '../../dashboard/axis-numbers.ts';

test('axisNumbers has as many decimals as the step needs', () => {
  expect(axisNumbers([47.5, 50, 52.5])).toEqual(['47.5', '50.0', '52.5']);
  expect(axisNumbers([-3, 0, 3])).toEqual(['−3', '0', '3']);
  expect(axisNumbers([0.1, 0.2, 0.30000000000000004])).toEqual(['0.1', '0.2', '0.3']);
  expect(axisNumbers([-0.25, -1e-17, 0.25])).toEqual(['−0.25', '0.00', '0.25']);
});

test('axisNumbers turns to exponents where digits would not fit', () => {
  expect(axisNumbers([1e7, 2e7])).toEqual(['1.0e+7', '2.0e+7']);
  expect(axisNumbers([-1e-8, 0, 1e-8])).toEqual(['−1.0e−8', '0.0e+0', '1.0e−8']);
});
