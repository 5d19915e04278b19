import { ChannelHistory } from './channel-history.ts';
import { FeatureCharts } from './charts.ts';
import { Connection, type ConnectionState } from './connection.ts';
import { type Health, healthOf, STALE_MS } from './connection-line.ts';
import { formatAge } from './format.ts';
import type { ChannelDetails, Message } from './messages.ts';
import type { AnyNotice } from './notices.ts';
import type { Palette } from './palette.ts';
import { type Problem, problemOf } from './problem.ts';
import { RateMeter } from './rate-meter.ts';
import { outputUrl } from './server.ts';

/** Rows to ask for when a channel is opened, so that the curves do not begin empty. */
const FIRST_ROWS = 2000;
/** Of a channel with keys, where most of them are of others. */
const FIRST_ROWS_OF_ALL_KEYS = 10_000;

export interface ChannelViewOptions {
  details: ChannelDetails;
  /** Of a channel with keys. */
  key: string | undefined;
  /** Subprotocols of the socket, which hold the token. */
  protocols: () => string[];
  features: readonly string[];
  /** Features to draw, by index. */
  shown: readonly number[];
  onNotice: (notice: AnyNotice) => void;
  /** The token is missing, wrong or expired. */
  onUnauthorised: (reason: string) => void;
  /** Something for those who listen. */
  onSay: (text: string) => void;
  /** The server came back with other features. */
  onOutdated: () => void;
  /** Something changed that is worth a new frame. */
  onChange: () => void;
}

/** One channel while it is open: its connection, its history, its rates and, once laid out, its charts. */
export class ChannelView {
  readonly name: string;
  readonly key: string | undefined;
  readonly features: readonly string[];
  /** What the server said of the channel when it was last asked. */
  details: ChannelDetails;
  /** Why the server does not do all that it should. */
  degraded: string | undefined;
  readonly history: ChannelHistory;
  readonly #connection: Connection;
  readonly #rowRate = new RateMeter(Date.now());
  readonly #messageRate = new RateMeter(Date.now());
  readonly #options: ChannelViewOptions;
  #state: ConnectionState = { kind: 'connecting', again: false };
  #lostAt: number | undefined;
  #lastRowAt: number | undefined;
  /** Rows up to this one are a replay: they are drawn, but say nothing about the rate. */
  #replayedUntil: number;
  #messageIntervalMs = 0;
  #charts: FeatureCharts[] = [];
  #cards: HTMLElement[] = [];
  #held = false;

  constructor(options: ChannelViewOptions) {
    const { details, features, shown, key, protocols, onNotice } = options;
    this.#options = options;
    this.name = details.channel;
    this.key = key;
    this.features = features;
    this.details = details;
    this.#replayedUntil = details.seq;
    this.history = new ChannelHistory({ kept: shown, keyed: key !== undefined, onNotice });
    const begin = `${details.epoch}.${details.seq - rowsToReplay(details)}`;
    this.#connection = new Connection({
      url: () => outputUrl({ channel: this.name, since: this.history.since() ?? begin, key }, document.baseURI),
      protocols,
      onMessage: (message) => this.#receive(message),
      onState: (state) => this.#changeState(state),
    });
  }

  retryNow(): void {
    this.#connection.retryNow();
  }

  close(): void {
    this.#connection.close();
    this.removeCharts();
  }

  /** The rows may not be read, what is asked for by HTTP may. */
  get isForbidden(): boolean {
    return this.#state.kind === 'closed' && this.#state.code === 4403;
  }

  health(now: number): Health {
    return healthOf(this.#state, now, this.#lastRowAt, this.#staleMs);
  }

  problem(now: number): Problem | undefined {
    return problemOf({
      ...{ channel: this.name, key: this.key, state: this.#state, now, staleMs: this.#staleMs },
      ...{ lostAt: this.#lostAt, lastRowAt: this.#lastRowAt, details: this.details, degraded: this.degraded },
    });
  }

  get #staleMs(): number {
    return Math.max(STALE_MS, this.#messageIntervalMs * 5);
  }

  rates(now: number): { rows: number; messages: number } {
    return { rows: this.#rowRate.perSecond(now), messages: this.#messageRate.perSecond(now) };
  }

  ageMs(now: number): number | undefined {
    return this.#lastRowAt === undefined ? undefined : now - this.#lastRowAt;
  }

  /** Lays out the charts of the features at these positions of `shown`. */
  layOut(
    host: HTMLElement,
    slots: readonly number[],
    palette: Palette,
    onHold: () => void,
    onResume: () => void,
  ): void {
    this.removeCharts();
    const single = slots.length === 1;
    host.dataset.count = String(slots.length);
    // A tall window is filled, as long as the charts stand in one row.
    const spare = slots.length <= 2 ? Math.max(0, innerHeight - 900) : 0;
    const heights: [number, number] = single
      ? [236 + spare * 0.5, 164 + spare * 0.3]
      : [210 + spare * 0.5, 160 + spare * 0.3];
    for (const slot of slots) {
      const feature = this.features[this.history.kept[slot]];
      const card = document.createElement('article');
      card.className = 'card feature';
      card.setAttribute('aria-label', feature);
      host.append(card);
      this.#cards.push(card);
      this.#charts.push(
        new FeatureCharts({
          ...{ host: card, feature, slot, palette, heights },
          ...{ onZoom: onHold, onReset: onResume, onSay: this.#options.onSay },
        }),
      );
    }
  }

  removeCharts(): void {
    for (const charts of this.#charts) charts.destroy();
    this.#charts = [];
    this.#cards.forEach((card) => void card.remove());
    this.#cards = [];
  }

  hold(): void {
    this.#held = true;
    for (const charts of this.#charts) charts.hold();
  }

  resume(): void {
    this.#held = false;
  }

  draw(points: number): void {
    if (this.#held) return;
    for (const charts of this.#charts) charts.draw(this.history.series, this.history.marks, points);
  }

  /** Writes the values into the legends. */
  readOut(): void {
    for (const charts of this.#charts) charts.readOut();
  }

  describe(): void {
    for (const charts of this.#charts) charts.describe();
  }

  #receive(message: Message): void {
    const now = Date.now();
    switch (message.type) {
      case 'snapshot':
        if (message.features.join('\n') !== this.features.join('\n')) {
          this.#options.onOutdated();
          return;
        }
        this.history.snapshot(message, now);
        break;
      case 'next': {
        const fresh = this.history.next(message, now);
        if (fresh > 0 && message.seq > this.#replayedUntil) this.#count(now, fresh);
        if (fresh > 0) this.#lastRowAt ??= now;
        break;
      }
      case 'gap':
        this.history.gap(message, now);
        break;
      case 'drift':
        this.history.drift(message, now);
        break;
      case 'error':
        // the close code that follows says the same
        if (message.code === 'AUTH' || message.code === 'FORBIDDEN') break;
        this.#options.onNotice({ time: now, kind: 'error', text: `${message.code}: ${message.message}` });
        break;
    }
    this.#options.onChange();
  }

  #count(now: number, rows: number): void {
    this.#rowRate.add(now, rows);
    this.#messageRate.add(now, 1);
    if (this.#lastRowAt !== undefined) {
      this.#messageIntervalMs += 0.2 * (now - this.#lastRowAt - this.#messageIntervalMs);
    }
    this.#lastRowAt = now;
  }

  #changeState(state: ConnectionState): void {
    const wasOpen = this.#state.kind === 'open';
    this.#state = state;
    const time = Date.now();
    if (wasOpen && (state.kind === 'waiting' || state.kind === 'closed')) {
      this.#options.onNotice({ time, kind: 'connection', text: state.reason });
      this.#lostAt = time;
    } else if (state.kind === 'open' && this.#lostAt !== undefined) {
      const text = `connected again after ${formatAge(time - this.#lostAt)}`;
      this.#options.onNotice({ time, kind: 'connection', text });
      this.#lostAt = undefined;
    }
    this.#options.onChange();
    if (state.kind === 'closed' && state.code === 4401) this.#options.onUnauthorised(state.reason);
  }
}

/** As many of the newest rows as the server surely still has: asked for one more, it would replay none. */
function rowsToReplay({ seq, config, counters, pending = 0, keys }: ChannelDetails): number {
  const { history } = config;
  const kept = typeof history === 'number' ? Math.floor(history / 2) : 0;
  const sent = counters === undefined ? 0 : counters.rows - pending;
  return Math.max(0, Math.min(keys === undefined ? FIRST_ROWS : FIRST_ROWS_OF_ALL_KEYS, seq, kept, sent));
}
