import type { Mark } from './marks.ts';
import { setText } from './set-text.ts';

export interface LegendEntry {
  name: string;
  /** Which mark of the style sheet stands before the name. */
  mark: 'raw' | 'mean' | 'band' | 'z';
}

/** What the vertical lines of a chart mean; only those are named that are to be seen. */
const MARK_NAMES = { gap: 'gap', epoch: 'state lost', drift: 'drift' };

/** A line of text above a chart: its title, and for each curve a mark, its name and its value at the cursor. */
export class Legend {
  readonly element = document.createElement('figcaption');
  readonly #values: HTMLElement[] = [];
  readonly #time = document.createElement('span');
  readonly #marks = new Map<Mark['kind'], HTMLElement>();

  constructor(title: string, entries: readonly LegendEntry[]) {
    this.element.className = 'legend';
    const heading = document.createElement('span');
    heading.className = 'legend-title';
    heading.append(title, this.#time);
    this.#time.className = 'legend-time';
    this.element.append(heading);
    for (const { name, mark } of entries) {
      const entry = document.createElement('span');
      entry.className = 'legend-entry';
      const sign = signOf(mark);
      const value = document.createElement('b');
      entry.append(sign, name, ' ', value);
      this.element.append(entry);
      this.#values.push(value);
    }
  }

  show(values: readonly string[], alert = false): void {
    for (let i = 0; i < values.length; i++) setText(this.#values[i], values[i]);
    this.element.classList.toggle('alert', alert);
  }

  showMarks(marks: readonly Mark[]): void {
    for (const kind of ['gap', 'epoch', 'drift'] as const) {
      const seen = marks.some((mark) => mark.kind === kind);
      let entry = this.#marks.get(kind);
      if (entry === undefined && seen) {
        entry = document.createElement('span');
        entry.className = 'legend-entry';
        entry.append(signOf(kind), MARK_NAMES[kind]);
        this.#marks.set(kind, entry);
        this.element.append(entry);
      }
      if (entry !== undefined && entry.hidden === seen) entry.hidden = !seen;
    }
  }

  showTime(text: string): void {
    setText(this.#time, text);
  }
}

function signOf(mark: string): HTMLElement {
  const sign = document.createElement('i');
  sign.className = `mark mark-${mark}`;
  sign.setAttribute('aria-hidden', 'true');
  return sign;
}
