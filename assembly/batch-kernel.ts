// AssemblyScript, not TypeScript: `npm run build:kernel` makes src/core/batch-kernel-code.ts from it.
//
// Sums and scaling of a tile: rows × width float64, row-major. Two neighbouring columns are the lanes of a vector and
// every loop runs down the rows, so that no lane ever waits for another; more columns at once would spill registers.
// What is summed, and why it is exact enough, is said in src/core/batch-kernel.ts.

// @ts-ignore: decorator
@inline
function get(at: usize, lanes: i32): v128 {
  return lanes == 2 ? v128.load(at) : v128.load64_zero(at);
}

// @ts-ignore: decorator
@inline
function put(at: usize, x: v128, lanes: i32): void {
  if (lanes == 2) v128.store(at, x);
  else v128.store64_lane(at, x, 0);
}

/** What rounding took from `sum = a + b` (Knuth's TwoSum). */
// @ts-ignore: decorator
@inline
function roundingOf(a: v128, b: v128, sum: v128): v128 {
  const part = f64x2.sub(sum, a);
  return f64x2.add(f64x2.sub(a, f64x2.sub(sum, part)), f64x2.sub(b, part));
}

// @ts-ignore: decorator
@inline
function sumColumns(tile: usize, rows: i32, row: usize, sums: usize, lanes: i32): void {
  const origin = get(sums, lanes);
  const offset = get(sums + row, lanes);
  let error = get(sums + 3 * row, lanes);
  let min = get(sums + 4 * row, lanes);
  let max = get(sums + 5 * row, lanes);
  let squares = get(sums + 6 * row, lanes);
  let squaresError = get(sums + 7 * row, lanes);
  let sum = offset;
  let at = tile;
  for (let left = rows; left > 0; left -= 8) {
    let block = f64x2.splat(0);
    for (let pairs = left < 8 ? left >> 1 : 4; pairs > 0; pairs--) {
      const x = get(at, lanes);
      const y = get(at + row, lanes);
      at += 2 * row;
      min = f64x2.pmin(f64x2.pmin(min, x), y);
      max = f64x2.pmax(f64x2.pmax(max, x), y);
      const dx = f64x2.sub(x, origin);
      const dy = f64x2.sub(y, origin);
      block = f64x2.add(block, f64x2.add(f64x2.mul(dx, dx), f64x2.mul(dy, dy)));
      const middle = f64x2.add(sum, x);
      error = f64x2.add(error, f64x2.sub(x, f64x2.sub(middle, sum)));
      sum = f64x2.add(middle, y);
      error = f64x2.add(error, f64x2.sub(y, f64x2.sub(sum, middle)));
    }
    if (left < 8 && (left & 1) == 1) {
      const x = get(at, lanes);
      min = f64x2.pmin(min, x);
      max = f64x2.pmax(max, x);
      const dx = f64x2.sub(x, origin);
      block = f64x2.add(block, f64x2.mul(dx, dx));
      const next = f64x2.add(sum, x);
      error = f64x2.add(error, f64x2.sub(x, f64x2.sub(next, sum)));
      sum = next;
    }
    const next = f64x2.add(squares, block);
    squaresError = f64x2.add(squaresError, roundingOf(squares, block, next));
    squares = next;
  }
  const total = get(sums + 2 * row, lanes);
  const part = f64x2.sub(sum, offset);
  const next = f64x2.add(total, part);
  put(sums + 2 * row, next, lanes);
  put(sums + 3 * row, f64x2.add(error, roundingOf(total, part, next)), lanes);
  put(sums + 4 * row, min, lanes);
  put(sums + 5 * row, max, lanes);
  put(sums + 6 * row, squares, lanes);
  put(sums + 7 * row, squaresError, lanes);
}

/** Adds a tile to the sums: eight rows of `width` values: origin, offset, total, error, min, max, squares, their error. */
export function sum(tile: usize, rows: i32, width: i32, sums: usize): void {
  const row = <usize>width << 3;
  let from: usize = 0;
  for (; from + 16 <= row; from += 16) sumColumns(tile + from, rows, row, sums + from, 2);
  if (from < row) sumColumns(tile + from, rows, row, sums + from, 1);
}

// @ts-ignore: decorator
@inline
function scaleColumns(tile: usize, rows: i32, row: usize, by: usize, lanes: i32): void {
  const mean = get(by, lanes);
  const invStd = get(by + row, lanes);
  let at = tile;
  for (let i = 0; i < rows; i++) {
    put(at, f64x2.mul(f64x2.sub(get(at, lanes), mean), invStd), lanes);
    at += row;
  }
}

/** x becomes (x - mean)·invStd, in place; `by` holds two rows of `width` values. */
export function scale(tile: usize, rows: i32, width: i32, by: usize): void {
  const row = <usize>width << 3;
  let from: usize = 0;
  // a cache line at once: nothing is summed here, so there are registers enough
  for (; from + 64 <= row; from += 64) {
    const means = by + from;
    const invStds = means + row;
    const mean0 = v128.load(means, 0);
    const mean1 = v128.load(means, 16);
    const mean2 = v128.load(means, 32);
    const mean3 = v128.load(means, 48);
    const invStd0 = v128.load(invStds, 0);
    const invStd1 = v128.load(invStds, 16);
    const invStd2 = v128.load(invStds, 32);
    const invStd3 = v128.load(invStds, 48);
    let at = tile + from;
    for (let i = 0; i < rows; i++) {
      v128.store(at, f64x2.mul(f64x2.sub(v128.load(at, 0), mean0), invStd0), 0);
      v128.store(at, f64x2.mul(f64x2.sub(v128.load(at, 16), mean1), invStd1), 16);
      v128.store(at, f64x2.mul(f64x2.sub(v128.load(at, 32), mean2), invStd2), 32);
      v128.store(at, f64x2.mul(f64x2.sub(v128.load(at, 48), mean3), invStd3), 48);
      at += row;
    }
  }
  for (; from + 16 <= row; from += 16) scaleColumns(tile + from, rows, row, by + from, 2);
  if (from < row) scaleColumns(tile + from, rows, row, by + from, 1);
}

// @ts-ignore: decorator
@inline
function scaleAffineColumns(tile: usize, rows: i32, row: usize, by: usize, lanes: i32): void {
  const mean = get(by, lanes);
  const invStd = get(by + row, lanes);
  const shift = get(by + 2 * row, lanes);
  const weight = get(by + 3 * row, lanes);
  const bias = get(by + 4 * row, lanes);
  let at = tile;
  for (let i = 0; i < rows; i++) {
    const z = f64x2.add(f64x2.mul(f64x2.sub(get(at, lanes), mean), invStd), shift);
    put(at, f64x2.add(f64x2.mul(z, weight), bias), lanes);
    at += row;
  }
}

/** x becomes ((x - mean)·invStd + shift)·weight + bias, in place; `by` holds five rows of `width` values. */
export function scaleAffine(tile: usize, rows: i32, width: i32, by: usize): void {
  const row = <usize>width << 3;
  let from: usize = 0;
  for (; from + 16 <= row; from += 16) scaleAffineColumns(tile + from, rows, row, by + from, 2);
  if (from < row) scaleAffineColumns(tile + from, rows, row, by + from, 1);
}
