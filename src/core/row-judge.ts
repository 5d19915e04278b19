import { FLAG } from './flags.ts';
import { shown } from './parameter.ts';
import { MAX_MAGNITUDE } from './usable.ts';

/** Least and most that a value may be; null, or nothing, where there is no bound. */
export type Bounds = readonly [min: number | null, max: number | null];

/** Bounds of all features, or of those named; samples without names count them: `{ 0: [0, 1] }`. */
export type Range = Bounds | Readonly<Record<string, Bounds>>;

/** What makes a row a bad one. */
export interface JudgeOptions {
  /** Bounds that the values of a good row keep. */
  range?: Range;
  /** Features that a good row has a value of; all. */
  required?: readonly string[];
}

export const JUDGE_OPTIONS = ['range', 'required'] as const satisfies readonly (keyof JudgeOptions)[];

/**
 * Says whether a row may enter statistics: every required feature has a value, and each value that there is is finite,
 * small enough to be squared, and within its bounds. Cost: one pass over the row.
 */
export class RowJudge {
  readonly #features: number;
  readonly #min: Float64Array | null;
  readonly #max: Float64Array | null;
  /** 1 for a feature that a row may lack; null where none is. */
  readonly #optional: Uint8Array | null;

  /**
   * @param names of the features; their number where they have none
   * @throws TypeError, RangeError for wrong options and for features that there are not
   */
  constructor(where: string, names: readonly string[] | number, { range, required }: JudgeOptions = {}) {
    const known = typeof names === 'number' ? Array.from({ length: names }, (_, j) => String(j)) : names;
    this.#features = known.length;
    const bounds = boundsOf(where, range, known);
    this.#min = bounds && Float64Array.from(bounds, ([min]) => min ?? Number.NEGATIVE_INFINITY);
    this.#max = bounds && Float64Array.from(bounds, ([, max]) => max ?? Number.POSITIVE_INFINITY);
    this.#optional = optionalOf(where, required, known);
  }

  /** `FLAG.missing`, `FLAG.overflow` and `FLAG.range` of the row that begins at `x[from]`; 0 for a good one. */
  judge(x: Float64Array, from: number): number {
    const [min, max, optional] = [this.#min, this.#max, this.#optional];
    const limit = MAX_MAGNITUDE;
    let flags = 0;
    for (let j = 0; j < this.#features; j++) {
      const value = x[from + j];
      if (!(Math.abs(value) <= limit)) {
        if (!Number.isNaN(value)) flags |= FLAG.overflow;
        else if (optional === null || optional[j] === 0) flags |= FLAG.missing;
      } else if (min !== null && max !== null && (value < min[j] || value > max[j])) flags |= FLAG.range;
    }
    return flags;
  }

  /** The first feature that the row must have a value of and has not; -1 where it has all. */
  lacking(x: Float64Array, from: number): number {
    for (let j = 0; j < this.#features; j++) {
      if (Number.isNaN(x[from + j]) && (this.#optional === null || this.#optional[j] === 0)) return j;
    }
    return -1;
  }
}

/** What can be known of the options before the features are. */
export function requireJudge(where: string, { range, required }: JudgeOptions): void {
  if (range !== undefined && !isBounds(range)) boundsOf(where, range, Object.keys(range ?? {}));
  else boundsOf(where, range, ['0']);
  if (required !== undefined) requireNames(where, required);
}

function boundsOf(where: string, range: Range | undefined, names: readonly string[]): Bounds[] | null {
  if (range === undefined) return null;
  if (isBounds(range)) return names.map(() => requireBounds(where, 'range', range));
  if (typeof range !== 'object' || range === null || Array.isArray(range)) {
    throw new TypeError(
      `${where} requires range to be [min, max], or that for each feature by name, got ${shown(range)}`,
    );
  }
  const given = new Map(Object.entries(range as Record<string, Bounds>));
  for (const name of given.keys()) requireFeature(where, 'range', name, names);
  return names.map((name) => {
    const bounds = given.get(name);
    return bounds === undefined ? [null, null] : requireBounds(where, `range of ${name}`, bounds);
  });
}

function isBounds(range: unknown): range is Bounds {
  return Array.isArray(range) && range.every((bound) => bound === null || typeof bound === 'number');
}

function requireBounds(where: string, name: string, bounds: Bounds): Bounds {
  const rule = `${where} requires ${name} to be [min, max] with min <= max, null for no bound`;
  if (!isBounds(bounds) || bounds.length !== 2) throw new TypeError(`${rule}, got ${shown(bounds)}`);
  const [min, max] = bounds;
  if (!((min ?? Number.NEGATIVE_INFINITY) <= (max ?? Number.POSITIVE_INFINITY))) {
    throw new RangeError(`${rule}, got ${shown(bounds)}`);
  }
  return bounds;
}

function optionalOf(
  where: string,
  required: readonly string[] | undefined,
  names: readonly string[],
): Uint8Array | null {
  if (required === undefined) return null;
  requireNames(where, required);
  for (const name of required) requireFeature(where, 'required', name, names);
  return Uint8Array.from(names, (name) => (required.includes(name) ? 0 : 1));
}

function requireNames(where: string, required: unknown): void {
  if (Array.isArray(required) && required.every((name) => typeof name === 'string')) return;
  throw new TypeError(`${where} requires required to be a list of features, got ${shown(required)}`);
}

function requireFeature(where: string, option: string, name: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  throw new RangeError(`${where} requires ${option} to name features, of ${names.join(', ')}, got ${shown(name)}`);
}
