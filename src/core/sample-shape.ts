import { shown } from './parameter.ts';

/** A sample: one number, an array or typed array of numbers, or a record whose `features` are numbers. */
export type Sample = number | ArrayLike<number | null | undefined> | object;

/**
 * How samples of one stream are read into, and written back from, a row of numbers. What is written has the form of
 * what was read: a number, an array of the same kind, or a copy of the record with only the features replaced.
 */
export interface SampleShape<S> {
  /** Number of features. */
  readonly width: number;
  /** Names of the features; undefined for samples without names. */
  readonly names: readonly string[] | undefined;
  /**
   * Reads a sample; whatever is not a number becomes NaN. False, and all NaN, when it has another shape than this.
   */
  read(sample: unknown, into: Float64Array, offset: number): boolean;
  /** A copy of `sample` with these values. */
  write(sample: S, values: ArrayLike<number>, offset: number): S;
}

type Bytes = ArrayBufferView & ArrayLike<number>;

/**
 * The shape of a stream, known from its first sample; undefined while that is neither number, array nor record.
 *
 * @param where the operator that asks, for error messages
 * @param features names of the features: required for records, optional labels for arrays
 * @throws TypeError for a record without `features`, an empty array, or labels that do not fit
 */
export function sampleShape<S>(
  where: string,
  sample: unknown,
  features: readonly string[] | undefined,
): SampleShape<S> | undefined {
  if (typeof sample === 'number') {
    requireWidth(where, 'a number', 1, features);
    return scalarShape(features) as unknown as SampleShape<S>;
  }
  if (typeof sample !== 'object' || sample === null) return undefined;
  if (Array.isArray(sample)) {
    requireWidth(where, 'an array', sample.length, features);
    return arrayShape(sample.length, features) as unknown as SampleShape<S>;
  }
  if (ArrayBuffer.isView(sample) && !(sample instanceof DataView)) {
    const { length } = sample as unknown as Bytes;
    requireWidth(where, 'a typed array', length, features);
    return typedArrayShape(sample as Bytes, features) as unknown as SampleShape<S>;
  }
  if (features === undefined) {
    const numeric = Object.entries(sample).filter(([, value]) => typeof value === 'number');
    throw new TypeError(
      `${where} requires features: the names of the fields to read; ` +
        `the first sample has the numeric fields ${numeric.map(([name]) => name).join(', ') || '(none)'}`,
    );
  }
  return recordShape(features) as unknown as SampleShape<S>;
}

/** @throws TypeError unless `features` is absent or a list of different, harmless names */
export function requireFeatureNames(where: string, features: unknown): asserts features is string[] | undefined {
  if (features === undefined) return;
  if (!Array.isArray(features) || features.length === 0 || !features.every((name) => typeof name === 'string')) {
    throw new TypeError(`${where} requires features to be a list of field names, got ${shown(features)}`);
  }
  if (new Set(features).size !== features.length) {
    throw new TypeError(`${where} requires features to differ from each other, got ${shown(features)}`);
  }
  if (features.includes('__proto__')) throw new TypeError(`${where} cannot have a feature named '__proto__'`);
}

function requireWidth(where: string, kind: string, width: number, features: readonly string[] | undefined): void {
  if (width === 0) throw new TypeError(`${where} requires samples with at least one feature, got ${kind} of none`);
  if (features !== undefined && features.length !== width) {
    throw new TypeError(
      `${where} has ${features.length} features (${features.join(', ')}), the first sample is ${kind} of ${width}`,
    );
  }
}

function scalarShape(names: readonly string[] | undefined): SampleShape<number> {
  return {
    width: 1,
    names,
    read(sample, into, offset) {
      into[offset] = typeof sample === 'number' ? sample : Number.NaN;
      return typeof sample === 'number' || sample === null || sample === undefined;
    },
    write: (_, values, offset) => values[offset],
  };
}

function arrayShape(width: number, names: readonly string[] | undefined): SampleShape<unknown[]> {
  return {
    width,
    names,
    read(sample, into, offset) {
      if (!Array.isArray(sample) || sample.length !== width) return missing(into, offset, width);
      for (let j = 0; j < width; j++) {
        const value = sample[j];
        into[offset + j] = typeof value === 'number' ? value : Number.NaN;
      }
      return true;
    },
    write(_, values, offset) {
      // sized at once: growing by push takes half as long again
      const copy = new Array<number>(width);
      for (let j = 0; j < width; j++) copy[j] = values[offset + j];
      return copy;
    },
  };
}

function typedArrayShape(first: Bytes, names: readonly string[] | undefined): SampleShape<Bytes> {
  const width = first.length;
  const kind = first.constructor as new (length: number) => Bytes & { [index: number]: number };
  // z values are fractions: an integer array would cut them to 0
  const Output = /^Float/.test(kind.name) ? kind : (Float64Array as unknown as typeof kind);
  return {
    width,
    names,
    read(sample, into, offset) {
      if (!ArrayBuffer.isView(sample) || (sample as Bytes).length !== width) return missing(into, offset, width);
      const row = sample as Bytes;
      for (let j = 0; j < width; j++) into[offset + j] = Number(row[j]);
      return true;
    },
    write(_, values, offset) {
      const copy = new Output(width);
      for (let j = 0; j < width; j++) copy[j] = values[offset + j];
      return copy;
    },
  };
}

function recordShape(names: readonly string[]): SampleShape<Record<string, unknown>> {
  const width = names.length;
  return {
    width,
    names,
    read(sample, into, offset) {
      if (typeof sample !== 'object' || sample === null) return missing(into, offset, width);
      const record = sample as Record<string, unknown>;
      for (let j = 0; j < width; j++) {
        const value = record[names[j]];
        into[offset + j] = typeof value === 'number' ? value : Number.NaN;
      }
      return true;
    },
    write(sample, values, offset) {
      // null, or text, gives a record of the features only
      const copy: Record<string, unknown> = typeof sample === 'object' ? { ...sample } : {};
      for (let j = 0; j < width; j++) copy[names[j]] = values[offset + j];
      return copy;
    },
  };
}

function missing(into: Float64Array, offset: number, width: number): false {
  into.fill(Number.NaN, offset, offset + width);
  return false;
}
