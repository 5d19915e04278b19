import type { Notice } from './channel-history.ts';
import { formatCount, formatDay, formatTime } from './format.ts';

const MOST = 50;
const DAY_MS = 86_400_000;

export type NoticeKind = Notice['kind'] | 'connection' | 'error';
export type AnyNotice = Omit<Notice, 'kind'> & { kind: NoticeKind };

const NAMES: Record<NoticeKind, string> = {
  gap: 'gap',
  epoch: 'state lost',
  clock: 'clock',
  drift: 'drift',
  connection: 'connection',
  error: 'error',
};

/** The newest notices first: gaps, new epochs, drift, lost connections; when, what, at which row. */
export class Notices {
  readonly #list: HTMLElement;
  readonly #empty: HTMLElement;

  constructor(list: HTMLElement, empty: HTMLElement) {
    this.#list = list;
    this.#empty = empty;
  }

  add({ time, kind, text, seq, reason, feature }: AnyNotice): void {
    const item = document.createElement('li');
    item.dataset.kind = kind;
    if (reason !== undefined) item.dataset.reason = reason;
    if (feature !== undefined) item.dataset.feature = feature;
    if (seq !== undefined) item.dataset.seq = String(seq);
    const when = document.createElement('time');
    when.dateTime = new Date(time).toISOString();
    const isOld = Math.abs(Date.now() - time) > DAY_MS;
    when.textContent = `${isOld ? `${formatDay(time)} ` : ''}${formatTime(time)}`;
    const tag = document.createElement('b');
    tag.className = 'tag';
    tag.textContent = reason === undefined ? NAMES[kind] : `${NAMES[kind]}, ${reason}`;
    const words = document.createElement('span');
    words.textContent = text;
    item.append(when, ' ', tag, ' ', words);
    if (seq !== undefined) {
      const row = document.createElement('span');
      row.className = 'at-row';
      row.textContent = `row ${formatCount(seq)}`;
      item.append(' ', row);
    }
    this.#list.prepend(item);
    while (this.#list.childElementCount > MOST) this.#list.lastElementChild?.remove();
    this.#empty.hidden = true;
  }

  clear(): void {
    this.#list.replaceChildren();
    this.#empty.hidden = false;
  }
}
