import { shown } from '../core/parameter.ts';
import { type JsonObject, readJsonObject, requireObject } from './read-json.ts';
import { quoted, refuse } from './refuse.ts';
import { DTYPE_BITS, type Dtype, type Tensor } from './tensor.ts';

export interface Safetensors {
  /** By name, in the order of their bytes. They are views of the file: nothing is copied. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The texts under `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
}

const LENGTH_BYTES = 8;
/** The limit of the format; a longer header is refused before any memory is taken. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA = '__metadata__';

/**
 * Reads a safetensors file: the length of the header (u64, little-endian), the header (JSON, `{ name: { dtype, shape,
 * data_offsets } }`), the data. Offsets are relative to the data, which the tensors must cover without hole or overlap.
 *
 * Format: https://github.com/huggingface/safetensors#format. Memory: that of the header.
 *
 * @throws StreamnormError STATE for anything else; TypeError when `bytes` are none
 * @example readSafetensors(writeSafetensors({ a: tensorOf('F64', [2], [1, 2]) })).tensors.get('a')?.shape // [2]
 */
export function readSafetensors(bytes: Uint8Array | ArrayBuffer): Safetensors {
  const file = bytesOf('readSafetensors', bytes);
  const header = readHeader(file);
  const data = file.subarray(LENGTH_BYTES + header.bytes);
  const metadata = new Map<string, string>();
  const found: { name: string; tensor: Tensor; begin: number; end: number }[] = [];
  for (const [name, info] of Object.entries(header.fields)) {
    if (name === METADATA) {
      for (const [key, text] of Object.entries(requireObject(info, METADATA))) {
        if (typeof text !== 'string') refuse(`${METADATA}: ${quoted(key)} must be a text`);
        metadata.set(key, text);
      }
    } else {
      found.push({ name, ...readInfo(name, requireObject(info, `tensor ${quoted(name)}`), data) });
    }
  }
  found.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of found) {
    if (begin < at) refuse(`tensor ${quoted(name)} overlaps another: it begins at byte ${begin}, not at ${at}`);
    if (begin > at) refuse(`bytes ${at} to ${begin} of the data, before tensor ${quoted(name)}, belong to no tensor`);
    at = end;
  }
  if (at < data.length) refuse(`the last ${data.length - at} bytes of the file belong to no tensor`);
  return { tensors: new Map(found.map(({ name, tensor }) => [name, tensor])), metadata };
}

function readHeader(file: Uint8Array): { fields: JsonObject; bytes: number } {
  if (file.length < LENGTH_BYTES) refuse(`a safetensors file has at least 8 bytes, this one has ${file.length}`);
  const bytes = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (bytes > MAX_HEADER_BYTES) {
    refuse(`the safetensors header claims ${bytes} bytes, more than the ${MAX_HEADER_BYTES} that the format allows`);
  }
  if (bytes > file.length - LENGTH_BYTES) {
    refuse(`the safetensors header claims ${bytes} bytes, the file has ${file.length - LENGTH_BYTES} after its length`);
  }
  const header = file.subarray(LENGTH_BYTES, LENGTH_BYTES + bytes);
  if (header[0] !== 0x7b) refuse("the safetensors header must begin with '{'");
  return { fields: readJsonObject(textOf(header, 'the safetensors header'), 'the safetensors header'), bytes };
}

function readInfo(name: string, info: JsonObject, data: Uint8Array): { tensor: Tensor; begin: number; end: number } {
  const what = `tensor ${quoted(name)}`;
  const { dtype, shape, data_offsets: offsets } = info;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BITS, dtype)) {
    refuse(`${what} has the unknown dtype ${typeof dtype === 'string' ? quoted(dtype) : shown(dtype)}`);
  }
  if (!isCounts(shape)) refuse(`${what}: shape must be a list of whole numbers >= 0`);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    refuse(`${what}: data_offsets must be [begin, end], whole numbers with 0 <= begin <= end`);
  }
  const [begin, end] = offsets;
  if (end > data.length) refuse(`${what} ends at byte ${end} of the data, which has ${data.length}`);
  const bits = shape.reduce((product, length) => product * length, 1) * DTYPE_BITS[dtype as Dtype];
  if (bits / 8 !== end - begin) {
    const claimed = `${dtype} × [${shape.slice(0, 8).join(', ')}${shape.length > 8 ? ', …' : ''}]`;
    refuse(`${what}: ${claimed} takes ${bits / 8} bytes, its data_offsets span ${end - begin}`);
  }
  return { tensor: { dtype: dtype as Dtype, shape, data: data.subarray(begin, end) }, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/**
 * Writes a safetensors file. Wide types come first and the header is padded with spaces to 8 bytes, so that every
 * tensor is aligned to its type.
 *
 * @throws RangeError for data that does not fit its dtype and shape, or a tensor named `__metadata__`
 * @example writeSafetensors({ n: tensorOf('I64', [], [3]) }).length // 72
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const entries: [string, Tensor][] = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  entries.sort(([, a], [, b]) => DTYPE_BITS[b.dtype] - DTYPE_BITS[a.dtype]);
  const fields = Object.keys(metadata).length === 0 ? [] : [`"${METADATA}":${JSON.stringify(metadata)}`];
  let end = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    const begin = end;
    end += data.length;
    const bits = shape.reduce((product, length) => product * length, 1) * DTYPE_BITS[dtype];
    if (name === METADATA || bits !== data.length * 8) {
      throw new RangeError(
        `writeSafetensors cannot write ${quoted(name)}: ${data.length} bytes as ${dtype} × ${shown(shape)}`,
      );
    }
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const text = new TextEncoder().encode(`{${fields.join(',')}}`);
  const start = Math.ceil((LENGTH_BYTES + text.length) / 8) * 8;
  const file = new Uint8Array(start + end).fill(0x20, 0, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - LENGTH_BYTES), true);
  file.set(text, LENGTH_BYTES);
  let at = start;
  for (const [, { data }] of entries) {
    file.set(data, at);
    at += data.length;
  }
  return file;
}

/** @throws TypeError unless these are bytes */
export function bytesOf(where: string, bytes: unknown): Uint8Array {
  if (bytes instanceof Uint8Array) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  throw new TypeError(`${where} requires a Uint8Array or an ArrayBuffer, got ${shown(bytes)}`);
}

/** @throws StreamnormError STATE unless these are UTF-8 */
export function textOf(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    refuse(`${what} is not UTF-8`, cause);
  }
}
