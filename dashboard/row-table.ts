import { columnOf, RAW, SEQ, TIME, Z } from './channel-history.ts';
import type { Cell } from './fill-table.ts';
import { decimalsFor, formatCount, formatNumber, formatTime, NOTHING } from './format.ts';
import type { Series } from './series.ts';

/** Rows that the table shows, newest first. */
const ROWS_SHOWN = 20;

/** The newest rows of the curves as text: for those who do not see them, and for copying. */
export function rowTable(
  features: readonly string[],
  slots: readonly number[],
  series: Series,
  std: (slot: number) => number | null | undefined,
): { labels: string[]; rows: Cell[][] } {
  const labels = ['Row', 'Time', ...features.flatMap((feature) => [feature, `${feature} z`])];
  const view = (column: number) => series.view(column, ROWS_SHOWN);
  const [times, seqs] = [view(TIME), view(SEQ)];
  const columns = slots.flatMap((slot) => {
    const decimals = decimalsFor(std(slot));
    return [
      { values: view(columnOf(slot, RAW)), decimals },
      { values: view(columnOf(slot, Z)), decimals: 2 },
    ];
  });
  const rows: Cell[][] = [];
  for (let i = times.length - 1; i >= 0; i--) {
    const isBreak = Number.isNaN(seqs[i]);
    rows.push([
      { text: isBreak ? 'gap' : formatCount(seqs[i]), caution: isBreak },
      { text: formatTime(times[i], 100) },
      ...columns.map(({ values, decimals }) => ({ text: isBreak ? NOTHING : formatNumber(values[i], decimals) })),
    ]);
  }
  return { labels, rows };
}
