import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SampleShape, sampleShape } from '../../src/core/sample-shape.ts';

test.each<[string, unknown, readonly string[] | undefined, number]>([
  ['a number', 5, undefined, 1],
  ['NaN', Number.NaN, undefined, 1],
  ['an array', [1, 2, 3], undefined, 3],
  ['an array with holes and nulls', [null, undefined, 1], undefined, 3],
  ['a typed array', Uint8Array.of(1, 2), undefined, 2],
  ['a record', { a: 1, b: 2, c: 3 }, ['c', 'a'], 2],
  ['an array with labels', [1, 2], ['a', 'b'], 2],
])('the first sample tells the shape: %s', (_, sample, features, width) => {
  const shape = sampleShape('test', sample, features);
  expect([shape?.width, shape?.names]).toEqual([width, features]);
});

test.each([null, undefined, 'text', true, 1n, Symbol('s'), () => 1])('%s tells no shape', (sample) => {
  expect(sampleShape('test', sample, undefined)).toBeUndefined();
});

test.each<[string, unknown, readonly string[] | undefined, RegExp]>([
  ['an empty array', [], undefined, /^test requires samples with at least one feature, got an array of none$/],
  ['an empty typed array', new Float64Array(0), undefined, /at least one feature, got a typed array of none$/],
  ['too few labels', [1, 2], ['a'], /^test has 1 features \(a\), the first sample is an array of 2$/],
  ['labels of a number', 5, ['a', 'b'], /^test has 2 features \(a, b\), the first sample is a number of 1$/],
  ['a record without features', { a: 1, t: 'x', b: 2 }, undefined, /^test requires features: .* numeric fields a, b$/],
  ['a record without numbers', { t: 'x' }, undefined, /numeric fields \(none\)$/],
  ['a DataView', new DataView(new ArrayBuffer(8)), undefined, /^test requires features/],
])('%s throws', (_, sample, features, message) => {
  expect(() => sampleShape('test', sample, features)).toThrow(TypeError);
  expect(() => sampleShape('test', sample, features)).toThrow(message);
});

describe.each<[string, unknown, readonly string[] | undefined, [unknown, boolean, number[]][]]>([
  [
    'a number',
    1,
    undefined,
    [
      [2, true, [2]],
      [Number.NaN, true, [Number.NaN]],
      [null, true, [Number.NaN]],
      [undefined, true, [Number.NaN]],
      ['2', false, [Number.NaN]],
      [[2], false, [Number.NaN]],
    ],
  ],
  [
    'an array',
    [1, 2],
    undefined,
    [
      [[3, 4], true, [3, 4]],
      [[null, 4], true, [Number.NaN, 4]],
      [['3', true], true, [Number.NaN, Number.NaN]],
      [[3], false, [Number.NaN, Number.NaN]],
      [[3, 4, 5], false, [Number.NaN, Number.NaN]],
      [Float64Array.of(3, 4), false, [Number.NaN, Number.NaN]],
      [null, false, [Number.NaN, Number.NaN]],
    ],
  ],
  [
    'a typed array',
    Float32Array.of(1, 2),
    undefined,
    [
      [Float32Array.of(3, 4), true, [3, 4]],
      [Float32Array.of(3), false, [Number.NaN, Number.NaN]],
      [[3, 4], false, [Number.NaN, Number.NaN]],
    ],
  ],
  [
    'a record',
    { a: 1, b: 2 },
    ['a', 'b'],
    [
      [{ b: 4, a: 3 }, true, [3, 4]],
      [{ a: 3 }, true, [3, Number.NaN]],
      [{ a: '3', b: null }, true, [Number.NaN, Number.NaN]],
      [null, false, [Number.NaN, Number.NaN]],
      [7, false, [Number.NaN, Number.NaN]],
    ],
  ],
])('where the first was %s', (_, first, features, cases) => {
  test.each(cases)('%j is read', (sample, fits, values) => {
    const shape = sampleShape('test', first, features)!;
    const into = new Float64Array(shape.width + 2).fill(9);
    expect(shape.read(sample, into, 1)).toBe(fits);
    expect([...into]).toEqual([9, ...values, 9]);
  });
});

test('a number of a 64-bit integer array is read as a number', () => {
  const shape = sampleShape('test', BigInt64Array.of(1n, 2n), undefined)!;
  const into = new Float64Array(2);
  shape.read(BigInt64Array.of(3n, -4n), into, 0);
  expect([...into]).toEqual([3, -4]);
});

describe('write', () => {
  const values = Float64Array.of(9, 0.5, -0.5);

  test('a number', () => expect(written(7)).toBe(0.5));

  test('an array: a new one', () => {
    const sample = [1, 2];
    expect(written(sample)).toEqual([0.5, -0.5]);
    expect(sample).toEqual([1, 2]);
  });

  test.each([Float32Array, Float64Array])('%o keeps its kind', (Kind) => {
    expect(written(Kind.of(1, 2))).toEqual(Kind.of(0.5, -0.5));
  });

  test.each([Int8Array, Uint8Array, Uint8ClampedArray, Uint32Array])(
    '%o becomes Float64Array: integers would cut z to 0',
    (Kind) => {
      expect(written(Kind.of(1, 2))).toEqual(Float64Array.of(0.5, -0.5));
    },
  );

  test('a record: a copy in which only the features are replaced, in the order of their names', () => {
    const sample = { a: 1, b: 2, id: 'x' };
    expect(written(sample, ['b', 'a'])).toEqual({ a: -0.5, b: 0.5, id: 'x' });
    expect(sample).toEqual({ a: 1, b: 2, id: 'x' });
  });

  test('over what is no record: a record of the features only', () => {
    const shape = sampleShape<unknown>('test', { a: 1, b: 2 }, ['a', 'b'])!;
    expect([null, 'text', 7].map((odd) => shape.write(odd, values, 1))).toEqual(new Array(3).fill({ a: 0.5, b: -0.5 }));
  });

  function written<S>(sample: S, features?: readonly string[]): S {
    return sampleShape<S>('test', sample, features)!.write(sample, values, 1);
  }
});

test('reading what was written gives the values back', () => {
  const numbers = fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(numbers, fc.constantFrom('array', 'typed', 'record'), (values, form) => {
      const names = values.map((_, j) => `f${j}`);
      const zeros = values.map(() => 0);
      const first =
        form === 'array'
          ? zeros
          : form === 'typed'
            ? Float64Array.from(zeros)
            : Object.fromEntries(names.map((name) => [name, 0]));
      const shape: SampleShape<unknown> = sampleShape('test', first, form === 'record' ? names : undefined)!;
      const into = new Float64Array(values.length);
      expect(shape.read(shape.write(first, values, 0), into, 0)).toBe(true);
      expect([...into]).toEqual(values);
    }),
  );
});
