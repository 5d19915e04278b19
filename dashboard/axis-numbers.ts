/** Axis labels with as many decimals as their step needs: 2.5 has one. */
export function axisNumbers(splits: readonly number[]): string[] {
  const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
  let decimals = 0;
  while (
    decimals < 9 &&
    Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6 * 10 ** decimals * step
  )
    decimals++;
  if (decimals > 5 || Math.max(...splits.map(Math.abs)) >= 1e6) {
    return splits.map((value) => value.toExponential(1).replaceAll('-', '−'));
  }
  return splits.map((value) => (Math.abs(value) < step / 1e6 ? 0 : value).toFixed(decimals).replace('-', '−'));
}
