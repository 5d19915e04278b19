import { setText } from './set-text.ts';
/** A cell: its text, and whether it should catch the eye. */
export interface Cell {
  text: string;
  caution?: boolean;
}

/**
 * Writes a table, first cells as heads of their rows. Cells that are there are written over, not replaced: somebody may be
 * reading, or have marked, one of them.
 */
export function fillTable(
  table: HTMLTableElement,
  labels: readonly string[],
  rows: readonly (readonly Cell[])[],
  caption?: string,
): void {
  // Said aloud, because the narrow layout takes the table's display away and with it its meaning.
  table.setAttribute('role', 'table');
  if (caption !== undefined) setText(table.createCaption(), caption);
  const shape = labels.join('\n');
  if (table.dataset.shape !== shape || table.tHead === null) {
    table.dataset.shape = shape;
    table.tHead?.remove();
    for (const body of Array.from(table.tBodies)) body.remove();
    const head = table.createTHead();
    head.setAttribute('role', 'rowgroup');
    const row = head.insertRow();
    row.setAttribute('role', 'row');
    for (const label of labels) row.append(cellOf('th', 'columnheader', label, 'col'));
    table.createTBody().setAttribute('role', 'rowgroup');
  }
  const [body] = Array.from(table.tBodies);
  while (body.rows.length > rows.length) body.deleteRow(-1);
  while (body.rows.length < rows.length) {
    const row = body.insertRow();
    row.setAttribute('role', 'row');
    for (const [i, label] of labels.entries()) {
      const cell = i === 0 ? cellOf('th', 'rowheader', '', 'row') : cellOf('td', 'cell', '');
      cell.dataset.label = label;
      row.append(cell);
    }
  }
  for (const [i, cells] of rows.entries()) {
    for (const [j, { text, caution = false }] of cells.entries()) {
      const cell = body.rows[i].cells[j];
      setText(cell, text);
      cell.classList.toggle('caution', caution);
    }
  }
}

function cellOf(tag: 'th' | 'td', role: string, text: string, scope?: string): HTMLTableCellElement {
  const cell = document.createElement(tag);
  cell.setAttribute('role', role);
  if (scope !== undefined) cell.scope = scope;
  cell.textContent = text;
  return cell;
}
