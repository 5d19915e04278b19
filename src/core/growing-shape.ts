import type { SampleShape } from './sample-shape.ts';

/**
 * The shape of records whose fields are not known beforehand: each field that holds a number becomes a feature when it
 * first appears, and has a column of its own from then on, until `maxFeatures` are taken. A field that a record lacks is
 * absent, not missing: its column is NaN for that row, which no statistic learns, and nothing is written for it.
 */
export class GrowingShape implements SampleShape<object> {
  readonly width: number;
  /** In the order in which they appeared. */
  readonly names: string[];
  /** Columns that the record read last has, in the order of its fields. */
  readonly present: number[];
  /** True when the record read last had a number for which there was no column left. */
  excess: boolean;
  readonly #columns: Map<string, number>;

  constructor(maxFeatures: number) {
    this.width = maxFeatures;
    this.names = [];
    this.present = [];
    this.excess = false;
    this.#columns = new Map();
  }

  read(sample: unknown, into: Float64Array, offset: number): boolean {
    into.fill(Number.NaN, offset, offset + this.width);
    this.present.length = 0;
    this.excess = false;
    if (!isRecord(sample)) return false;
    for (const [name, value] of Object.entries(sample)) {
      const isNumber = typeof value === 'number';
      const column = this.#columns.get(name) ?? (isNumber ? this.#add(name) : undefined);
      if (column === undefined) {
        if (isNumber) this.excess = true;
        continue;
      }
      this.present.push(column);
      if (isNumber) into[offset + column] = value;
    }
    return true;
  }

  write(sample: object, values: ArrayLike<number>, offset: number): object {
    if (!isRecord(sample)) return {};
    const copy: Record<string, unknown> = { ...sample };
    for (const [name, value] of Object.entries(sample)) {
      const column = this.#columns.get(name);
      // a number that is not normalised must not pass for one that is
      if (column === undefined && typeof value !== 'number') continue;
      Object.defineProperty(copy, name, {
        value: column === undefined ? Number.NaN : values[offset + column],
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
    return copy;
  }

  #add(name: string): number | undefined {
    if (this.names.length === this.width || name === '__proto__') return undefined;
    const column = this.names.push(name) - 1;
    this.#columns.set(name, column);
    return column;
  }
}

function isRecord(sample: unknown): sample is Record<string, unknown> {
  return typeof sample === 'object' && sample !== null && !Array.isArray(sample) && !ArrayBuffer.isView(sample);
}
