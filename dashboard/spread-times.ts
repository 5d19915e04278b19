/**
 * Times to draw the rows of a message at. Rows that a producer pushed together share one stamp and would stand on top
 * of one another; they are spread evenly over the time since the stamp before. Stamps that differ stay as they are.
 *
 * @param before time of the row before the first, or NaN where the first ones shall stay where they are
 */
export function spreadTimes(times: readonly number[], before: number): readonly number[] {
  const out = times.slice();
  let previous = before;
  for (let start = 0; start < times.length; ) {
    let end = start + 1;
    while (end < times.length && times[end] === times[start]) end++;
    const run = end - start;
    const step = (times[start] - previous) / run;
    if (run > 1 && step > 0) {
      for (let i = 0; i < run - 1; i++) out[start + i] = previous + step * (i + 1);
    }
    previous = times[start];
    start = end;
  }
  return out;
}
