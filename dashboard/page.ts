function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no element #${id}`);
  return element as T;
}

/** The places of index.html that the scripts write to. */
export const page = {
  channel: byId<HTMLSelectElement>('channel'),
  connection: byId('connection'),
  connectionText: byId('connection-text'),
  retry: byId<HTMLButtonElement>('retry'),
  announcer: byId('announcer'),
  figures: {
    rowRate: byId('row-rate'),
    messageRate: byId('message-rate'),
    age: byId('age'),
    seq: byId('seq'),
    epoch: byId('epoch'),
    skipped: byId('skipped'),
    refused: byId('refused'),
    clients: byId('clients'),
  },
  settings: byId('settings'),
  featureBar: byId('feature-bar'),
  featureChoices: byId('feature-choices'),
  featureSelect: byId<HTMLSelectElement>('feature-select'),
  spanChoices: byId('span-choices'),
  pause: byId<HTMLButtonElement>('pause'),
  charts: byId('charts'),
  waiting: byId('waiting'),
  table: byId<HTMLTableElement>('statistics'),
  tableCaption: byId('statistics-caption'),
  notices: byId('notices'),
  noNotices: byId('no-notices'),
};

export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
