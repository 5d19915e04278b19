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
  announcer: byId('announcer'),
  valuesAnnouncer: byId('values-announcer'),
  skip: byId('skip'),
  keyField: byId('key-field'),
  key: byId<HTMLInputElement>('key'),
  keys: byId('keys'),
  signOut: byId<HTMLButtonElement>('sign-out'),
  problem: {
    box: byId('problem'),
    title: byId('problem-title'),
    advice: byId('problem-advice'),
    action: byId<HTMLButtonElement>('problem-action'),
  },
  signIn: {
    dialog: byId<HTMLDialogElement>('sign-in'),
    form: byId<HTMLFormElement>('sign-in-form'),
    reason: byId('sign-in-reason'),
    input: byId<HTMLInputElement>('token'),
    error: byId('token-error'),
    cancel: byId<HTMLButtonElement>('sign-in-cancel'),
  },
  rows: byId<HTMLDetailsElement>('rows'),
  rowTable: byId<HTMLTableElement>('row-table'),
  source: {
    card: byId('source'),
    url: byId('source-url'),
    state: byId('source-state'),
    text: byId('source-text'),
    figures: byId('source-figures'),
  },
  connections: byId('connections'),
  subscribers: byId<HTMLTableElement>('subscribers'),
  producers: byId<HTMLTableElement>('producers'),
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
