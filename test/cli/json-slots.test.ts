import { expect, test } from 'vitest';
import { scalarSlot } from '../../src/cli/json-slots.ts';

// regression: fresh memory is not empty, and a last line without a break was read on into it
test('a number at the end of the input ends there, whatever lies behind it', () => {
  const slots = new Int32Array(3);
  scalarSlot(Buffer.from(' 3 \r999'), 0, 4, slots, 0);
  expect([...slots]).toEqual([1, 2, 0]);
});
