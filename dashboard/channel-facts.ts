import { showConnections } from './connections-table.ts';
import { formatCount, NOTHING } from './format.ts';
import type { ChannelDetails, Source } from './messages.ts';
import { page } from './page.ts';
import { setText } from './set-text.ts';
import { sourceText } from './source-text.ts';

/** How the channel normalises: its configuration, as far as it is single values. */
export function showSettings({ config }: ChannelDetails): void {
  const entries = Object.entries(config).filter(
    ([key, value]) => key !== 'history' && ['string', 'number', 'boolean'].includes(typeof value),
  );
  showPairs(
    page.settings,
    entries.map(([name, value]) => ({ name, value: String(value) })),
  );
}

/** What the socket does not tell: counters, the source, who is connected. */
export function showFacts(details: ChannelDetails): void {
  const { counters, producers, subscribers, connections, source } = details;
  const refused = Object.values(counters?.errors ?? {}).reduce((sum, count) => sum + count, 0);
  setText(page.figures.refused, formatCount(refused));
  setText(page.figures.clients, `${producers ?? NOTHING} in, ${subscribers ?? NOTHING} out`);
  page.source.card.hidden = source === undefined;
  if (source !== undefined) showSource(source);
  page.connections.hidden = connections === undefined;
  if (connections === undefined) return;
  showConnections({ in: page.producers, out: page.subscribers }, connections, {
    in: producers ?? connections.in.length,
    out: subscribers ?? connections.out.length,
  });
}

function showSource(source: Source): void {
  const { health, state, figures } = sourceText(source);
  setText(page.source.url, source.url);
  setText(page.source.text, state);
  page.source.state.dataset.health = health;
  showPairs(page.source.figures, figures);
}

function showPairs(list: HTMLElement, pairs: readonly { name: string; value: string }[]): void {
  const text = JSON.stringify(pairs);
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(
    ...pairs.map(({ name, value }) => {
      const item = document.createElement('li');
      const strong = document.createElement('b');
      strong.textContent = value;
      item.append(`${name} `, strong);
      return item;
    }),
  );
}
