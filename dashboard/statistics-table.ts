import { decimalsFor, formatCount, formatNumber, steadyDecimals } from './format.ts';
import type { Statistics, Value } from './messages.ts';

/** More features than this are not shown: nobody reads so long a table. */
export const MOST_ROWS = 200;

interface Column {
  /** Names the cell for tests and styles, and its group: `moving.mean`, `batch.min`, … */
  key: string;
  label: string;
  /** Label where there is no room for a head above the columns; `label` without. */
  narrow?: string;
  group: string;
  read: (feature: number, row: TableRow) => Value | undefined;
  decimals?: number;
}

/** What the table shows: the statistics and the newest row. */
export interface TableRow {
  stats: Statistics | undefined;
  raw: readonly Value[];
  z: readonly Value[];
}

const COLUMNS: readonly Column[] = [
  { key: 'last.raw', label: 'value', group: 'Newest row', read: (f, { raw }) => raw[f] },
  { key: 'last.z', label: 'z', group: 'Newest row', read: (f, { z }) => z[f], decimals: 2 },
  {
    key: 'moving.mean',
    label: 'mean',
    narrow: 'moving mean',
    group: 'Moving statistics',
    read: (f, { stats }) => stats?.mean[f],
  },
  {
    key: 'moving.std',
    label: 'std',
    narrow: 'moving std',
    group: 'Moving statistics',
    read: (f, { stats }) => stats?.std[f],
  },
  {
    key: 'batch.mean',
    label: 'mean',
    narrow: 'batch mean',
    group: 'Last batch',
    read: (f, { stats }) => stats?.batch?.mean[f],
  },
  {
    key: 'batch.std',
    label: 'std',
    narrow: 'batch std',
    group: 'Last batch',
    read: (f, { stats }) => stats?.batch?.std[f],
  },
  {
    key: 'batch.min',
    label: 'min',
    narrow: 'batch min',
    group: 'Last batch',
    read: (f, { stats }) => stats?.batch?.min[f],
  },
  {
    key: 'batch.max',
    label: 'max',
    narrow: 'batch max',
    group: 'Last batch',
    read: (f, { stats }) => stats?.batch?.max[f],
  },
];

/**
 * The statistics, a row a feature. Built once for a channel; an update writes only the cells that changed. Each cell
 * also carries its number in full (`data-value`), since what is shown is rounded.
 */
export class StatisticsTable {
  readonly #table: HTMLTableElement;
  readonly #caption: HTMLElement;
  readonly #cells: HTMLTableCellElement[][] = [];
  readonly #decimals: number[] = [];
  #columns: readonly Column[] = [];
  #features: readonly string[] = [];
  #withBatch: boolean | undefined;

  constructor(table: HTMLTableElement, caption: HTMLElement) {
    this.#table = table;
    this.#caption = caption;
  }

  reset(features: readonly string[]): void {
    this.#features = features.slice(0, MOST_ROWS);
    this.#withBatch = undefined;
    this.#decimals.length = 0;
    this.#table.replaceChildren();
    this.#caption.textContent = '';
  }

  update(row: TableRow): void {
    const { stats } = row;
    const withBatch = stats?.batch != null;
    if (withBatch !== this.#withBatch) this.#build(withBatch);
    for (let feature = 0; feature < this.#features.length; feature++) {
      const decimals = steadyDecimals(this.#decimals[feature], decimalsFor(stats?.std[feature]));
      this.#decimals[feature] = decimals;
      for (let column = 0; column < this.#columns.length; column++) {
        const { read, decimals: fixed } = this.#columns[column];
        const value = read(feature, row) ?? null;
        const cell = this.#cells[feature][column];
        const exact = value === null ? '' : String(value);
        if (cell.dataset.value === exact) continue;
        cell.dataset.value = exact;
        cell.title = exact;
        cell.textContent = formatNumber(value, fixed ?? decimals);
        if (this.#columns[column].key === 'last.z') cell.classList.toggle('alert', Math.abs(value ?? 0) > 3);
      }
    }
    const text = stats === undefined ? '' : describe(stats);
    if (this.#caption.textContent !== text) this.#caption.textContent = text;
    this.#table.dataset.version = String(stats?.version ?? '');
  }

  #build(withBatch: boolean): void {
    this.#withBatch = withBatch;
    this.#columns = COLUMNS.filter(({ key }) => withBatch || !key.startsWith('batch'));
    this.#cells.length = 0;

    const head = document.createElement('thead');
    const body = document.createElement('tbody');
    const groups = head.insertRow();
    const labels = head.insertRow();
    // Said aloud, because the narrow layout takes the table's display away and with it its meaning.
    this.#table.setAttribute('role', 'table');
    for (const part of [head, body]) part.setAttribute('role', 'rowgroup');
    for (const row of [groups, labels]) row.setAttribute('role', 'row');
    groups.append(header('Feature', { rowSpan: 2, scope: 'col' }));
    for (const name of new Set(this.#columns.map(({ group }) => group))) {
      const colSpan = this.#columns.filter(({ group }) => group === name).length;
      groups.append(header(name, { colSpan, scope: 'colgroup', className: 'group' }));
    }
    for (const { label, key } of this.#columns) {
      labels.append(header(label, { scope: 'col', className: startsGroup(key) ? 'first' : '' }));
    }
    for (const feature of this.#features) {
      const row = body.insertRow();
      row.dataset.feature = feature;
      row.setAttribute('role', 'row');
      row.append(header(feature, { scope: 'row' }));
      this.#cells.push(
        this.#columns.map(({ key, label, narrow }) => {
          const cell = row.insertCell();
          cell.dataset.key = key;
          cell.dataset.label = narrow ?? label;
          cell.setAttribute('role', 'cell');
          if (startsGroup(key)) cell.className = 'first';
          return cell;
        }),
      );
    }
    this.#table.replaceChildren(head, body);
  }
}

const startsGroup = (key: string): boolean => ['last.raw', 'moving.mean', 'batch.mean'].includes(key);

function header(text: string, properties: Partial<HTMLTableCellElement>): HTMLTableCellElement {
  const cell = document.createElement('th');
  cell.setAttribute('role', properties.scope === 'row' ? 'rowheader' : 'columnheader');
  return Object.assign(cell, { textContent: text }, properties);
}

function describe(stats: Statistics): string {
  const batch = stats.batch == null ? '' : `, last batch of ${formatCount(stats.batch.count)}`;
  return `version ${formatCount(stats.version)} after ${formatCount(stats.rows)} rows${batch}`;
}
