import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { StreamnormError } from '../errors.ts';
import type { Admission, Seat } from './admission.ts';
import { AliveClock } from './alive-clock.ts';
import type { Access } from './auth/access.ts';
import { Admitted } from './auth/admitted.ts';
import { Refused } from './auth/refused.ts';
import type { Channel } from './channel.ts';
import type { Limits } from './config/limits.ts';
import { cutOff } from './cut-off.ts';
import { inSlices } from './in-slices.ts';
import { Liveness } from './liveness.ts';
import type { Log } from './log.ts';
import type { PeerFigures } from './metrics.ts';
import { type OutboundQuery, readOutboundQuery } from './outbound-query.ts';
import { highest, type PeerList } from './peer-list.ts';
import { PerMinute } from './per-minute.ts';
import { Producer } from './producer.ts';
import { ProducerRates } from './producer-rates.ts';
import { pathOf } from './routes.ts';
import { readKey } from './row-keys.ts';
import { Snapshots } from './snapshots.ts';
import { Subscriber } from './subscriber.ts';

const SUBPROTOCOL = 'streamnorm.v1';
/** Restarted clients come back spread over this time. */
const SPREAD_MS = 5_000;

export interface SocketOptions {
  readonly limits: Limits;
  readonly admission: Admission;
  channel(name: string): Channel | undefined;
  /** Also of exceptions in our own code: that socket closes with 1011, the others go on. */
  readonly log: Log;
}

/** What the path of a WebSocket says. */
interface Target {
  readonly role: 'in' | 'out';
  readonly name: string;
  readonly parameters: URLSearchParams;
}

/** Who is at the other end, for the log. */
interface Client {
  readonly address: string;
  readonly role: 'in' | 'out';
  readonly channel: string;
  /** Whose token it has. */
  readonly holder: string | undefined;
}

/** All WebSockets of a server, and what becomes of each. */
export class Sockets {
  readonly #options: SocketOptions;
  readonly #in: WebSocketServer;
  readonly #out: WebSocketServer;
  readonly #liveness: Liveness;
  readonly #subscribers: Map<WebSocket, Subscriber>;
  readonly #producers: Map<WebSocket, { channel: Channel; producer: Producer; key: string | undefined }>;
  readonly #clients: WeakMap<WebSocket, { client: Client; sinceMs: number }>;
  readonly #all: Set<WebSocket>;
  readonly #admitted: Admitted;
  readonly #producerRates: ProducerRates;
  #producersSoFar: number;
  readonly #snapshots: Snapshots;
  readonly #clock: AliveClock;
  /** Connections refused, by HTTP status or, of browsers, close code. */
  readonly refused: Map<number, number>;
  readonly #heartbeatTimer: NodeJS.Timeout;

  constructor(options: SocketOptions) {
    const { limits } = options;
    const server = (maxPayload: number) => {
      // closeTimeout is an option of ws 8.19 and later that its types do not know yet
      const settings: ServerOptions & { closeTimeout: number } = {
        noServer: true,
        maxPayload,
        perMessageDeflate: false,
        clientTracking: false,
        closeTimeout: limits.drainMs,
        // only ours is chosen; a token that came as another one is never echoed
        handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
      };
      return new WebSocketServer(settings);
    };
    this.#options = options;
    this.#in = server(limits.maxMessageBytes);
    this.#out = server(limits.maxSubscriberMessageBytes);
    this.#liveness = new Liveness(limits.pingMs, limits.pongMs);
    this.#subscribers = new Map();
    this.#producers = new Map();
    this.#clients = new WeakMap();
    this.#all = new Set();
    this.#admitted = new Admitted((socket, reason) => {
      this.#countRefused(4401);
      this.#fail(socket, 4401, new StreamnormError('AUTH', reason));
    });
    this.#producerRates = new ProducerRates(limits);
    this.#producersSoFar = 0;
    this.#snapshots = new Snapshots();
    this.#clock = new AliveClock(Math.max(5, Math.min(100, limits.conflateAfterMs / 10)));
    this.refused = new Map();
    this.#heartbeatTimer = setInterval(() => {
      inSlices(this.#subscribers, ([socket, subscriber]) => this.#guarded(socket, () => subscriber.heartbeat()));
    }, limits.heartbeatMs);
  }

  /** The open sockets of channels, for the metrics. */
  *peers(): Generator<PeerFigures> {
    for (const [socket, { channel }] of this.#producers) {
      yield { role: 'in', channel, queuedBytes: socket.bufferedAmount, lagRows: 0 };
    }
    for (const [socket, { channel, lagRows }] of this.#subscribers) {
      yield { role: 'out', channel, queuedBytes: socket.bufferedAmount, lagRows };
    }
  }

  /**
   * Who is connected to a channel: of subscribers those furthest behind, of producers those longest silent.
   *
   * @param who whether addresses and holders of tokens are told
   */
  list(channel: Channel, who: boolean): PeerList {
    const most = this.#options.limits.maxListed;
    const nowMs = performance.now();
    const base = (socket: WebSocket) => {
      const { client, sinceMs } = this.#clients.get(socket) ?? { client: undefined, sinceMs: nowMs };
      const { address, holder } = client ?? {};
      return {
        ...(who && { address, ...(holder !== undefined && { holder }) }),
        ...{ connectedMs: Math.round(nowMs - sinceMs), queuedBytes: socket.bufferedAmount },
      };
    };
    const silentMs = ({ lastMs }: Producer) => (lastMs === undefined ? null : Math.round(nowMs - lastMs));
    const producers = Array.from(this.#producers).filter(([, of]) => of.channel === channel);
    const subscribers = Array.from(this.#subscribers).filter(([, of]) => of.channel === channel);
    return {
      in: highest(producers, most, ([, { producer }]) => silentMs(producer) ?? 0).map(([socket, { producer, key }]) => {
        const { rows, refused } = producer;
        return { ...base(socket), ...(key !== undefined && { key }), rows, refused, silentMs: silentMs(producer) };
      }),
      out: highest(subscribers, most, ([, { stalenessMs }]) => stalenessMs ?? 0).map(([socket, subscriber]) => ({
        ...base(socket),
        ...subscriber.figures(),
      })),
    };
  }

  async upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    // without a listener a reset during the handshake would end the process
    stream.on('error', () => stream.destroy());
    let seat: Seat | undefined;
    try {
      const target = targetOf(request);
      seat = this.#options.admission.enter(request);
      const [access, taken] = await this.#options.admission.identify(request, parametersOf(request), seat);
      seat = taken;
      if (target === undefined) throw new Refused(404, 'WebSockets are at /in/<channel> and /out/<channel>');
      const { role, name } = target;
      // before anything is said of the channel: who may not use it learns not even whether it exists
      if (!access.may(name, role)) throw new Refused(403, `the token does not allow ${role}/${name.slice(0, 64)}`);
      const client: Client = { address: seat.address, role, channel: name.slice(0, 64), holder: access.holder };
      this.#accept(request, stream, head, seat, client, (socket) => this.#open(socket, stream, target, access));
    } catch (error) {
      if (!(error instanceof Refused)) {
        seat?.leave();
        throw error;
      }
      this.#refuse(request, stream, head, error, seat);
    }
  }

  /** The limits have changed: connections from now on have these. */
  limitsChanged(): void {
    this.#in.options.maxPayload = this.#options.limits.maxMessageBytes;
    this.#out.options.maxPayload = this.#options.limits.maxSubscriberMessageBytes;
  }

  /** Everybody comes in again, by the tokens of now. */
  reconnectAll(): void {
    for (const [socket, subscriber] of this.#subscribers) {
      this.#guarded(socket, () => subscriber.bye(1012, Math.round(Math.random() * SPREAD_MS)));
    }
    for (const socket of this.#all) socket.close(1012, 'tokens have changed');
  }

  /** A channel is no more: its clients are told, and need not come back. */
  closeChannel(channel: Channel): void {
    for (const [socket, subscriber] of this.#subscribers) {
      if (subscriber.channel !== channel) continue;
      this.#guarded(socket, () => subscriber.bye(4404));
      socket.close(4404, 'the channel was removed');
    }
    for (const [socket, of] of this.#producers) {
      if (of.channel === channel) socket.close(4404, 'the channel was removed');
    }
  }

  /** Ends the connections whose token is no longer taken. */
  keepOnly(holds: (access: Access) => boolean): void {
    this.#admitted.keepOnly(holds);
  }

  /** Says goodbye to all, and tears down those that are still there after `drainMs`. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeatTimer);
    this.#admitted.close();
    this.#clock.close();
    this.#liveness.close();
    for (const [socket, subscriber] of this.#subscribers) {
      this.#guarded(socket, () => subscriber.bye(1012, Math.round(Math.random() * SPREAD_MS)));
    }
    const closed = Array.from(
      this.#all,
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    for (const socket of this.#all) socket.close(1012, 'restart');
    const timer = setTimeout(() => {
      for (const socket of this.#all) socket.terminate();
    }, this.#options.limits.drainMs);
    await Promise.all(closed);
    clearTimeout(timer);
  }

  #accept(
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    seat: Seat,
    client: Client,
    opened: (socket: WebSocket) => void,
  ): void {
    // gone while its token was checked
    if (stream.destroyed) {
      seat.leave();
      return;
    }
    const server = client.role === 'in' ? this.#in : this.#out;
    let isOpen = false;
    // ws refuses what is no proper handshake, and then nobody comes
    stream.once('close', () => {
      if (!isOpen) seat.leave();
    });
    server.handleUpgrade(request, stream, head, (socket) => {
      isOpen = true;
      this.#track(socket, client, seat);
      this.#guarded(socket, () => opened(socket));
    });
  }

  #open(socket: WebSocket, stream: Duplex, { role, name, parameters }: Target, access: Access): void {
    this.#admitted.add(socket, access);
    const channel = this.#options.channel(name);
    if (channel === undefined) {
      this.#fail(socket, 4404, new StreamnormError('NO_CHANNEL', `there is no channel '${name.slice(0, 64)}'`));
      return;
    }
    if (role === 'in') this.#openProducer(socket, channel, parameters, access.holder);
    else this.#openSubscriber(socket, stream, channel, parameters);
  }

  #openProducer(socket: WebSocket, channel: Channel, parameters: URLSearchParams, holder: string | undefined): void {
    let key: string | undefined;
    try {
      key = producerKey(parameters, channel);
    } catch (error) {
      if (!(error instanceof StreamnormError)) throw error;
      channel.counters.error(error.code);
      this.#fail(socket, 4400, error);
      return;
    }
    const { limits, log } = this.#options;
    const rate = this.#producerRates.of(holder);
    const producer = new Producer(socket, channel, limits, rate, log, key, holder, ++this.#producersSoFar);
    this.#producers.set(socket, { channel, producer, key });
    channel.producerCount++;
    socket.once('close', () => {
      this.#producers.delete(socket);
      channel.producerCount--;
    });
    socket.on('message', (data, isBinary) => this.#guarded(socket, () => producer.message(data, isBinary)));
  }

  #openSubscriber(socket: WebSocket, stream: Duplex, channel: Channel, parameters: URLSearchParams): void {
    let query: OutboundQuery;
    try {
      query = readOutboundQuery(parameters, channel.config.keys !== undefined);
    } catch (error) {
      if (!(error instanceof StreamnormError)) throw error;
      channel.counters.error(error.code);
      this.#fail(socket, 4400, error);
      return;
    }
    const { limits, log } = this.#options;
    const subscriber = new Subscriber(socket, stream, channel, query, limits, this.#snapshots, this.#clock, log);
    const errors = new PerMinute(limits.maxErrorsPerMinute);
    this.#subscribers.set(socket, subscriber);
    channel.subscriberCount++;
    socket.once('close', () => {
      subscriber.close();
      this.#subscribers.delete(socket);
      channel.subscriberCount--;
    });
    socket.on('pong', (payload) => this.#guarded(socket, () => subscriber.answered(payload)));
    socket.on('message', () => {
      channel.counters.error('READ_ONLY');
      if (errors.allows()) {
        say(socket, new StreamnormError('READ_ONLY', 'a subscriber does not send rows: push to /in/<channel>'));
      } else {
        cutOff(socket, 1008, 'too many errors in a minute');
      }
    });
  }

  #track(socket: WebSocket, client: Client, seat: Seat): void {
    const { log } = this.#options;
    const { address, role, channel } = client;
    log.write('connection.opened', `${address} connected to /${role}/${channel}`, { ...client });
    this.#all.add(socket);
    this.#clients.set(socket, { client, sinceMs: performance.now() });
    this.#liveness.add(socket);
    // broken frames, resets, too large messages: ws closes with the right code itself
    socket.on('error', () => {});
    const pings = new PerMinute(this.#options.limits.maxPingsPerMinute);
    socket.on('ping', () => {
      // each is answered, so a flood of them fills memory where nobody reads
      if (!pings.allows()) socket.terminate();
    });
    socket.once('close', (code) => {
      log.write('connection.closed', `${address} left /${role}/${channel}: ${code}`, { ...client, code });
      this.#all.delete(socket);
      seat.leave();
    });
  }

  #guarded(socket: WebSocket, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#options.log.bug(error);
      socket.close(1011, 'internal error');
    }
  }

  #fail(socket: WebSocket, code: number, error: StreamnormError): void {
    say(socket, error);
    socket.close(code, closeReason(error.message));
  }

  #refuse(request: IncomingMessage, stream: Duplex, head: Buffer, refused: Refused, seat: Seat | undefined): void {
    const { status, closeCode, message: reason } = refused;
    const address = this.#options.admission.addressOf(request);
    // a browser hides the answer from its page, which would try again for ever
    const inside = seat !== undefined && closeCode !== undefined && request.headers.origin !== undefined;
    const code = inside ? closeCode : status;
    this.#countRefused(code);
    this.#options.log.write('connection.refused', `${address} was refused with ${code}: ${reason}`, {
      ...{ status: code, reason, address },
    });
    if (inside) {
      const { role = 'out', name = '' } = targetOf(request) ?? {};
      const client: Client = { address, role, channel: name.slice(0, 64), holder: undefined };
      this.#accept(request, stream, head, seat, client, (socket) => {
        this.#fail(socket, closeCode, new StreamnormError(closeCode === 4401 ? 'AUTH' : 'FORBIDDEN', reason));
      });
      return;
    }
    seat?.leave();
    // the other side may never close its half
    stream.end(refusalText(refused), () => stream.destroy());
  }

  #countRefused(code: number): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
  }
}

/** The key of rows that bring none: `?key=`. */
function producerKey(parameters: URLSearchParams, { name, config }: Channel): string | undefined {
  const key = parameters.get('key');
  if (key === null) return undefined;
  if (config.keys === undefined) {
    throw new StreamnormError('BAD_QUERY', `channel ${name} has no keys: leave ?key= out, or configure its key`);
  }
  return readKey(key, 'key');
}

function say(socket: WebSocket, { code, message }: StreamnormError): void {
  socket.send(JSON.stringify({ type: 'error', code, message, retry: false }));
}

/** At most 123 bytes, cut between characters. */
function closeReason(message: string): string {
  const bytes = Buffer.from(message).subarray(0, 120);
  return bytes.toString().replace(/\ufffd$/, '');
}

function targetOf(request: IncomingMessage): Target | undefined {
  const url = pathOf(request);
  const [, role, name, ...rest] = url?.path.split('/') ?? [];
  if (url === undefined || (role !== 'in' && role !== 'out') || !name || rest.length > 0) return undefined;
  return { role, name, parameters: url.parameters };
}

function parametersOf(request: IncomingMessage): URLSearchParams {
  return pathOf(request)?.parameters ?? new URLSearchParams();
}

function refusalText({ status, message, headers }: Refused): string {
  const body = JSON.stringify({ error: message });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
