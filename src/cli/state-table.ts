import type { AnyState } from '../exchange/any-state.ts';
import { FORMATS, type Format } from '../exchange/format.ts';
import { quoted } from '../exchange/refuse.ts';
import { scalingOf } from '../exchange/scaling.ts';

/** A state for people: its settings, then a line a feature. */
export function stateTable(state: AnyState, format: Format): string {
  const { names, mean, variance, counts } = scalingOf(state);
  const layer = state.format === 'streamnorm.batchnorm/1' ? state : undefined;
  // the moving statistics of a layer say something from the start
  const isCounted = layer === undefined || layer.debias === true;
  const known = (values: readonly number[]) => values.map((x, j) => (counts?.[j] === 0 && isCounted ? '-' : short(x)));
  const settings = Object.entries(state).filter(([, value]) => !Array.isArray(value) && value !== null);
  const columns = [
    column(
      'feature',
      mean.map((_, j) => (names === undefined ? String(j) : quoted(names[j]).slice(1, -1))),
      'padEnd',
    ),
    column('mean', known(mean)),
    column('std', known(variance.map(Math.sqrt))),
    column('variance', known(variance)),
    ...(counts && layer === undefined ? [column('count', counts.map(short))] : []),
    ...(layer?.weight ? [column('weight', layer.weight.map(short))] : []),
    ...(layer?.bias ? [column('bias', layer.bias.map(short))] : []),
  ];
  const facts = [['file', `${format}: ${FORMATS[format].help}`], ['state', state.format], ...settings.filter(isFact)];
  const width = Math.max(...facts.map(([name]) => String(name).length));
  return [
    ...facts.map(([name, value]) => `${String(name).padEnd(width)}  ${value}`),
    '',
    ...columns[0].map((_, line) =>
      columns
        .map((cells) => cells[line])
        .join('  ')
        .trimEnd(),
    ),
    '',
  ].join('\n');
}

function isFact([name]: [string, unknown]): boolean {
  return name !== 'format' && name !== 'features';
}

function column(head: string, cells: readonly string[], pad: 'padStart' | 'padEnd' = 'padStart'): string[] {
  const width = cells.reduce((most, cell) => Math.max(most, cell.length), head.length);
  return [head, ...cells].map((cell) => cell[pad](width));
}

/** Six digits are enough to look at. */
function short(x: number): string {
  return String(Number(x.toPrecision(6)));
}
