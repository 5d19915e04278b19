import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decimalNumber } from '../../src/websocket/decimal-number.ts';
import { matches } from '../../src/websocket/message-match.ts';
import { type SamplesByOptions, samplesBy } from '../../src/websocket/samples-by.ts';

const fields = { bid: 'b', ask: 'a' };

describe('samplesBy', () => {
  test('finds one row or many, as records or arrays, at the top or below', () => {
    expect(samplesBy({ fields })({ b: 1, a: 2 })).toEqual([{ bid: 1, ask: 2 }]);
    expect(samplesBy({ fields })([{ b: 1, a: 2 }, { b: 3 }])).toEqual([
      { bid: 1, ask: 2 },
      { bid: 3, ask: Number.NaN },
    ]);
    expect(samplesBy({ rows: 'data', fields: { bid: '0', ask: '1' } })({ data: [1, 2] })).toEqual([{ bid: 1, ask: 2 }]);
    expect(
      samplesBy({ rows: 'data', fields: { bid: '0', ask: '1' } })({
        data: [
          [1, 2],
          [3, null],
        ],
      }),
    ).toEqual([
      { bid: 1, ask: 2 },
      { bid: 3, ask: Number.NaN },
    ]);
  });

  test('a path with $. begins at the message', () => {
    const samples = samplesBy({ rows: 'data', fields: { price: 'p', scale: '$.scale' }, time: '$.ts' });
    expect(samples({ ts: 5, scale: 10, data: [{ p: 1 }, { p: 2 }] })).toEqual([
      { price: 1, scale: 10, time: 5 },
      { price: 2, scale: 10, time: 5 },
    ]);
  });

  test("takes numbers written as text only with numbers: 'string', and says so otherwise", () => {
    expect(samplesBy({ fields, numbers: 'string' })({ b: '1.50', a: 2 })).toEqual([{ bid: 1.5, ask: 2 }]);
    expect(() => samplesBy({ fields })({ b: '1.50', a: 2 })).toThrow(
      "bid of row 0 must be a number or null, got '1.50': set numbers to 'string'",
    );
    for (const text of ['', 'NaN', '0x10', '1,5', 'Infinity', '1 2']) {
      expect(() => samplesBy({ fields, numbers: 'string' })({ b: text })).toThrow(/must be a number or null/);
    }
  });

  test.each<[NonNullable<SamplesByOptions['timeUnit']>, unknown]>([
    ['ms', 1_700_000_000_500],
    ['ms', '1700000000500'],
    ['ms', '2023-11-14T22:13:20.500Z'],
    ['s', 1_700_000_000.5],
    ['us', 1_700_000_000_500_000],
    ['ns', '1700000000500000000'],
  ])('reads a time in %s: %s', (timeUnit, t) => {
    expect(samplesBy({ fields: { x: 'x' }, time: 't', timeUnit })({ x: 1, t })[0]?.time).toBeCloseTo(
      1_700_000_000_500,
      2,
    );
  });

  test('passes over what does not match and what is to be ignored', () => {
    const samples = samplesBy({
      rows: 'data',
      fields: { x: 'x' },
      match: { stream: ['a', 'b'] },
      ignore: [{ 'data.e': 'heartbeat' }, { error: { exists: true } }],
    });
    expect(samples({ stream: 'a', data: { x: 1 } })).toEqual([{ x: 1 }]);
    expect(samples({ stream: 'c', data: { x: 1 } })).toEqual([]);
    expect(samples({ stream: 'a', data: { e: 'heartbeat' } })).toEqual([]);
    expect(samples({ stream: 'a', error: null })).toEqual([]);
    expect(samples({ result: null, id: 1 })).toEqual([]);
  });

  test.each<[string, unknown, string, RegExp]>([
    ['nothing at rows', { stream: 'x' }, 'BAD_JSON', /has no rows at 'data', but nothing/],
    ['a number at rows', { data: 7 }, 'BAD_JSON', /but 7/],
    [
      'a row without any of the fields',
      { data: [{ b: 1 }, { c: 2 }] },
      'BAD_DIM',
      /row 1 has none of the fields bid, ask/,
    ],
    ['a row that is no row', { data: [{ b: 1 }, 5] }, 'BAD_DIM', /row 1/],
    ['an object for a number', { data: { b: {} } }, 'BAD_VALUE', /bid of row 0 .* an object/],
    ['true for a number', { data: { b: true } }, 'BAD_VALUE', /got true/],
  ])('%s makes the whole message bad', (_, message, code, text) => {
    const samples = samplesBy({ rows: 'data', fields });
    expect(() => samples(message)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(text) }));
  });

  test.each<[string, object, RegExp]>([
    ['no fields', {}, /requires fields/],
    ['empty fields', { fields: {} }, /requires fields/],
    ['an unknown option', { fields, row: 'x' }, /no option 'row'/],
    ['a wrong unit', { fields, timeUnit: 'min' }, /timeUnit to be one of s, ms, us, ns, got 'min'/],
    ['a wrong numbers', { fields, numbers: 'text' }, /numbers to be 'number' or 'string'/],
    ['a field called time beside time', { fields: { time: 't' }, time: 't' }, /other names than time/],
    ['a condition without a path', { fields, match: {} }, /match to name at least one path/],
    ['a condition by an object', { fields, ignore: { a: { b: 1 } } }, /ignore at a to be a value/],
    ['no conditions', { fields, ignore: [] }, /at least one condition/],
  ])('%s is refused at call time', (_, options, text) => {
    expect(() => samplesBy(options as SamplesByOptions)).toThrow(text);
  });

  test('whatever comes is samples of numbers or a StreamnormError', () => {
    const samples = samplesBy({ rows: 'data', fields: { x: 'x', y: '1' }, time: 't', numbers: 'string' });
    const row = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom('x', 't', '1', '__proto__'), fc.jsonValue()));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ data: fc.oneof(row, fc.array(row)) })), (message) => {
        try {
          for (const sample of samples(message)) {
            expect(Object.keys(sample)).toEqual(['x', 'y', 'time']);
            expect(Object.values(sample).every((value) => typeof value === 'number')).toBe(true);
          }
        } catch (error) {
          expect((error as { name: string }).name).toBe('StreamnormError');
        }
      }),
    );
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

test('decimalNumber reads what JavaScript writes, and nothing but decimals', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
      expect(decimalNumber(String(x))).toBe(x + 0);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const number = decimalNumber(text);
      if (number !== undefined) expect(number).toBe(Number(text));
    }),
  );
});

test('a condition holds when all of its paths do, a list when one of its conditions does', () => {
  const both = matches('doc', 'match', { a: 1, 'b.c': null });
  expect([both({ a: 1, b: { c: null } }), both({ a: 1 }), both({ a: '1', b: { c: null } })]).toEqual([
    true,
    false,
    false,
  ]);
  const either = matches('doc', 'match', [{ a: 1 }, { b: { exists: false } }]);
  expect([either({ a: 1, b: 1 }), either({}), either({ b: 1 })]).toEqual([true, true, false]);
});

test('samplesBy gives each row its key as a text, and refuses one without', () => {
  const read = samplesBy({ rows: 'data', fields: { x: 'x' }, key: 's' });
  expect(
    read({
      data: [
        { x: 1, s: 'a' },
        { x: 2, s: 7 },
      ],
    }),
  ).toEqual([
    { x: 1, key: 'a' },
    { x: 2, key: '7' },
  ]);
  expect(() => read({ data: [{ x: 1 }] })).toThrow('key of row 0 must be a text or a number, got nothing');
  expect(() => samplesBy({ fields: { key: 'x' }, key: 's' })).toThrow('requires fields to have other names than key');
});
