import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/exchange/safetensors.ts';
import { DTYPE_BITS, type Dtype, type Tensor, tensorNumbers, tensorOf } from '../../src/exchange/tensor.ts';
import { expectRefused, expectResultOrRefusal } from './refused.ts';

/** A file of this header text and so many bytes of data; `length` is what it claims about its header. */
function file(header: string | object, data = 0, length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function f64(begin: number, end: number, shape: unknown = [(end - begin) / 8]) {
  return { dtype: 'F64', shape, data_offsets: [begin, end] };
}

test('what is written is read: names, types, shapes, values, metadata', () => {
  const tensors = {
    a: tensorOf('F32', [2, 2], [1, 2, 3, 4.5]),
    n: tensorOf('I64', [], [3]),
    'b.c': tensorOf('F64', [1], [-0]),
    none: tensorOf('F64', [0], []),
  };
  const read = readSafetensors(writeSafetensors(tensors, { format: 'pt' }));
  expect(Object.fromEntries(read.metadata)).toEqual({ format: 'pt' });
  expect(Object.fromEntries(read.tensors)).toEqual(tensors);
});

test('the layout: length, header padded with spaces to 8 bytes, wide types first', () => {
  const bytes = writeSafetensors({ a: tensorOf('F32', [1], [1]), b: tensorOf('I64', [], [2]) });
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = new TextDecoder().decode(bytes.subarray(8, start));
  expect(start % 8).toBe(0);
  expect(header).toMatch(/^\{.*\} *$/);
  expect(JSON.parse(header)).toEqual({
    b: { dtype: 'I64', shape: [], data_offsets: [0, 8] },
    a: { dtype: 'F32', shape: [1], data_offsets: [8, 12] },
  });
  expect([...bytes.subarray(start)]).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f]);
});

test('a file without tensors', () => {
  expect(readSafetensors(writeSafetensors({})).tensors.size).toBe(0);
});

test('bytes at an odd address, and an ArrayBuffer', () => {
  const bytes = writeSafetensors({ a: tensorOf('F64', [2], [1.5, 2.5]) });
  const odd = new Uint8Array(bytes.length + 3);
  odd.set(bytes, 3);
  for (const given of [odd.subarray(3), bytes.buffer as ArrayBuffer, Buffer.from(bytes)]) {
    expect([...tensorNumbers(readSafetensors(given).tensors.get('a')!, 'a')]).toEqual([1.5, 2.5]);
  }
});

test('tensors that are not aligned to their type', () => {
  const bytes = file({ b: { dtype: 'BOOL', shape: [1], data_offsets: [0, 1] }, a: f64(1, 9) }, 9);
  new DataView(bytes.buffer).setFloat64(bytes.length - 8, 2.5, true);
  expect([...tensorNumbers(readSafetensors(bytes).tensors.get('a')!, 'a')]).toEqual([2.5]);
});

test('spaces behind the header, and entries in another order than their bytes', () => {
  const bytes = file(`${JSON.stringify({ b: f64(8, 16), a: f64(0, 8) })}   `, 16);
  expect([...readSafetensors(bytes).tensors.keys()]).toEqual(['a', 'b']);
});

test.each(['__proto__', 'constructor', 'toString', '', 'a\u0000b'])('a tensor may be called %j', (name) => {
  const bytes = writeSafetensors(new Map([[name, tensorOf('F64', [1], [7])]]));
  const { tensors } = readSafetensors(bytes);
  expect([...tensors.keys()]).toEqual([name]);
  expect(([] as unknown as { polluted: unknown }).polluted).toBeUndefined();
});

describe('values become float64', () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  test.each<[Dtype, Uint8Array, number[]]>([
    ['F16', bytes(0, 0x3c, 0, 0xc0, 1, 0, 0xff, 0x7b), [1, -2, 2 ** -24, 65504]],
    ['F16', bytes(0, 0x7c, 0, 0xfc, 0, 0x80, 0, 4), [Infinity, -Infinity, -0, 2 ** -14]],
    ['F16', bytes(1, 0x7c), [Number.NaN]],
    ['BF16', bytes(0x80, 0x3f, 0, 0xc0, 0x80, 0x7f), [1, -2, Infinity]],
    ['F32', bytes(0, 0, 0x80, 0x3f), [1]],
    ['I32', bytes(0xff, 0xff, 0xff, 0xff), [-1]],
    ['I64', bytes(0, 0, 0, 0, 0, 0, 0x10, 0), [2 ** 52]],
  ])('%s', (dtype, data, expected) => {
    const tensor: Tensor = { dtype, shape: [expected.length], data };
    expect([...tensorNumbers(tensor, 'a')]).toEqual(expected);
  });

  test('an I64 beyond 2^53 is refused', () => {
    const tensor: Tensor = { dtype: 'I64', shape: [], data: bytes(1, 0, 0, 0, 0, 0, 0x20, 0) };
    expectRefused(() => tensorNumbers(tensor, 'n'), '"n" holds 9007199254740993, which is beyond 2^53');
  });

  test('a type that is no number is refused, though the file can be read', () => {
    const { tensors } = readSafetensors(file({ q: { dtype: 'F8_E4M3', shape: [2], data_offsets: [0, 2] } }, 2));
    expectRefused(() => tensorNumbers(tensors.get('q')!, 'q'), '"q" has dtype F8_E4M3, expected F64, F32');
  });
});

describe('a hostile file is one StreamnormError of code STATE', () => {
  test.each<[string, Uint8Array, RegExp | string]>([
    ['no bytes', new Uint8Array(0), 'at least 8 bytes, this one has 0'],
    ['seven bytes', new Uint8Array(7), 'at least 8 bytes, this one has 7'],
    [
      'a header of 1 GB that is not there',
      file('{}', 0, 10n ** 9n),
      'claims 1000000000 bytes, more than the 100000000',
    ],
    ['a header of 2^64 - 1', file('{}', 0, 2n ** 64n - 1n), /claims 1844674407370955\d+ bytes, more than/],
    ['a header longer than the file', file('{}', 3, 6n), 'claims 6 bytes, the file has 5 after its length'],
    ['a header of no bytes', file(''), "must begin with '{'"],
    ['a space before the header', file(' {}'), "must begin with '{'"],
    ['a list', file('[]'), "must begin with '{'"],
    ['not JSON', file('{"a":'), 'the safetensors header is not JSON'],
    ['text behind the JSON', file('{} x'), 'is not JSON'],
    ['NaN', file('{"a":NaN}'), 'is not JSON'],
    ['not UTF-8', Uint8Array.of(...file('{"a":0}').map((b) => (b === 0x61 ? 0xff : b))), 'is not UTF-8'],
    ['a million brackets', file(`{"a":${'['.repeat(1e6)}`), 'nested more than 32 levels deep'],
    [
      'a name twice',
      file(
        '{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}',
        8,
      ),
      'has the field "a" twice',
    ],
    [
      'a name twice, spelled differently',
      file(
        '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      ),
      'has the field "a" twice',
    ],
    ['a field twice', file('{"a":{"dtype":"F64","dtype":"F64","shape":[1],"data_offsets":[0,8]}}', 8), '"dtype" twice'],
    [
      'an overlap',
      file({ a: f64(0, 16), b: f64(8, 24) }, 24),
      'tensor "b" overlaps another: it begins at byte 8, not at 16',
    ],
    ['the same bytes twice', file({ a: f64(0, 8), b: f64(0, 8) }, 8), 'overlaps another'],
    ['an empty tensor inside of another', file({ a: f64(0, 16), b: f64(8, 8) }, 16), 'overlaps another'],
    ['a hole', file({ a: f64(0, 8), b: f64(16, 24) }, 24), 'bytes 8 to 16 of the data, before tensor "b"'],
    ['a hole at the front', file({ a: f64(8, 16) }, 16), 'bytes 0 to 8 of the data'],
    ['bytes at the end', file({ a: f64(0, 8) }, 9), 'the last 1 bytes of the file belong to no tensor'],
    ['bytes and no tensor', file({}, 1), 'the last 1 bytes'],
    ['an end beyond the file', file({ a: f64(0, 16) }, 8), 'tensor "a" ends at byte 16 of the data, which has 8'],
    ['a shape too large', file({ a: f64(0, 8, [2]) }, 8), 'F64 × [2] takes 16 bytes, its data_offsets span 8'],
    ['a shape too small', file({ a: f64(0, 8, [0]) }, 8), 'takes 0 bytes'],
    ['a shape whose product overflows', file({ a: f64(0, 8, [2 ** 52, 2 ** 52, 0]) }, 8), 'its data_offsets span 8'],
    [
      'a shape whose product is infinite times 0',
      file({ a: f64(0, 0, [...Array(30).fill(2 ** 52), 0]) }),
      'takes NaN bytes',
    ],
    ['a negative shape', file({ a: f64(0, 8, [-1]) }, 8), 'shape must be a list of whole numbers >= 0'],
    ['a broken shape', file({ a: f64(0, 8, [0.5, 2]) }, 8), 'shape must be a list'],
    ['a shape that is text', file({ a: f64(0, 8, ['1']) }, 8), 'shape must be a list'],
    ['a shape that is a number', file({ a: f64(0, 8, 1) }, 8), 'shape must be a list'],
    ['no shape', file({ a: { dtype: 'F64', data_offsets: [0, 8] } }, 8), 'shape must be a list'],
    ['an unknown dtype', file({ a: { ...f64(0, 8), dtype: 'F128' } }, 8), 'tensor "a" has the unknown dtype "F128"'],
    ['a dtype of another case', file({ a: { ...f64(0, 8), dtype: 'f64' } }, 8), 'unknown dtype "f64"'],
    [
      'a dtype that is a property',
      file({ a: { ...f64(0, 8), dtype: 'constructor' } }, 8),
      'unknown dtype "constructor"',
    ],
    ['no dtype', file({ a: { shape: [1], data_offsets: [0, 8] } }, 8), 'unknown dtype undefined'],
    [
      'offsets the wrong way',
      file({ a: { ...f64(0, 8), data_offsets: [8, 0] } }, 8),
      'data_offsets must be [begin, end]',
    ],
    ['a negative offset', file({ a: { ...f64(0, 8), data_offsets: [-8, 0] } }, 8), 'data_offsets must be'],
    ['an offset beyond 2^53', file({ a: { ...f64(0, 8), data_offsets: [0, 2 ** 53] } }, 8), 'data_offsets must be'],
    ['one offset', file({ a: { ...f64(0, 8), data_offsets: [0] } }, 8), 'data_offsets must be'],
    ['no offsets', file({ a: { dtype: 'F64', shape: [1] } }, 8), 'data_offsets must be'],
    ['half a byte', file({ a: { dtype: 'F4', shape: [1], data_offsets: [0, 1] } }, 1), 'takes 0.5 bytes'],
    ['a tensor that is a list', file({ a: [] }), 'tensor "a" must be a JSON object'],
    ['a tensor that is null', file({ a: null }), 'tensor "a" must be a JSON object'],
    ['__proto__ that is no tensor', file('{"__proto__":{"polluted":1}}'), 'tensor "__proto__" has the unknown dtype'],
    ['metadata that are a list', file({ __metadata__: [] }), '__metadata__ must be a JSON object'],
    ['metadata that are numbers', file({ __metadata__: { a: 1 } }), '__metadata__: "a" must be a text'],
    ['a name that steers the terminal', file({ '\u009b2J\u001b': 1 }), 'tensor "\\u009b2J\\u001b" must be'],
    ['a name without end', file({ ['x'.repeat(1e6)]: 1 }), /^tensor "x{80}…" must be/],
  ])('%s', (_, bytes, message) => {
    expectRefused(() => readSafetensors(bytes), message);
  });

  test('a header of 1 GB is refused without taking memory', () => {
    const before = process.memoryUsage();
    expectRefused(() => readSafetensors(file('{}', 0, 10n ** 9n)));
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1e6);
    expect(after.rss - before.rss).toBeLessThan(50e6);
  });

  test('what is no bytes is a TypeError', () => {
    for (const wrong of ['text', [1, 2], null, new Float64Array(2)])
      expect(() => readSafetensors(wrong as never)).toThrow(
        /readSafetensors requires a Uint8Array or an ArrayBuffer, got/,
      );
  });
});

test.each<[string, Record<string, Tensor>]>([
  ['data that do not fit the shape', { a: { dtype: 'F64', shape: [2], data: new Uint8Array(8) } }],
  ['a tensor called __metadata__', { __metadata__: tensorOf('F64', [1], [1]) }],
])('writeSafetensors refuses %s', (_, tensors) => {
  expect(() => writeSafetensors(tensors)).toThrow(RangeError);
});

const anyTensor = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(DTYPE_BITS) as Dtype[])).filter((dtype) => DTYPE_BITS[dtype] >= 8),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  })
  .chain(({ dtype, shape }) => {
    const length = (shape.reduce((product, n) => product * n, 1) * DTYPE_BITS[dtype]) / 8;
    return fc.uint8Array({ minLength: length, maxLength: length }).map((data): Tensor => ({ dtype, shape, data }));
  });
const anyName = fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__');
const anyFile = fc.tuple(fc.array(fc.tuple(anyName, anyTensor), { maxLength: 6 }), fc.dictionary(anyName, fc.string()));

test('property: reading what was written gives the same tensors and metadata', () => {
  fc.assert(
    fc.property(anyFile, ([entries, metadata]) => {
      const tensors = new Map(entries);
      const read = readSafetensors(writeSafetensors(tensors, metadata));
      expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
      expect(new Map([...read.metadata].sort())).toEqual(new Map(Object.entries(metadata).sort()));
    }),
  );
});

test('property: any damage is read or refused, and nothing else', () => {
  fc.assert(
    fc.property(
      anyFile,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }),
      fc.nat(),
      ([entries, metadata], damages, cut) => {
        const bytes = writeSafetensors(new Map(entries), metadata);
        for (const [at, value] of damages) bytes[at % bytes.length] = value;
        expectResultOrRefusal(() => readSafetensors(bytes));
        expectResultOrRefusal(() => readSafetensors(bytes.subarray(0, cut % bytes.length)));
      },
    ),
    { numRuns: 1000 },
  );
});
