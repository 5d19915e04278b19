import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyTable } from '../../src/core/key-table.ts';

test('a table keeps what a plain list of keys in order of use keeps, and uses slots again', () => {
  const step = fc.tuple(fc.constantFrom('use', 'remove', 'removeOldest'), fc.integer({ min: 0, max: 12 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const table = new KeyTable<number>(true);
      let used: number[] = [];
      let most = 0;
      steps.forEach(([what, key], now) => {
        const slot = table.find(key);
        expect(slot >= 0).toBe(used.includes(key));
        if (what === 'use') {
          if (slot >= 0) table.renew(slot);
          table.setUsedAt(slot >= 0 ? slot : table.add(key), now);
          used = [...used.filter((each) => each !== key), key];
        } else if (what === 'remove' && slot >= 0) {
          table.remove(slot);
          used = used.filter((each) => each !== key);
        } else if (what === 'removeOldest' && table.oldest >= 0) {
          expect(table.key(table.oldest)).toBe(used.shift());
          table.remove(table.oldest);
        }
        most = Math.max(most, used.length);
        expect(table.size).toBe(used.length);
        expect(Array.from(table.inOrder(), (each) => table.key(each))).toEqual(used);
        const times = used.map((each) => table.usedAt(table.find(each)));
        expect(times).toEqual(times.toSorted((a, b) => a - b));
      });
      expect(table.slots).toBe(most);
    }),
  );
});

test('slots are kept across the chunks they lie in', () => {
  const table = new KeyTable<number>(true);
  const keys = 40_000;
  for (let key = 0; key < keys; key++) table.setUsedAt(table.add(key), key);
  for (let key = 0; key < keys; key += 2) table.renew(table.find(key));
  const order = Array.from(table.inOrder(), (slot) => table.key(slot));
  const odd = Array.from({ length: keys / 2 }, (_, i) => 2 * i + 1);
  expect(order).toEqual([...odd, ...odd.map((key) => key - 1)]);
  expect(table.usedAt(table.find(33_333))).toBe(33_333);
});

test('cleared it is empty, and begins anew', () => {
  const table = new KeyTable<string>(false);
  table.add('a');
  table.clear();
  expect([table.size, table.oldest, table.find('a'), table.slots]).toEqual([0, -1, -1, 0]);
  expect(table.add('b')).toBe(0);
  expect(table.key(table.oldest)).toBe('b');
});

test('names of what every object has are keys like any other', () => {
  const table = new KeyTable<string>(false);
  expect(table.find('__proto__')).toBe(-1);
  const slots = ['__proto__', 'constructor', 'toString', ''].map((key) => table.add(key));
  expect(new Set(slots).size).toBe(4);
  expect(table.key(table.find('constructor'))).toBe('constructor');
});
