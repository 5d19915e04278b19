import { FAULTS, type FaultName, type NamedFault } from './rows.ts';

/** What the test of a row has measured. */
export interface Seen {
  readonly text: string;
  readonly passed: boolean;
}

const BEGIN = '<!-- faults: npm run faults -- --write -->';
const END = '<!-- /faults -->';

/** One table of all sections, as Markdown. */
export function markdown(rows: readonly NamedFault[], seen: ReadonlyMap<FaultName, Seen>): string {
  const lines = ['| fault | expected | seen |', '|---|---|---|'];
  let section = '';
  for (const row of rows) {
    if (row.section !== section) lines.push(`| **${row.section}** | | |`);
    section = row.section;
    const { text, passed } = seen.get(row.name) ?? { text: '', passed: true };
    lines.push(`| ${row.fault} | ${row.expected} | ${passed ? text : `FAILED${text === '' ? '' : `: ${text}`}`} |`);
  }
  return lines.join('\n');
}

/** What README says was seen, by the row. */
export function seenIn(readme: string): Map<FaultName, Seen> {
  const seen = new Map<FaultName, Seen>();
  for (const line of tableIn(readme).split('\n')) {
    const row = FAULTS.find(({ fault, expected }) => line.startsWith(`| ${fault} | ${expected} | `));
    const text = row && line.slice(`| ${row.fault} | ${row.expected} | `.length, -' |'.length).trim();
    if (row && text) seen.set(row.name, { text, passed: !text.startsWith('FAILED') });
  }
  return seen;
}

/** README with the table of now, where rows that were not run keep what was seen before. */
export function withTable(readme: string, seen: ReadonlyMap<FaultName, Seen>, note: string): string {
  const all = new Map([...seenIn(readme), ...seen]);
  return readme.replace(
    `${BEGIN}${tableIn(readme)}${END}`,
    () => `${BEGIN}\n${markdown(FAULTS, all)}\n\n${note}\n${END}`,
  );
}

/** What stands between the two marks. */
function tableIn(readme: string): string {
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`README has no place for the fault table: ${BEGIN} … ${END}`);
  return readme.slice(from + BEGIN.length, to);
}

/** The table as README has it, without the note below. */
export function publishedTable(readme: string): string {
  return tableIn(readme)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .join('\n');
}
