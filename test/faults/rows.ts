/**
 * Every fault that is tested, and what must happen: the one source of the table in README.
 *
 * A row is proved by exactly one test, `fault('<its name>', …)` in a file of this folder; `test/checks/faults.test.ts`
 * holds the two equal. `npm run faults` runs all of them and prints the table; `npm run faults -- --write` puts it into
 * README, and `npm run faults -- --write NAME …` only the rows named.
 */
export interface FaultRow {
  readonly fault: string;
  readonly expected: string;
  /** Too slow, or too heavy, for `npm test`: it is run by `npm run faults` alone. */
  readonly slow?: true;
}

const rows = <Name extends string>(of: Record<Name, FaultRow>) => of;

export const SECTIONS = {
  'Upstream feed': rows({}),
  Subscribers: rows({
    'subscriber-never-reads': {
      fault: 'a subscriber never reads',
      expected: 'gone within 25 s, at most 1 MiB held for it',
    },
  }),
  'Frames and numbers': rows({}),
  Handshake: rows({}),
  'Process, disk, clock': rows({}),
} as const;

type Sections = typeof SECTIONS;

/** Name of a row. */
export type FaultName = { [S in keyof Sections]: keyof Sections[S] & string }[keyof Sections];

export interface NamedFault extends FaultRow {
  readonly name: FaultName;
  readonly section: keyof Sections;
}

/** All rows in the order of the table. */
export const FAULTS: readonly NamedFault[] = Object.entries(SECTIONS).flatMap(([section, of]) =>
  Object.entries(of as Record<FaultName, FaultRow>).map(([name, row]) => ({
    ...row,
    name: name as FaultName,
    section: section as keyof Sections,
  })),
);

/** Title of the test that proves a row. */
export function titleOf({ fault, expected }: FaultRow): string {
  return `${fault}: ${expected}`;
}
