import { BehaviorSubject, type Subscription } from 'rxjs';
import { StreamnormError } from '../../errors.ts';
import { type FeedEvent, feed } from '../../websocket/feed.ts';
import { fieldAt } from '../../websocket/field-path.ts';
import type { Hole } from '../../websocket/hole.ts';
import { matches } from '../../websocket/message-match.ts';
import type { SocketStatus } from '../../websocket/socket-status.ts';
import { feedSettings } from '../../websocket/source.ts';
import { wsTransport } from '../../websocket/ws-socket.ts';
import type { Environment } from '../auth/read-secret.ts';
import type { Channel } from '../channel.ts';
import { type SourceConfig, sourceSamples } from '../config/source.ts';
import type { Log } from '../log.ts';
import { readRows } from '../push.ts';
import { fillIn } from './fill-in.ts';
import { SourceFigures } from './source-figures.ts';
import { openingMessages, sourceHeaders, sourceUrl } from './source-secrets.ts';

/** Longest time at a stretch; then everything else has its turn. */
const SLICE_MS = 5;

type Sample = Record<string, number>;

/**
 * Feeds a channel from an upstream WebSocket: each message with rows is a push, each hole is told to the statistics and
 * to the subscribers.
 *
 * Work is cut in slices: when messages have taken 5 ms at a stretch the socket is paused until all else had its turn, so
 * that a burst waits at the sender, by TCP, and not in this process.
 */
export class ChannelSource {
  readonly figures: SourceFigures;
  readonly #channel: Channel;
  readonly #config: SourceConfig;
  readonly #env: Environment;
  readonly #maxRows: number;
  readonly #log: Log;
  readonly #hold: BehaviorSubject<boolean>;
  #subscription: Subscription | undefined;
  #slice: NodeJS.Immediate | undefined;
  #sliceEndMs: number;
  /** There were rows before: those between them and the first of this source are lost. */
  #wasAway: boolean;

  constructor(channel: Channel, config: SourceConfig, maxRows: number, env: Environment, log: Log) {
    this.figures = new SourceFigures(config.url);
    this.#channel = channel;
    this.#config = config;
    this.#env = env;
    this.#maxRows = maxRows;
    this.#log = log;
    this.#hold = new BehaviorSubject(false);
    this.#subscription = undefined;
    this.#slice = undefined;
    this.#sliceEndMs = 0;
    this.#wasAway = channel.seq > 0;
  }

  /** Why nothing comes any more; undefined while it does, or is tried. */
  get failure(): string | undefined {
    const { state, reason } = this.figures;
    return state === 'failed' ? `the source of channel ${this.#channel.name} has failed: ${reason}` : undefined;
  }

  start(): void {
    this.#subscription = feed<Sample>(wsTransport, this.#settings()).subscribe({
      next: (event) => this.#take(event),
      error: (error) => this.#failed(error),
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    clearImmediate(this.#slice);
    if (this.figures.state !== 'failed') this.figures.state = 'stopped';
  }

  #settings() {
    const { heartbeat, answer = [], sequence, protocols = [], maxSendPerSecond } = this.#config;
    const answers = answer.map(({ match, send }) => ({ wants: matches('source', 'match', match), send }));
    const copied = (send: unknown, message: unknown) =>
      fillIn(send, '$copy', (path) => fieldAt('source', '$copy', path as string)(message)) as object;
    return feedSettings<Sample>(
      'source',
      () => sourceUrl(this.#config, this.#env),
      {
        headers: () => sourceHeaders(this.#config, this.#env),
        open: () => openingMessages(this.#config, this.#env),
        protocols,
        samples: sourceSamples(this.#channel.config.features, this.#config, this.#channel.config.keys?.field),
        maxRows: this.#maxRows,
        deadlineMs: this.#config.deadlineMs,
        handshakeTimeoutMs: this.#config.handshakeMs,
        maxHeldBytes: this.#config.maxHeldBytes,
        hold: this.#hold,
        status: (event) => this.#status(event),
        ...(maxSendPerSecond !== undefined && { maxSendPerSecond }),
        ...(heartbeat && { heartbeat: { ...heartbeat, message: heartbeat.message as object } }),
        ...(answers.length > 0 && {
          answer: (message: unknown) => {
            const found = answers.find(({ wants }) => wants(message));
            return found && copied(found.send, message);
          },
        }),
        ...(sequence && {
          sequence: {
            of: this.#numberOf(sequence.path),
            ...{ reorder: sequence.reorder, withinMs: sequence.withinMs, perConnection: sequence.perConnection },
          },
        }),
      },
      true,
    );
  }

  /** The number of a message that holds rows, and of any other that has one. */
  #numberOf(path: NonNullable<SourceConfig['sequence']>['path']) {
    const read = fieldAt('source', 'path', path);
    const { match, ignore } = this.#config;
    const isOther = match === undefined ? () => false : matches('source', 'match', match);
    const isIgnored = ignore === undefined ? () => false : matches('source', 'ignore', ignore);
    return (message: unknown): number | undefined => {
      if ((match !== undefined && !isOther(message)) || isIgnored(message)) return undefined;
      const found = read(message);
      const seq = typeof found === 'string' && /^\d+$/.test(found) ? Number(found) : found;
      if (typeof seq === 'number') return seq;
      throw new StreamnormError('BAD_VALUE', `the message has no number at '${String(path)}'`);
    };
  }

  #take(event: FeedEvent<Sample>): void {
    try {
      if (event.type === 'hole') this.#hole(event.hole);
      else if (event.samples.length === 0) this.figures.counts.ignored++;
      else this.#push(event.samples);
    } catch (error) {
      if (error instanceof StreamnormError) this.#bad(error);
      else this.#log.bug(error);
    }
    this.#endSlice();
  }

  #push(samples: readonly Sample[]): void {
    const channel = this.#channel;
    this.figures.counts.message++;
    channel.counters.messages++;
    const { features, time, keys } = channel.config;
    const form = {
      features,
      time: this.#config.time === undefined ? time : 'time',
      // as `samplesBy` names it
      key: keys && 'key',
      maxRows: this.#maxRows,
    };
    const push = readRows(samples as Sample[], form, Date.now(), undefined, undefined, false, undefined);
    if (this.#wasAway) {
      this.#wasAway = false;
      this.#hole({
        reason: 'disconnected',
        fromMs: channel.history.newest?.time ?? Number.NaN,
        toMs: Date.now(),
        missed: undefined,
      });
    }
    channel.push(push, 'source');
  }

  #hole({ reason, fromMs, toMs, missed }: Hole): void {
    if (reason === 'sequence' && this.#config.sequence?.onGap === 'count') return;
    this.figures.counts.hole++;
    this.#channel.hole({ fromMs, toMs, missed });
    const { name } = this.#channel;
    const much = missed === undefined ? '' : `, ${missed} messages`;
    this.#log.write('source.hole', `channel ${name}: a hole in its source (${reason}${much})`, {
      ...{ channel: name, reason, missed, ms: Math.round(toMs - fromMs) },
    });
  }

  #status(event: SocketStatus): void {
    const { figures } = this;
    const { counts } = figures;
    const { name } = this.#channel;
    switch (event.type) {
      case 'connecting':
        figures.state = 'connecting';
        break;
      case 'open':
        counts.connected++;
        figures.state = 'open';
        figures.reason = undefined;
        this.#log.write('source.open', `channel ${name}: its source is open`, {
          channel: name,
          attempt: event.attempt,
        });
        break;
      case 'closed': {
        counts.closed++;
        const why = event.status === undefined ? event.reason || `close code ${event.code}` : `HTTP ${event.status}`;
        const cause = event.cause instanceof Error ? event.cause.message : '';
        // a socket that fails before it is open has its cause for a reason
        figures.reason = (why.includes(cause) ? why : `${why}: ${cause}`).slice(0, 300);
        this.#log.write('source.closed', `channel ${name}: its source is gone: ${figures.reason}`, {
          ...{ channel: name, code: event.code, status: event.status, attempt: event.attempt },
        });
        break;
      }
      case 'waiting':
        figures.state = 'waiting';
        break;
      case 'sequence':
        counts[event.what === 'gap' ? 'missed' : event.what] += event.count;
        break;
      case 'dropped':
        counts.dropped += event.count;
        break;
      case 'bad-message':
        this.#bad(event.error);
        break;
      default:
    }
  }

  #bad(error: unknown): void {
    this.figures.counts.bad++;
    const { code, message, row } =
      error instanceof StreamnormError ? error : { code: 'BAD_JSON' as const, message: String(error), row: undefined };
    const { name, counters } = this.#channel;
    counters.error(code);
    const fields = { channel: name, code, ...(row !== undefined && { row }) };
    this.#log.write('message.refused', `channel ${name}: a message of its source: ${code}`, fields);
    this.figures.lastBad = message.slice(0, 300);
  }

  #failed(error: unknown): void {
    this.figures.state = 'failed';
    const { cause } = error as { cause?: { message?: string } };
    this.figures.reason = cause?.message ?? (error as Error).message;
    const { name } = this.#channel;
    this.#log.write('source.failed', `channel ${name}: its source has refused for good: ${this.figures.reason}`, {
      channel: name,
    });
    // nothing will come that could close the window
    this.#channel.closeWindow();
  }

  #endSlice(): void {
    const nowMs = performance.now();
    if (this.#slice === undefined) {
      this.#sliceEndMs = nowMs + SLICE_MS;
      this.#slice = setImmediate(() => {
        this.#slice = undefined;
        if (this.#hold.value) this.#hold.next(false);
      });
    } else if (nowMs > this.#sliceEndMs && !this.#hold.value) {
      this.figures.counts.paused++;
      this.#hold.next(true);
    }
  }
}
