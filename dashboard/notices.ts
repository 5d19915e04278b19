import type { Notice } from './channel-history.ts';
import { formatTime } from './format.ts';

const MOST = 8;

/** The newest notices first: gaps, new epochs, drift, lost connections. */
export class Notices {
  readonly #list: HTMLElement;
  readonly #empty: HTMLElement;

  constructor(list: HTMLElement, empty: HTMLElement) {
    this.#list = list;
    this.#empty = empty;
  }

  add({ time, kind, text }: { time: number; kind: Notice['kind'] | 'connection' | 'error'; text: string }): void {
    const item = document.createElement('li');
    item.dataset.kind = kind;
    const when = document.createElement('time');
    when.dateTime = new Date(time).toISOString();
    when.textContent = formatTime(time);
    item.append(when, ` ${text}`);
    this.#list.prepend(item);
    while (this.#list.childElementCount > MOST) this.#list.lastElementChild?.remove();
    this.#empty.hidden = true;
  }

  clear(): void {
    this.#list.replaceChildren();
    this.#empty.hidden = false;
  }
}
