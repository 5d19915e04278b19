import { quoted, refuse } from './refuse.ts';

/** Bits of one value, for every type that safetensors knows. */
export const DTYPE_BITS = {
  F64: 64,
  F32: 32,
  F16: 16,
  BF16: 16,
  I64: 64,
  I32: 32,
  I16: 16,
  I8: 8,
  U64: 64,
  U32: 32,
  U16: 16,
  U8: 8,
  BOOL: 8,
  C64: 64,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F6_E3M2: 6,
  F6_E2M3: 6,
  F4: 4,
} as const;

export type Dtype = keyof typeof DTYPE_BITS;

/** A tensor as it lies in a file: `data` holds its values row-major and little-endian, at any alignment. */
export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Types whose values become float64; of the rest only the size is known. */
const READERS: Readonly<Partial<Record<Dtype, (view: DataView, at: number) => number | bigint>>> = {
  F64: (view, at) => view.getFloat64(at, true),
  F32: (view, at) => view.getFloat32(at, true),
  F16: (view, at) => float16(view.getUint16(at, true)),
  BF16: (view, at) => bfloat16(view.getUint16(at, true)),
  I64: (view, at) => view.getBigInt64(at, true),
  I32: (view, at) => view.getInt32(at, true),
};

const WRITERS = {
  F64: (view: DataView, at: number, value: number) => view.setFloat64(at, value, true),
  F32: (view: DataView, at: number, value: number) => view.setFloat32(at, value, true),
  I64: (view: DataView, at: number, value: number) => view.setBigInt64(at, BigInt(value), true),
} as const;

/**
 * A tensor of numbers.
 *
 * @param shape `[]` for a scalar
 * @throws RangeError for another number of values than the shape has, or an I64 that is no whole number
 * @example tensorOf('F64', [2], [0.5, 1.5]).data.length // 16
 */
export function tensorOf(dtype: keyof typeof WRITERS, shape: readonly number[], values: ArrayLike<number>): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  if (values.length !== size) {
    throw new RangeError(`tensorOf requires ${size} values for the shape [${shape.join(', ')}], got ${values.length}`);
  }
  const bytes = DTYPE_BITS[dtype] / 8;
  const data = new Uint8Array(size * bytes);
  const view = new DataView(data.buffer);
  for (let i = 0; i < size; i++) WRITERS[dtype](view, i * bytes, values[i]);
  return { dtype, shape: [...shape], data };
}

/**
 * The values of a tensor as float64; exact for F64, F32, F16, BF16, I32, and for I64 up to 2^53.
 *
 * @param name names the tensor in messages
 * @throws StreamnormError STATE for another type, or an integer that float64 cannot hold
 */
export function tensorNumbers(tensor: Tensor, name: string): Float64Array {
  const { dtype, data } = tensor;
  const read = READERS[dtype];
  if (read === undefined) refuse(`${quoted(name)} has dtype ${dtype}, expected ${Object.keys(READERS).join(', ')}`);
  const bytes = DTYPE_BITS[dtype] / 8;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const numbers = new Float64Array(data.length / bytes);
  for (let i = 0; i < numbers.length; i++) {
    const value = read(view, i * bytes);
    numbers[i] = Number(value);
    if (typeof value === 'bigint' && !Number.isSafeInteger(numbers[i])) {
      refuse(`${quoted(name)} holds ${value}, which is beyond 2^53`);
    }
  }
  return numbers;
}

/** IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 1024;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** The upper half of a float32. */
function bfloat16(bits: number): number {
  word.setUint32(0, bits * 0x10000);
  return word.getFloat32(0);
}
