/** One line of the table: what was measured and what it should reach. */
export interface Row {
  /** Number of the workload. */
  workload: string;
  what: string;
  unit: string;
  ours: number;
  /** NaN when the reference is not on this machine. */
  reference: number;
  referenceName: string;
  ratio: number;
  target: number;
  /** Whether the ratio should be at most or at least the target. */
  wanted: 'at most' | 'at least';
  note?: string;
}

/** How a workload is run: `smoke` only checks that it runs. */
export interface Effort {
  smoke: boolean;
  rounds: number;
}

export function effortOf(argv: readonly string[]): Effort {
  const smoke = argv.includes('--smoke');
  return { smoke, rounds: smoke ? 1 : 9 };
}

/** Hands the rows to the process that collects them. */
export function report(rows: Row[]): void {
  for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
}

export function verdict({ ratio, target, wanted }: Row): string {
  if (!Number.isFinite(ratio)) return 'not measured';
  const reached = wanted === 'at most' ? ratio <= target : ratio >= target;
  return reached ? 'reached' : 'NOT reached';
}

export function table(rows: Row[]): string {
  const lines = [
    '| # | workload | ours | reference | ratio | target | |',
    '|---|---|---|---|---|---|---|',
    ...rows.map((row) => {
      const { workload, what, unit, ours, reference, referenceName, ratio, target, wanted, note } = row;
      const sign = wanted === 'at most' ? '≤' : '≥';
      const figure = (value: number) => (Number.isFinite(value) ? `${short(value)} ${unit}` : '–');
      return (
        `| ${workload} | ${what} | ${figure(ours)} | ${figure(reference)} (${referenceName}) | ` +
        `${Number.isFinite(ratio) ? `${ratio.toFixed(2)} ×` : '–'} | ${sign} ${target} × | ${verdict(row)}${note ? `: ${note}` : ''} |`
      );
    }),
  ];
  return lines.join('\n');
}

function short(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
