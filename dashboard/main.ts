/** Joins the parts of the page: which channel and features are open, when to draw, and what the keys do. */
import { ChannelView } from './channel-view.ts';
import { showChoices, showOptions } from './choices.ts';
import { ConnectionLine } from './connection-line.ts';
import { formatAge, formatCount, formatRate, NOTHING } from './format.ts';
import { formatPlace, type Place, parsePlace } from './location.ts';
import type { ChannelDetails, ChannelSummary } from './messages.ts';
import { Notices } from './notices.ts';
import { paced } from './paced.ts';
import { page, setText } from './page.ts';
import { onPaletteChange, readPalette } from './palette.ts';
import { describeChannel, listChannels } from './server.ts';
import { StatisticsTable } from './statistics-table.ts';

/** Up to so many features are drawn side by side; of more, one at a time. */
const MOST_SIDE_BY_SIDE = 8;
const SPANS = [300, 1000, 10_000];
const REFRESH_EVERY_MS = 5000;
/** By then the page itself is among the subscribers. */
const AFTER_OPENING_MS = 1000;
const CLOCK_EVERY_MS = 250;

const connectionLine = new ConnectionLine({
  line: page.connection,
  text: page.connectionText,
  announcer: page.announcer,
  retry: page.retry,
});
const notices = new Notices(page.notices, page.noNotices);
const table = new StatisticsTable(page.table, page.tableCaption);

let channels: ChannelSummary[] = [];
let place: Place = parsePlace(location.hash);
let view: ChannelView | undefined;
let span = SPANS[1];
let paused = false;
/** Only the newest call of `open` may finish. */
let opening = 0;

/** Curves move often enough to look alive, numbers seldom enough to be read. */
const drawCurves = paced(() => view?.draw(span), 50);
const drawNumbers = paced(showNumbers, 200);

function changed(): void {
  drawCurves();
  drawNumbers();
}

function showNumbers(): void {
  if (view === undefined) return;
  const { history } = view;
  view.readOut();
  page.waiting.hidden = history.rows > 0;
  page.charts.dataset.rows = String(history.rows);
  page.charts.dataset.seq = String(history.seq);
  setText(page.figures.seq, formatCount(history.seq));
  setText(page.figures.epoch, history.epoch ?? NOTHING);
  setText(page.figures.skipped, formatCount(history.skipped));
  table.update({ stats: history.stats, raw: history.lastRaw, z: history.lastZ });
}

function tick(): void {
  if (view === undefined) return;
  const now = Date.now();
  const age = view.ageMs(now);
  const { rows, messages } = view.rates(now);
  connectionLine.show(view.health(now));
  setText(page.figures.rowRate, formatRate(rows));
  setText(page.figures.messageRate, formatRate(messages));
  setText(page.figures.age, age === undefined ? NOTHING : formatAge(age));
  view.describe();
}

async function open(wanted: Place): Promise<void> {
  const turn = ++opening;
  view?.close();
  view = undefined;
  page.charts.dataset.rows = '0';
  page.waiting.hidden = false;
  const summary = channels.find(({ name }) => name === wanted.channel) ?? channels[0];
  if (summary === undefined) {
    connectionLine.show({ kind: 'closed', text: 'the server has no channels' });
    return;
  }
  const details = await untilAnswered(() => describeChannel(summary.name));
  if (turn !== opening) return;
  const features = featuresOf(details, summary);
  const feature = features.includes(wanted.feature ?? '') ? wanted.feature : undefined;
  const tooMany = features.length > MOST_SIDE_BY_SIDE;
  const shown = tooMany ? [Math.max(0, features.indexOf(feature ?? ''))] : features.map((_, index) => index);
  remember({ channel: summary.name, feature: tooMany ? features[shown[0]] : feature });

  notices.clear();
  table.reset(features);
  showChannels();
  showFeatures(features, tooMany);
  showSettings(details);
  showDetails(details);
  view = new ChannelView({
    details,
    features,
    shown,
    onNotice: (notice) => notices.add(notice),
    onOutdated: () => void open(place),
    onChange: changed,
  });
  layOut();
  tick();
  setTimeout(refresh, AFTER_OPENING_MS);
}

function layOut(): void {
  if (view === undefined) return;
  const { kept } = view.history;
  const wanted = kept.findIndex((index) => view?.features[index] === place.feature);
  const slots = wanted >= 0 ? [wanted] : kept.map((_, slot) => slot);
  view.layOut(
    page.charts,
    slots,
    readPalette(),
    () => pause(true),
    () => pause(false),
  );
  pause(false);
}

function chooseFeature(feature: string | undefined): void {
  remember({ ...place, feature });
  // Curves that were not kept must be fetched anew.
  if (view !== undefined && view.features.length > MOST_SIDE_BY_SIDE) void open(place);
  else layOut();
}

function pause(on: boolean): void {
  paused = on;
  page.pause.setAttribute('aria-pressed', String(on));
  setText(page.pause, on ? 'Resume' : 'Pause');
  if (on) view?.hold();
  else view?.resume();
  changed();
}

function remember(next: Place): void {
  place = next;
  history.replaceState(null, '', formatPlace(next));
  document.title = `${next.channel} · streamnorm`;
}

function showChannels(): void {
  const choices = channels.map(({ name }) => ({ value: name, label: name }));
  showOptions(page.channel, choices, place.channel ?? '');
}

function showFeatures(features: readonly string[], tooMany: boolean): void {
  page.featureBar.hidden = features.length < 2;
  page.featureChoices.hidden = tooMany;
  page.featureSelect.hidden = !tooMany;
  const choices = features.map((name) => ({ value: name, label: name }));
  if (tooMany) showOptions(page.featureSelect, choices, place.feature ?? '');
  else {
    showChoices(
      page.featureChoices,
      'feature',
      [{ value: '', label: 'all' }, ...choices],
      place.feature ?? '',
      (value) => chooseFeature(value === '' ? undefined : value),
    );
  }
}

/** How the channel normalises: its configuration, as far as it is single values. */
function showSettings({ config }: ChannelDetails): void {
  const entries = Object.entries(config).filter(
    ([key, value]) => key !== 'history' && ['string', 'number', 'boolean'].includes(typeof value),
  );
  page.settings.replaceChildren(
    ...entries.map(([key, value]) => {
      const item = document.createElement('li');
      const strong = document.createElement('b');
      strong.textContent = String(value);
      item.append(`${key} `, strong);
      return item;
    }),
  );
}

function showDetails({ counters, producers, subscribers }: ChannelDetails): void {
  const refused = Object.values(counters?.errors ?? {}).reduce((sum, count) => sum + count, 0);
  setText(page.figures.refused, formatCount(refused));
  setText(page.figures.clients, `${producers ?? NOTHING} in, ${subscribers ?? NOTHING} out`);
}

function featuresOf({ config }: ChannelDetails, summary: ChannelSummary): string[] {
  return Array.isArray(config.features) ? (config.features as string[]) : summary.features;
}

/** Repeats a question every two seconds until it is answered; the page is useless before that. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      // What fetch throws when nobody answers is worded differently by every browser.
      const reason = error instanceof TypeError ? 'the server does not answer' : String((error as Error).message);
      connectionLine.show({ kind: 'waiting', text: `${reason}, asking again` });
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

/** What the socket does not tell: the counters of the channel, and which channels there are. */
async function refresh(): Promise<void> {
  if (document.hidden) return;
  const name = view?.name;
  const [list, details] = await Promise.all([
    listChannels().catch(() => channels),
    name === undefined ? undefined : describeChannel(name).catch(() => undefined),
  ]);
  if (details !== undefined && view?.name === name) showDetails(details);
  if (list.map((channel) => channel.name).join('\n') === channels.map((channel) => channel.name).join('\n')) return;
  channels = list;
  if (name === undefined) await open(place);
  else showChannels();
}

page.channel.addEventListener('change', () => void open({ channel: page.channel.value, feature: undefined }));
page.featureSelect.addEventListener('change', () => chooseFeature(page.featureSelect.value));
page.retry.addEventListener('click', () => view?.retryNow());
page.pause.addEventListener('click', () => pause(!paused));
addEventListener('hashchange', () => void open(parsePlace(location.hash)));
onPaletteChange(layOut);
showChoices(
  page.spanChoices,
  'span',
  SPANS.map((rows) => ({ value: String(rows), label: formatCount(rows) })),
  String(span),
  (value) => {
    span = Number(value);
    pause(false);
  },
);
setInterval(tick, CLOCK_EVERY_MS);
setInterval(refresh, REFRESH_EVERY_MS);

channels = await untilAnswered(listChannels);
await open(place);
