/** Joins the parts of the page: which channel and features are open, when to draw, and what the keys do. */
import { announcementOf } from './announcement.ts';
import { showFacts, showSettings } from './channel-facts.ts';
import { ChannelView } from './channel-view.ts';
import { showChoices, showOptions } from './choices.ts';
import { ConnectionLine } from './connection-line.ts';
import { Credentials, tabStorage } from './credentials.ts';
import { fillTable } from './fill-table.ts';
import { formatAge, formatCount, formatRate, NOTHING } from './format.ts';
import { formatPlace, type Place, parsePlace } from './location.ts';
import type { ChannelDetails, ChannelSummary } from './messages.ts';
import { Notices } from './notices.ts';
import { paced } from './paced.ts';
import { page } from './page.ts';
import { onPaletteChange, readPalette } from './palette.ts';
import type { Problem } from './problem.ts';
import { showProblem } from './problem-box.ts';
import { rowTable } from './row-table.ts';
import { scrollStops } from './scroll-stops.ts';
import { Refusal, Server } from './server.ts';
import { setText } from './set-text.ts';
import { SignIn } from './sign-in.ts';
import { StatisticsTable } from './statistics-table.ts';

/** Up to so many features are drawn side by side; of more, one at a time. */
const MOST_SIDE_BY_SIDE = 8;
const SPANS = [300, 1000, 10_000];
const REFRESH_EVERY_MS = 5000;
/** Rows of one key bring no statistics, so these are asked for. */
const REFRESH_KEY_EVERY_MS = 1000;
/** By then the page itself is among the subscribers. */
const AFTER_OPENING_MS = 1000;
const ASK_AGAIN_MS = 2000;
const CLOCK_EVERY_MS = 250;
const SAY_EVERY_MS = 30_000;

const credentials = new Credentials(tabStorage());
const server = new Server(credentials);
const signIn = new SignIn(page.signIn, credentials);
const connectionLine = new ConnectionLine({
  line: page.connection,
  text: page.connectionText,
  announcer: page.announcer,
});
const notices = new Notices(page.notices, page.noNotices);
const table = new StatisticsTable(page.table, page.tableCaption);

let channels: ChannelSummary[] = [];
let place: Place = parsePlace(location.hash);
let view: ChannelView | undefined;
/** What is wrong while no channel is open. */
let trouble: Problem | undefined;
let span = SPANS[1];
let paused = false;
/** Only the newest call of `open` may finish. */
let opening = 0;
let refreshTimer: ReturnType<typeof setTimeout> | undefined;
let saidAt = Date.now();
/** Cuts a wait short: the reader has pressed the button of the problem. */
let goOn: (() => void) | undefined;

/** Curves move often enough to look alive, numbers seldom enough to be read. */
const drawCurves = paced(() => view?.draw(span), 50);
const drawNumbers = paced(showNumbers, 200);
const drawRows = paced(showRows, 1000);

function changed(): void {
  drawCurves();
  drawNumbers();
  if (page.rows.open) drawRows();
}

function showNumbers(): void {
  if (view === undefined) return;
  const { history } = view;
  view.readOut();
  page.waiting.hidden = history.rows > 0 || view.isForbidden;
  page.charts.dataset.rows = String(history.rows);
  page.charts.dataset.seq = String(history.seq);
  setText(page.figures.seq, formatCount(history.seq));
  setText(page.figures.epoch, history.epoch ?? NOTHING);
  setText(page.figures.skipped, formatCount(history.skipped));
  table.update({ stats: history.stats, raw: history.lastRaw, z: history.lastZ });
}

function showRows(): void {
  if (view === undefined || paused || !page.rows.open) return;
  const { history, features } = view;
  const slots = slotsShown(view);
  const names = slots.map((slot) => features[history.kept[slot]]);
  const { labels, rows } = rowTable(names, slots, history.series, (slot) => history.stats?.std[history.kept[slot]]);
  fillTable(page.rowTable, labels, rows);
}

function tick(): void {
  page.signOut.hidden = !credentials.isKnown;
  if (view === undefined) {
    showProblem(trouble);
    return;
  }
  const now = Date.now();
  const age = view.ageMs(now);
  const { rows, messages } = view.rates(now);
  const health = view.health(now);
  connectionLine.show(health);
  showProblem(view.problem(now));
  setText(page.figures.rowRate, formatRate(rows));
  setText(page.figures.messageRate, formatRate(messages));
  setText(page.figures.age, age === undefined ? NOTHING : formatAge(age));
  view.describe();
  if (health.kind !== 'live' || document.hidden || now - saidAt < SAY_EVERY_MS) return;
  saidAt = now;
  const { features, history } = view;
  setText(
    page.valuesAnnouncer,
    announcementOf({ features, raw: history.lastRaw, z: history.lastZ, stats: history.stats }),
  );
}

async function open(wanted: Place): Promise<void> {
  const turn = ++opening;
  closeView();
  const summary = channels.find(({ name }) => name === wanted.channel);
  const name = wanted.channel ?? channels[0]?.name;
  if (name === undefined) {
    settleWithout({ channel: undefined, feature: undefined }, noChannels());
    return;
  }
  let details: ChannelDetails;
  let key: string | undefined;
  try {
    [details, key] = await untilAnswered(() => describe(name, wanted.key));
  } catch (error) {
    if (turn === opening) settleWithout(wanted, noSuchChannel(name, error as Refusal));
    return;
  }
  if (turn !== opening) return;
  trouble = undefined;
  const features = featuresOf(details, summary);
  const feature = features.includes(wanted.feature ?? '') ? wanted.feature : undefined;
  const tooMany = features.length > MOST_SIDE_BY_SIDE;
  const shown = tooMany ? [Math.max(0, features.indexOf(feature ?? ''))] : features.map((_, index) => index);
  remember({ channel: name, key, feature: tooMany ? features[shown[0]] : feature });

  notices.clear();
  table.reset(features);
  showChannels();
  showKeys(details);
  showFeatures(features, tooMany);
  showSettings(details);
  showFacts(details);
  if (details.keys !== undefined && key === undefined) {
    settleWithout(place, noKeys(name));
    scheduleRefresh(REFRESH_KEY_EVERY_MS);
    return;
  }
  view = new ChannelView({
    details,
    features,
    shown,
    key,
    protocols: () => credentials.protocols(),
    onNotice: (notice) => notices.add(notice),
    onUnauthorised: (reason) => void signInAgain(reason),
    onOutdated: () => void open(place),
    onSay: (text) => setText(page.valuesAnnouncer, text),
    onChange: changed,
  });
  if (key !== undefined && details.stats != null) view.history.statistics(details.stats);
  layOut();
  tick();
  scheduleRefresh(AFTER_OPENING_MS);
}

function closeView(): void {
  view?.close();
  view = undefined;
  page.charts.dataset.rows = '0';
  page.waiting.hidden = false;
}

/** No channel is open, and this is why. */
function settleWithout(wanted: Place, problem: Problem): void {
  closeView();
  place = wanted;
  trouble = problem;
  page.waiting.hidden = true;
  page.keyField.hidden = place.key === undefined && page.keys.childElementCount === 0;
  showChannels();
  connectionLine.show({ kind: 'closed', text: 'no channel is open' });
  tick();
  scheduleRefresh(REFRESH_EVERY_MS);
}

/** Of a channel with keys: those of one, of the one that came last where none is asked for. */
async function describe(name: string, wanted: string | undefined): Promise<[ChannelDetails, string | undefined]> {
  const whole = await server.describeChannel(name);
  if (whole.keys === undefined) return [whole, undefined];
  const key = wanted ?? whole.recentKeys?.[0];
  if (key === undefined) return [whole, undefined];
  try {
    return [await server.describeChannel(name, key), key];
  } catch (error) {
    // it may still come
    if (error instanceof Refusal && error.status === 404) return [{ ...whole, stats: null }, key];
    throw error;
  }
}

function slotsShown({ history, features }: ChannelView): number[] {
  const wanted = history.kept.findIndex((index) => features[index] === place.feature);
  return wanted >= 0 ? [wanted] : history.kept.map((_, slot) => slot);
}

function layOut(): void {
  if (view === undefined) return;
  view.layOut(
    page.charts,
    slotsShown(view),
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
  if (on) {
    view?.hold();
    // what is held is what is described, at once
    view?.describe();
  } else {
    view?.resume();
  }
  changed();
}

function remember(next: Place): void {
  place = next;
  history.replaceState(null, '', formatPlace(next));
  document.title = `${next.channel} · streamnorm`;
}

function showChannels(): void {
  const choices = channels.map(({ name }) => ({ value: name, label: name }));
  const isListed = channels.some(({ name }) => name === place.channel);
  if (!isListed) choices.unshift({ value: '', label: channels.length === 0 ? 'none' : 'choose one' });
  showOptions(page.channel, choices, place.channel ?? '');
}

function showKeys({ keys, recentKeys = [] }: ChannelDetails): void {
  page.keyField.hidden = keys === undefined;
  if (keys === undefined) return;
  const list = recentKeys.join('\n');
  if (page.keys.dataset.list !== list) {
    page.keys.dataset.list = list;
    page.keys.replaceChildren(...recentKeys.map((key) => new Option(key, key)));
  }
  page.key.placeholder = `one of ${formatCount(keys)}`;
  if (document.activeElement !== page.key) page.key.value = place.key ?? '';
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

function featuresOf({ config }: ChannelDetails, summary: ChannelSummary | undefined): string[] {
  return Array.isArray(config.features) ? (config.features as string[]) : (summary?.features ?? []);
}

function noChannels(): Problem {
  if (credentials.isKnown) {
    return {
      severity: 'bad',
      title: 'This token reads no channel',
      advice: 'It is valid, but has out or admin for none of the channels of this server. Another token may.',
      action: 'sign-in',
    };
  }
  return { severity: 'bad', title: 'The server has no channels', advice: 'Its configuration names none.' };
}

function noSuchChannel(name: string, { status, message }: Refusal): Problem {
  if (status === 403) {
    return {
      severity: 'bad',
      title: `This token may not read ${name}`,
      advice: `Whether there is such a channel the server does not say. Choose one that it may, or enter another token.`,
      action: 'sign-in',
    };
  }
  const hint = channels.length > 0 ? ' Choose one above.' : '';
  return { severity: 'bad', title: `Channel ${name} cannot be shown`, advice: `The server says: ${message}.${hint}` };
}

function noKeys(name: string): Problem {
  return {
    severity: 'warn',
    title: `No key of ${name} has come yet`,
    advice: 'Each key of this channel has statistics of its own. The first one that comes is shown at once.',
  };
}

/**
 * Repeats a question until it is answered; the page is useless before that. Asks for a token where one is wanted.
 *
 * @throws Refusal for what is not there or not allowed
 */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  const since = Date.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) await untilSignedIn(error.message);
      else if (error instanceof Refusal && [400, 403, 404].includes(error.status)) throw error;
      else await waitToAskAgain(error, since);
    }
  }
}

async function untilSignedIn(reason: string): Promise<void> {
  const because = reasonToAsk(reason);
  while (!(await signIn.ask(because))) {
    trouble = { severity: 'bad', title: 'Not signed in', advice: because, action: 'sign-in' };
    connectionLine.show({ kind: 'closed', text: 'not signed in' });
    tick();
    await pressed();
  }
}

async function waitToAskAgain(error: unknown, since: number): Promise<void> {
  const refusal = error instanceof Refusal ? error : undefined;
  const waitMs = refusal?.retryAfterMs ?? ASK_AGAIN_MS;
  // What fetch throws when nobody answers is worded differently by every browser.
  const reason = refusal?.message ?? 'the server does not answer';
  connectionLine.show({ kind: 'waiting', text: `${reason}, asking again` });
  trouble = {
    severity: 'bad',
    title: `No answer for ${formatAge(Date.now() - since)}: ${reason}`,
    advice: 'The page asks again by itself. If this lasts: is the process running, and does the network reach it?',
    action: 'retry',
  };
  tick();
  await Promise.race([pressed(), new Promise((resolve) => setTimeout(resolve, waitMs))]);
  goOn = undefined;
}

function pressed(): Promise<void> {
  return new Promise((resolve) => {
    goOn = () => {
      goOn = undefined;
      resolve();
    };
  });
}

/** Forgets a token that was not taken, and says so. */
function reasonToAsk(reason: string): string {
  if (!credentials.isKnown) return 'This server asks for a token.';
  credentials.forget();
  return `The server did not take the token: ${reason}.`;
}

/** While a channel is open. */
async function signInAgain(reason: string): Promise<void> {
  if (await signIn.ask(reasonToAsk(reason))) view?.retryNow();
}

/** With another token everything may be different. */
async function start(): Promise<void> {
  try {
    channels = await untilAnswered(() => server.listChannels());
    await open(place);
  } catch (error) {
    settleWithout(place, noSuchChannel(place.channel ?? '', error as Refusal));
  }
}

function scheduleRefresh(delayMs: number): void {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(refresh, delayMs);
}

/** What the socket does not tell: the counters of the channel, who is connected, and which channels there are. */
async function refresh(): Promise<void> {
  const turn = opening;
  const shown = view;
  if (!document.hidden) {
    try {
      const [list, details, health] = await Promise.all([
        server.listChannels(),
        shown && server.describeChannel(shown.name, shown.key),
        server.health(),
      ]);
      if (turn !== opening) return;
      if (shown !== undefined && details !== undefined) take(shown, details, health.reason);
      if (await takeList(list)) return;
    } catch (error) {
      // a socket that is still tried has told, or will; where there is none, nobody else does
      const isAlone = shown === undefined || shown.isForbidden;
      if (turn === opening && isAlone && error instanceof Refusal && error.status === 401) {
        void start();
        return;
      }
    }
  }
  if (turn === opening) scheduleRefresh(view?.key === undefined ? REFRESH_EVERY_MS : REFRESH_KEY_EVERY_MS);
}

function take(shown: ChannelView, details: ChannelDetails, degraded: string | undefined): void {
  shown.details = details;
  shown.degraded = degraded;
  showFacts(details);
  showKeys(details);
  if (details.stats == null || !(shown.key !== undefined || shown.isForbidden)) return;
  shown.history.statistics(details.stats);
  if (shown.isForbidden) shown.history.seq = details.seq;
  changed();
}

/** True when that opens a channel. */
async function takeList(list: ChannelSummary[]): Promise<boolean> {
  const names = (of: ChannelSummary[]) => of.map(({ name }) => name).join('\n');
  const isNew = names(list) !== names(channels);
  channels = list;
  // a key may have come, or a channel
  if (view === undefined && (isNew || page.keyField.hidden === false)) {
    await open(place);
    return true;
  }
  if (isNew) showChannels();
  return false;
}

page.channel.addEventListener('change', () => {
  if (page.channel.value !== '') void open({ channel: page.channel.value, feature: undefined });
});
page.key.addEventListener('change', () => {
  const key = page.key.value.trim();
  if (key !== '' && key !== place.key) void open({ ...place, key });
});
page.featureSelect.addEventListener('change', () => chooseFeature(page.featureSelect.value));
page.problem.action.addEventListener('click', async () => {
  const isSignIn = page.problem.action.dataset.action === 'sign-in';
  if (goOn !== undefined) goOn();
  else if (!isSignIn) view?.retryNow();
  else if (await signIn.ask('Another token may read more.')) void start();
});
page.signOut.addEventListener('click', () => {
  credentials.forget();
  closeView();
  channels = [];
  void start();
});
page.skip.addEventListener('click', () => {
  page.charts.tabIndex = -1;
  page.charts.scrollIntoView();
  page.charts.focus();
});
page.pause.addEventListener('click', () => pause(!paused));
page.rows.addEventListener('toggle', showRows);
addEventListener('hashchange', () => void open(parsePlace(location.hash)));
onPaletteChange(layOut);
scrollStops(document.querySelectorAll<HTMLElement>('.scroll, .notices-frame'));
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

await start();
