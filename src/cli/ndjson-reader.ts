import { readTime, TIME_RULE } from '../core/read-time.ts';
import { StreamnormError } from '../errors.ts';
import { type BadLines, quoted } from './bad-lines.ts';
import { listSlots, recordSlots, scalarSlot } from './json-slots.ts';
import { type RowBlock, SLOT } from './row-block.ts';
import { type KeyOf, LINE_TOO_LONG, MAX_LINE_BYTES, type ReadOptions, type RowReader } from './row-reader.ts';

const NEWLINE = 10;
const SPACE = 32;

type Shape = 'record' | 'list' | 'number';
type Fields = Record<string, unknown>;

/**
 * One JSON value a line: a record, a list of numbers or a number, all like the first. Blank lines are left out.
 *
 * Without given features they are the numeric fields of the first record, time, key and weight excepted; lists and numbers
 * need none. A field that a record lacks is missing, and stays absent.
 */
export class NdjsonReader implements RowReader {
  readonly missing: string;
  features: readonly string[] | undefined;
  readonly #options: ReadOptions;
  readonly #bad: BadLines;
  readonly #keyOf: KeyOf;
  #shape: Shape | undefined;
  #indexOf: ReadonlyMap<string, number>;
  #line: number;
  #skipping: boolean;
  /** Where the line that was looked at last begins and ends, its line break excluded, and what follows it. */
  #start: number;
  #end: number;
  #next: number;

  constructor(options: ReadOptions, bad: BadLines, keyOf: KeyOf) {
    this.missing = 'null';
    this.features = undefined;
    this.#options = options;
    this.#bad = bad;
    this.#keyOf = keyOf;
    const recordsOnly = [options.features, options.key, options.time, options.sampleWeight].some(
      (x) => x !== undefined,
    );
    this.#shape = recordsOnly ? 'record' : undefined;
    this.#indexOf = new Map();
    this.#line = 0;
    this.#skipping = false;
    this.#start = 0;
    this.#end = 0;
    this.#next = 0;
    if (options.features !== undefined) this.#use(options.features);
  }

  takeHead(): undefined {}

  readHead(bytes: Buffer, from: number, to: number, last: boolean): number {
    this.#next = from;
    while (this.features === undefined && this.#find(bytes, to, last)) {
      const value = this.#parse(bytes);
      if (value === undefined) continue;
      const shape = this.#shape ?? shapeOf(value);
      const complaint = complaintAbout(value, shape);
      if (shape === undefined || complaint !== undefined) {
        this.#bad.add(
          this.#line,
          complaint ?? `${described(value)}, not a record, a list of numbers or a number`,
          this.#lineIn(bytes),
        );
        continue;
      }
      this.#shape = shape;
      this.#use(this.#featuresOf(value, shape));
      // the line itself is read with the others
      this.#line -= 1;
      return this.#start;
    }
    return this.#next;
  }

  read(block: RowBlock, from: number, to: number, last: boolean, arrivedMs: number): number {
    const { bytes, features: width } = block;
    const features = this.features as readonly string[];
    const shape = this.#shape as Shape;
    this.#next = from;
    while (this.#find(bytes, to, last)) {
      const value = this.#parse(bytes);
      if (value === undefined) continue;
      let complaint = complaintAbout(value, shape);
      if (complaint !== undefined) {
        this.#bad.add(this.#line, complaint, this.#lineIn(bytes));
        continue;
      }
      block.reserve();
      const index = block.rows;
      const first = index * width;
      let time = arrivedMs;
      let key = '';
      let slots = width;
      if (shape === 'record') {
        const record = value as Fields;
        complaint = readRecord(record, features, block.values, first);
        if (complaint === undefined && this.#options.time !== undefined) {
          const found = own(record, this.#options.time);
          time = readTime(found);
          if (Number.isNaN(time)) complaint = `${this.#options.time} is ${described(found)}, not ${TIME_RULE}`;
        }
        if (complaint === undefined && this.#options.key !== undefined) {
          const found = own(record, this.#options.key);
          key = String(found);
          if (found === undefined || found === null || typeof found === 'object') {
            complaint = `${this.#options.key} is ${described(found)}, not a key`;
          }
        }
        if (complaint === undefined && this.#options.sampleWeight !== undefined) {
          const found = own(record, this.#options.sampleWeight) ?? Number.NaN;
          if (typeof found === 'number') block.weights[index] = found;
          else complaint = `${this.#options.sampleWeight} is ${described(found)}, neither a number nor null`;
        }
        if (complaint === undefined) slots = recordSlots(bytes, this.#start, this.#indexOf, block.slots, first * SLOT);
      } else if (shape === 'list') {
        complaint = readList(value as unknown[], width, block.values, first);
        if (complaint === undefined) listSlots(bytes, this.#start, block.slots, first * SLOT);
      } else {
        block.values[first] = value === null ? Number.NaN : (value as number);
        scalarSlot(bytes, this.#start, this.#end, block.slots, first * SLOT);
      }
      if (complaint !== undefined) {
        this.#bad.add(this.#line, complaint, this.#lineIn(bytes));
        continue;
      }
      const known = this.#keyOf(key);
      if (known === undefined) {
        this.#bad.add(this.#line, `there are no statistics for the key ${quoted(key)}`, this.#lineIn(bytes));
        continue;
      }
      if (slots < width) block.slots[(first + slots) * SLOT] = -1;
      block.times[index] = time;
      block.line[index] = this.#line;
      block.keys[index] = known;
      block.rowStart[index] = this.#start;
      block.rowEnd[index] = this.#next;
      block.rows = index + 1;
    }
    return this.#next;
  }

  #use(features: readonly string[]): void {
    this.features = features;
    this.#indexOf = new Map(features.map((name, i) => [name, i]));
  }

  #featuresOf(value: unknown, shape: Shape): string[] {
    if (shape === 'number') return ['value'];
    if (shape === 'list') return (value as unknown[]).map((_, i) => String(i));
    const { time, key, sampleWeight } = this.#options;
    const others = [time, key, sampleWeight];
    const names = Object.entries(value as Fields)
      .filter(([name, field]) => typeof field === 'number' && !others.includes(name))
      .map(([name]) => name);
    if (names.length > 0) return names;
    throw new StreamnormError('DATA', `line ${this.#line}: no field is a number; name the fields with --features`);
  }

  /** Goes to the next line that is not blank. */
  #find(bytes: Buffer, to: number, last: boolean): boolean {
    const view = bytes.subarray(0, to);
    while (this.#next < to) {
      const newline = view.indexOf(NEWLINE, this.#next);
      if (newline < 0 && !last) {
        if (!this.#skipping && to - this.#next <= MAX_LINE_BYTES) return false;
        if (!this.#skipping) this.#bad.add(this.#line + 1, LINE_TOO_LONG);
        this.#skipping = true;
        this.#next = to;
        return false;
      }
      this.#start = this.#next;
      this.#end = newline < 0 ? to : newline;
      this.#next = newline < 0 ? to : newline + 1;
      this.#line += 1;
      if (this.#skipping) {
        this.#skipping = false;
        continue;
      }
      if (this.#end - this.#start > MAX_LINE_BYTES) {
        this.#bad.add(this.#line, LINE_TOO_LONG);
        continue;
      }
      // the byte order mark some programs begin with
      if (this.#line === 1 && view.indexOf('\ufeff', this.#start) === this.#start) this.#start += 3;
      let i = this.#start;
      while (i < this.#end && bytes[i] <= SPACE) i++;
      if (i < this.#end) return true;
    }
    return false;
  }

  /** The line that was looked at last, its line break included. */
  #lineIn(bytes: Buffer): Buffer {
    return bytes.subarray(this.#start, this.#next);
  }

  #parse(bytes: Buffer): unknown {
    const text = bytes.toString('utf8', this.#start, this.#end);
    try {
      return JSON.parse(text);
    } catch {
      this.#bad.add(this.#line, `not JSON: ${quoted(text)}`, this.#lineIn(bytes));
      return undefined;
    }
  }
}

function readRecord(record: Fields, names: readonly string[], into: Float64Array, at: number): string | undefined {
  for (let j = 0; j < names.length; j++) {
    const value = own(record, names[j]);
    if (typeof value === 'number') into[at + j] = value;
    else if (value === null || value === undefined) into[at + j] = Number.NaN;
    else return `${names[j]} is ${described(value)}, neither a number nor null`;
  }
  return undefined;
}

function readList(items: readonly unknown[], width: number, into: Float64Array, at: number): string | undefined {
  if (items.length !== width) return `a list of ${items.length}, the first has ${width}`;
  for (let j = 0; j < width; j++) {
    const value = items[j];
    if (typeof value === 'number') into[at + j] = value;
    else if (value === null) into[at + j] = Number.NaN;
    else return `item ${j} is ${described(value)}, neither a number nor null`;
  }
  return undefined;
}

/** Names such as `constructor` are no fields unless the record has them. */
function own(record: Fields, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function shapeOf(value: unknown): Shape | undefined {
  if (typeof value === 'number' || value === null) return 'number';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'object' ? 'record' : undefined;
}

function complaintAbout(value: unknown, shape: Shape | undefined): string | undefined {
  const found = shapeOf(value);
  if (shape !== undefined && found !== shape) return `${described(value)}, not a ${shape}`;
  return Array.isArray(value) && value.length === 0 ? 'an empty list' : undefined;
}

function described(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'absent';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return quoted(value);
  return typeof value === 'object' ? 'a record' : String(value);
}
