import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nestsDeeperThan } from '../../src/server/json-depth.ts';

const deeper = (most: number, text: string) => nestsDeeperThan(most, Buffer.from(text));

test('arrays and records count, what stands in a text does not', () => {
  expect([deeper(2, '[[1,2],[3,4]]'), deeper(1, '[[1,2],[3,4]]')]).toEqual([false, true]);
  expect([deeper(3, '{"x":[[1]]}'), deeper(2, '{"x":[[1]]}')]).toEqual([false, true]);
  expect(deeper(1, '["[[[", "\\"[[[", "\\\\", "{"]')).toBe(false);
  expect(deeper(1, '["\\\\", [1]]')).toBe(true);
  // what is not JSON at all is for the parser to refuse
  expect([deeper(1, ''), deeper(1, '"['), deeper(1, ']]]['), deeper(1, '"\\')]).toEqual([false, false, false, false]);
});

test('agrees with the depth of what is parsed', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 1, max: 7 }), (value, most) => {
      expect(deeper(most, JSON.stringify(value))).toBe(depthOf(value) > most);
    }),
  );
});
