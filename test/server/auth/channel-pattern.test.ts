import fc from 'fast-check';
import { expect, test } from 'vitest';
import { channelPattern } from '../../../src/server/auth/channel-pattern.ts';

test.each<[string, string[], string[]]>([
  ['btc', ['btc'], ['btc-usd', 'bt', 'BTC', '']],
  ['btc-*', ['btc-usd', 'btc-'], ['btc', 'eth-btc-']],
  ['*-usd', ['btc-usd', '-usd'], ['usd', 'btc-usdt']],
  ['a*b*c', ['abc', 'a-b-c', 'abbc'], ['acb', 'ab', 'ac']],
  ['a*a', ['aa', 'aba'], ['a']],
  ['*', ['', 'anything'], []],
  ['a.c', ['a.c'], ['abc']],
])('%s stands for %j and not for %j', (pattern, names, others) => {
  for (const name of names) expect([name, channelPattern(pattern)(name)]).toEqual([name, true]);
  for (const name of others) expect([name, channelPattern(pattern)(name)]).toEqual([name, false]);
});

test('it stands for the same names as the regular expression would', () => {
  const letters = (...all: string[]) =>
    fc.array(fc.constantFrom(...all), { maxLength: 12 }).map((some) => some.join(''));
  fc.assert(
    fc.property(letters('a', 'b', '*'), letters('a', 'b'), (pattern, name) => {
      const naive = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
      expect(channelPattern(pattern)(name)).toBe(naive.test(name));
    }),
    { numRuns: 2_000 },
  );
});

test('a pattern of many stars takes no time that grows with their number', () => {
  const before = performance.now();
  expect(channelPattern(`${'a*'.repeat(31)}b*`)('a'.repeat(5_000))).toBe(false);
  // a backtracking expression would not come back today
  expect(performance.now() - before).toBeLessThan(1_000);
});
