import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fieldAt } from '../../src/websocket/field-path.ts';

const read = (path: string | (string | number)[], message: unknown) => fieldAt('doc', 'path', path)(message);

test('finds what lies at names and indices, dotted or in brackets', () => {
  const message = { data: { bids: [['1.5', 2]] } };
  expect(read('data.bids.0.1', message)).toBe(2);
  expect(read('data.bids[0][0]', message)).toBe('1.5');
  expect(read(['data', 'bids', 0, 1], message)).toBe(2);
  expect(read('', message)).toBe(message);
});

test('a list takes names that have dots', () => {
  expect(read(['a.b'], { 'a.b': 1, a: { b: 2 } })).toBe(1);
});

test('a step that leads nowhere is undefined, whatever the message is', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 5 }),
      (message, path) => {
        let expected: unknown = message;
        for (const step of path) {
          if (Array.isArray(expected)) expected = /^(0|[1-9]\d*)$/.test(step) ? expected[Number(step)] : undefined;
          else if (typeof expected === 'object' && expected !== null && Object.hasOwn(expected, step)) {
            expected = (expected as Record<string, unknown>)[step];
          } else expected = undefined;
        }
        expect(read(path, message)).toBe(expected);
      },
    ),
  );
});

test.each(['constructor', '__proto__', 'toString', 'length', 'data.length', 'data.map'])(
  '%s finds only what the message itself has',
  (path) => {
    expect(read(path, { data: [1] })).toBeUndefined();
    expect(read(path, JSON.parse('[1]'))).toBeUndefined();
  },
);

test.each(['a..b', '.a', 'a.', 7, null, ['a', ''], [-1], [{}], new Array(33).fill('a')])(
  'the path %j is refused, naming function, option and value',
  (path) => {
    expect(() => fieldAt('samplesBy', 'rows', path as string)).toThrow(
      /^samplesBy requires rows to be a path .*, got /,
    );
  },
);
