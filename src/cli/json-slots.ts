import { SLOT } from './row-block.ts';

const QUOTE = 34;
const COMMA = 44;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const SPACE = 32;

/**
 * Where values lie in the text of one JSON value that `JSON.parse` has accepted. Output is made by replacing those and
 * nothing else, because `JSON.stringify` would lose digits of long numbers, the order of keys that look like numbers,
 * and how things were written.
 */

/**
 * Places the members called `indexOf` in an object; of members of the same name the last one counts, as in `JSON.parse`.
 *
 * @returns how many were written to `slots` from `at` on
 */
export function recordSlots(
  bytes: Buffer,
  from: number,
  indexOf: ReadonlyMap<string, number>,
  slots: Int32Array,
  at: number,
): number {
  let count = 0;
  let i = skipSpace(bytes, skipSpace(bytes, from) + 1);
  while (bytes[i] !== CLOSE_OBJECT) {
    const nameEnd = skipString(bytes, i);
    const name = nameOf(bytes, i, nameEnd);
    const start = skipSpace(bytes, skipSpace(bytes, nameEnd) + 1);
    const end = skipValue(bytes, start);
    const index = indexOf.get(name);
    if (index !== undefined) {
      count = withoutIndex(slots, at, count, index);
      const slot = at + count++ * SLOT;
      slots[slot] = start;
      slots[slot + 1] = end;
      slots[slot + 2] = index;
    }
    i = skipSpace(bytes, end);
    if (bytes[i] === COMMA) i = skipSpace(bytes, i + 1);
  }
  return count;
}

/** Places all items of a list of numbers and nulls. */
export function listSlots(bytes: Buffer, from: number, slots: Int32Array, at: number): void {
  let i = skipSpace(bytes, skipSpace(bytes, from) + 1);
  for (let index = 0, slot = at; bytes[i] !== CLOSE_LIST; index++, slot += SLOT) {
    const end = skipValue(bytes, i);
    slots[slot] = i;
    slots[slot + 1] = end;
    slots[slot + 2] = index;
    i = skipSpace(bytes, end);
    if (bytes[i] === COMMA) i = skipSpace(bytes, i + 1);
  }
}

/**
 * Places a number or null that stands alone between `from` and `to`. Nothing closes it, and behind the last line of an
 * input lies whatever the memory held before, so its end is looked for from behind.
 */
export function scalarSlot(bytes: Buffer, from: number, to: number, slots: Int32Array, at: number): void {
  let end = to;
  while (bytes[end - 1] <= SPACE) end--;
  slots[at] = skipSpace(bytes, from);
  slots[at + 1] = end;
  slots[at + 2] = 0;
}

function withoutIndex(slots: Int32Array, at: number, count: number, index: number): number {
  for (let k = 0; k < count; k++) {
    const slot = at + k * SLOT;
    if (slots[slot + 2] !== index) continue;
    slots.copyWithin(slot, slot + SLOT, at + count * SLOT);
    return count - 1;
  }
  return count;
}

function nameOf(bytes: Buffer, from: number, end: number): string {
  let plain = true;
  for (let i = from + 1; i < end - 1 && plain; i++) plain = bytes[i] !== BACKSLASH && bytes[i] < 128;
  if (plain) return bytes.toString('latin1', from + 1, end - 1);
  return JSON.parse(bytes.toString('utf8', from, end));
}

function skipSpace(bytes: Buffer, from: number): number {
  let i = from;
  while (bytes[i] <= SPACE) i++;
  return i;
}

function skipString(bytes: Buffer, from: number): number {
  let i = from + 1;
  for (; bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++;
  return i + 1;
}

/** The end of a value in a list or an object, which has something behind it. */
function skipValue(bytes: Buffer, from: number): number {
  if (bytes[from] === QUOTE) return skipString(bytes, from);
  let i = from;
  if (bytes[i] !== OPEN_LIST && bytes[i] !== OPEN_OBJECT) {
    while (bytes[i] !== COMMA && bytes[i] !== CLOSE_LIST && bytes[i] !== CLOSE_OBJECT && bytes[i] > SPACE) i++;
    return i;
  }
  let depth = 0;
  for (;;) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      i = skipString(bytes, i);
      continue;
    }
    if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    i++;
    if (depth === 0) return i;
  }
}
