import { BATCH_KERNEL_CODE } from './batch-kernel-code.ts';
import type { Rows } from './rows.ts';
import { MAX_MAGNITUDE } from './usable.ts';

/** What `assembly/batch-kernel.ts` exports. */
interface KernelCode {
  sum(tile: number, rows: number, width: number, sums: number): void;
  scale(tile: number, rows: number, width: number, by: number): void;
  scaleAffine(tile: number, rows: number, width: number, by: number): void;
}

/** Where `column` writes what a `BatchSummary` holds. */
interface ColumnSums {
  readonly rows: number;
  readonly features: number;
  readonly count: Float64Array;
  readonly mean: Float64Array;
  readonly m2: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
}

/** `y = ((x - mean)·invStd + shift)·weight + bias`, an entry a feature. */
export interface Scaling {
  readonly mean: Float64Array;
  readonly invStd: Float64Array;
  readonly shift: Float64Array;
  readonly weight: Float64Array | null;
  readonly bias: Float64Array | null;
}

/** Values of a tile: 64 KiB, which stay in the nearest caches while they are worked on. */
const TILE = 8_192;
/** Wider rows leave too few of them in a tile. */
const MAX_FEATURES = 512;
/** Below these the way in and out costs more than the loops save. */
const MIN_ROWS = 32;
const MIN_VALUES = 256;
/** Rows looked at first, for an origin near the mean and for the size of the values. */
const SAMPLED = 16;
/**
 * Where they are, as parts of the whole: spread, for the sake of trends, and unevenly (steps of the golden ratio never
 * come back), for the sake of oscillations.
 */
const PLACES = Float64Array.from({ length: SAMPLED }, (_, i) => (((i + 1) * (Math.sqrt(5) - 1)) / 2) % 1);
/** A value may be so many times larger than those looked at. */
const HEADROOM = 64;

const TILE_AT = 1_024;
const SUMS_AT = TILE_AT + 8 * TILE;
const PAGES = Math.ceil((SUMS_AT + 8 * 8 * MAX_FEATURES) / 65_536);

/**
 * The two loops of batch normalization in WebAssembly SIMD, for batches that are large and whole enough; all others, and
 * machines without SIMD, take the plain loops of `BatchSummary` and `BatchNorm`. Results of both are within the same 4 ulp,
 * but not always the same.
 *
 * Idea: one pass sums two columns at once, tile by tile. Neither sum needs a second pass, nor Knuth's six operations for
 * the rounding error of each addition, because each starts from a good guess that is checked afterwards:
 *
 * - The plain sum starts at an *offset*, larger than all that will be added, so that what rounding takes from each
 *   addition is `x - (next - sum)` (Dekker's Fast2Sum, which needs |sum| >= |x|).
 * - Squares are those of the distance from an *origin* near the mean, the average of some rows. Then
 *   `M2 = Σ(x - origin)² - n·(mean - origin)²` hardly cancels.
 *
 * A column where a guess was bad, where a value is missing, or whose mean nearly vanishes, is left to the plain loops.
 *
 * Gains, on the machine of the README's table: 2 to 3 ns a value where the plain loops take 15. A copy into the module's
 * memory and one out of it are part of that. Not done: keeping whole batches in that memory, which would have to grow.
 *
 * Sources: T. J. Dekker, "A floating-point technique for extending the available precision", 1971; T. F. Chan,
 * G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", 1983 (shifted data).
 */
export class BatchKernel {
  readonly #code: KernelCode;
  readonly #memory: Float64Array;

  constructor(code: KernelCode, memory: Float64Array) {
    this.#code = code;
    this.#memory = memory;
  }

  /** Sums the columns of `batch`; `column` then takes them one by one. */
  sum({ data, rows, features }: Rows): void {
    const memory = this.#memory;
    const origin = SUMS_AT / 8;
    const offset = origin + features;
    const min = origin + 4 * features;
    const max = origin + 5 * features;
    memory.fill(0, origin, max + 3 * features);
    for (let i = 0; i < SAMPLED; i++) {
      const at = Math.floor(PLACES[i] * rows) * features;
      for (let j = 0; j < features; j++) {
        const x = data[at + j];
        memory[origin + j] += x;
        if (i === 0 || x < memory[min + j]) memory[min + j] = x;
        if (i === 0 || x > memory[max + j]) memory[max + j] = x;
      }
    }
    const step = tileRows(features);
    for (let j = 0; j < features; j++) {
      const average = memory[origin + j] / SAMPLED;
      const [low, high] = [memory[min + j], memory[max + j]];
      // rounding can put the average of equal values one step outside of them
      memory[origin + j] = average < low ? low : average > high ? high : average;
      memory[offset + j] = HEADROOM * step * (-low > high ? -low : high);
    }
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      memory.set(data.subarray(row * features, (row + count) * features), TILE_AT / 8);
      this.#code.sum(TILE_AT, count, features, origin * 8);
    }
  }

  /** Writes a column that was summed to `summary`; false, with nothing written, where the plain loops must do it. */
  column(summary: ColumnSums, feature: number): boolean {
    const { features, rows } = summary;
    const at = SUMS_AT / 8 + feature;
    const memory = this.#memory;
    const origin = memory[at];
    const offset = memory[at + features];
    const total = memory[at + 2 * features];
    const error = memory[at + 3 * features];
    const min = memory[at + 4 * features];
    const max = memory[at + 5 * features];
    const largest = -min > max ? -min : max;
    // false for NaN, which the sums have where the values had one
    if (!(largest <= MAX_MAGNITUDE && 2 * tileRows(features) * largest <= offset)) return false;
    const mean = (total + error) / rows;
    // the sum of what rounding took has rounding errors itself, at most n²·ε²·offset/4
    if (!(Math.abs(mean) >= rows * (Number.EPSILON / 2) * offset)) return false;
    const [product, productError] = timesExactly(rows, origin);
    const moved = total - product + (error - productError);
    const excess = (moved * moved) / rows;
    const squares = memory[at + 6 * features];
    if (!(excess <= squares / 2)) return false;
    const m2 = squares + (memory[at + 7 * features] - excess);
    summary.count[feature] = rows;
    summary.mean[feature] = mean < min ? min : mean > max ? max : mean;
    summary.m2[feature] = m2;
    summary.min[feature] = min;
    summary.max[feature] = max;
    return true;
  }

  /** Normalises all of `batch` into `out`; every value must be usable, and none of them clipped. */
  scale({ data, rows, features }: Rows, out: Float64Array, { mean, invStd, shift, weight, bias }: Scaling): void {
    const memory = this.#memory;
    const at = SUMS_AT / 8;
    memory.set(mean, at);
    memory.set(invStd, at + features);
    // 0 as a factor makes -0 of negative numbers, which adding 0 takes back
    const affine = weight !== null || bias !== null || shift.some((x) => x !== 0) || invStd.includes(0);
    if (affine) {
      memory.set(shift, at + 2 * features);
      if (weight === null) memory.fill(1, at + 3 * features, at + 4 * features);
      else memory.set(weight, at + 3 * features);
      if (bias === null) memory.fill(0, at + 4 * features, at + 5 * features);
      else memory.set(bias, at + 4 * features);
    }
    const step = tileRows(features);
    // from the end, where the caches still hold what was summed last
    for (let row = Math.floor((rows - 1) / step) * step; row >= 0; row -= step) {
      const count = Math.min(step, rows - row);
      const values = count * features;
      memory.set(data.subarray(row * features, row * features + values), TILE_AT / 8);
      if (affine) this.#code.scaleAffine(TILE_AT, count, features, SUMS_AT);
      else this.#code.scale(TILE_AT, count, features, SUMS_AT);
      out.set(memory.subarray(TILE_AT / 8, TILE_AT / 8 + values), row * features);
    }
  }
}

/** The module, compiled when it is first wanted; null where that is not possible. It keeps nothing between two calls. */
let compiled: BatchKernel | null | undefined;

/** The kernel for batches of this size, or undefined where the plain loops serve better or alone. */
export function batchKernel(rows: number, features: number): BatchKernel | undefined {
  if (rows < MIN_ROWS || features > MAX_FEATURES || rows * features < MIN_VALUES) return undefined;
  if (compiled === undefined) compiled = compile();
  return compiled ?? undefined;
}

function compile(): BatchKernel | null {
  try {
    const bytes = Uint8Array.from(atob(BATCH_KERNEL_CODE), (character) => character.charCodeAt(0));
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    return new BatchKernel(exports as unknown as KernelCode, new Float64Array(memory.buffer));
  } catch {
    // no SIMD, or a page whose policy forbids WebAssembly: the plain loops give the same numbers, later
    return null;
  }
}

/** Rows of a tile; whole blocks of eight. */
function tileRows(features: number): number {
  return 8 * Math.floor(TILE / (8 * features));
}

/** a·b as two numbers whose sum is exact (Veltkamp's splitting, Dekker's product). */
function timesExactly(a: number, b: number): [product: number, error: number] {
  const SPLIT = 134_217_729; // 2^27 + 1
  const ca = SPLIT * a;
  const aHigh = ca - (ca - a);
  const aLow = a - aHigh;
  const cb = SPLIT * b;
  const bHigh = cb - (cb - b);
  const bLow = b - bHigh;
  const product = a * b;
  return [product, aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)];
}
