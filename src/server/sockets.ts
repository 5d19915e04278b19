import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { StreamnormError } from '../errors.ts';
import { AliveClock } from './alive-clock.ts';
import type { Channel } from './channel.ts';
import type { Limits } from './config/limits.ts';
import { isLoopback } from './config/listen.ts';
import { Liveness } from './liveness.ts';
import type { Log } from './log.ts';
import type { PeerFigures } from './metrics.ts';
import { type OutboundQuery, readOutboundQuery } from './outbound-query.ts';
import { PerMinute } from './per-minute.ts';
import { Producer } from './producer.ts';
import { pathOf } from './routes.ts';
import { Snapshots } from './snapshots.ts';
import { Subscriber } from './subscriber.ts';

const SUBPROTOCOL = 'streamnorm.v1';
const OVERLOADED_RETRY_S = 5;
/** Restarted clients come back spread over this time. */
const SPREAD_MS = 5_000;

export interface SocketOptions {
  readonly limits: Limits;
  readonly origins: readonly string[];
  /** It listens where only this machine can reach it. */
  readonly onlyLoopback: boolean;
  channel(name: string): Channel | undefined;
  /** False while starting and draining. */
  ready(): boolean;
  /** Also of exceptions in our own code: that socket closes with 1011, the others go on. */
  readonly log: Log;
}

/** What the path of a WebSocket says. */
interface Target {
  readonly role: 'in' | 'out';
  readonly name: string;
  readonly parameters: URLSearchParams;
}

interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterS?: number;
}

/** All WebSockets of a server: who may connect, and what becomes of each. */
export class Sockets {
  readonly #options: SocketOptions;
  readonly #in: WebSocketServer;
  readonly #out: WebSocketServer;
  readonly #liveness: Liveness;
  readonly #subscribers: Map<WebSocket, Subscriber>;
  readonly #producers: Map<WebSocket, Channel>;
  readonly #all: Set<WebSocket>;
  readonly #perAddress: Map<string, number>;
  readonly #snapshots: Snapshots;
  readonly #clock: AliveClock;
  /** Connections refused, by HTTP status. */
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
    this.#all = new Set();
    this.#perAddress = new Map();
    this.#snapshots = new Snapshots();
    this.#clock = new AliveClock(Math.max(5, Math.min(100, limits.conflateAfterMs / 10)));
    this.refused = new Map();
    this.#heartbeatTimer = setInterval(() => {
      for (const [socket, subscriber] of this.#subscribers) this.#guarded(socket, () => subscriber.heartbeat());
    }, limits.heartbeatMs);
  }

  /** The open sockets of channels, for the metrics. */
  *peers(): Generator<PeerFigures> {
    for (const [socket, channel] of this.#producers) {
      yield { role: 'in', channel, queuedBytes: socket.bufferedAmount, lagRows: 0 };
    }
    for (const [socket, { channel, lagRows }] of this.#subscribers) {
      yield { role: 'out', channel, queuedBytes: socket.bufferedAmount, lagRows };
    }
  }

  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // without a listener a reset during the handshake would end the process
    stream.on('error', () => stream.destroy());
    const target = targetOf(request);
    const refusal = this.#refusal(request, target);
    if (refusal !== undefined || target === undefined) {
      this.#refuse(stream, refusal as Refusal, addressOf(request));
      return;
    }
    const { role, name, parameters } = target;
    const address = addressOf(request);
    const server = role === 'in' ? this.#in : this.#out;
    server.handleUpgrade(request, stream, head, (socket) => {
      this.#track(socket, address, role, name);
      this.#guarded(socket, () => this.#open(socket, stream, role, name, parameters));
    });
  }

  /** Says goodbye to all, and tears down those that are still there after `drainMs`. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeatTimer);
    this.#clock.close();
    this.#liveness.close();
    for (const [socket, subscriber] of this.#subscribers) {
      this.#guarded(socket, () => subscriber.bye(Math.round(Math.random() * SPREAD_MS)));
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

  #open(socket: WebSocket, stream: Duplex, role: 'in' | 'out', name: string, parameters: URLSearchParams): void {
    const channel = this.#options.channel(name);
    if (channel === undefined) {
      this.#fail(socket, 4404, new StreamnormError('NO_CHANNEL', `there is no channel '${name.slice(0, 64)}'`));
      return;
    }
    if (role === 'in') this.#openProducer(socket, channel);
    else this.#openSubscriber(socket, stream, channel, parameters);
  }

  #openProducer(socket: WebSocket, channel: Channel): void {
    const producer = new Producer(socket, channel, this.#options.limits, this.#options.log);
    this.#producers.set(socket, channel);
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
      query = readOutboundQuery(parameters);
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
    socket.on('pong', () => this.#guarded(socket, () => subscriber.answered()));
    socket.on('message', () => {
      channel.counters.error('READ_ONLY');
      if (errors.allows()) {
        say(socket, new StreamnormError('READ_ONLY', 'a subscriber does not send rows: push to /in/<channel>'));
      } else {
        socket.close(1008, 'too many errors in a minute');
      }
    });
  }

  #track(socket: WebSocket, address: string, role: 'in' | 'out', channel: string): void {
    const { log } = this.#options;
    const of = { role, channel: channel.slice(0, 64), address };
    log.write('connection.opened', `${address} connected to /${role}/${of.channel}`, of);
    this.#all.add(socket);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    this.#liveness.add(socket);
    // broken frames, resets, too large messages: ws closes with the right code itself
    socket.on('error', () => {});
    const pings = new PerMinute(this.#options.limits.maxPingsPerMinute);
    socket.on('ping', () => {
      // each is answered, so a flood of them fills memory where nobody reads
      if (!pings.allows()) socket.terminate();
    });
    socket.once('close', (code) => {
      log.write('connection.closed', `${address} left /${role}/${of.channel}: ${code}`, { ...of, code });
      this.#all.delete(socket);
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
  }

  /** Why this request may not become a WebSocket. */
  #refusal(request: IncomingMessage, target: Target | undefined): Refusal | undefined {
    const { limits } = this.#options;
    const retryAfterS = OVERLOADED_RETRY_S;
    if (target === undefined) return { status: 404, reason: 'WebSockets are at /in/<channel> and /out/<channel>' };
    if (!this.#options.ready()) return { status: 503, reason: 'the server is starting or closing', retryAfterS };
    if (!this.#mayConnect(request)) {
      return { status: 403, reason: 'this page may not connect: add its origin to listen.origins' };
    }
    if (this.#all.size >= limits.maxConnections) return { status: 503, reason: 'too many connections', retryAfterS };
    if ((this.#perAddress.get(addressOf(request)) ?? 0) >= limits.maxConnectionsPerAddress) {
      return { status: 429, reason: 'too many connections from this address', retryAfterS };
    }
    return undefined;
  }

  /**
   * Browsers name the page that connects: it is this server's own, or one of the list. Other clients name none.
   *
   * A page of this server has its host, but so has any page whose name was made to resolve to this machine (DNS
   * rebinding); so where only this machine is meant to connect, the host must be no such name.
   */
  #mayConnect({ headers }: IncomingMessage): boolean {
    const { origin, host } = headers;
    const { origins, onlyLoopback } = this.#options;
    if (origin === undefined || origins.includes(origin)) return true;
    if (origin !== `http://${host}` && origin !== `https://${host}`) return false;
    return !onlyLoopback || isLoopback(new URL(origin).hostname);
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

  #refuse(stream: Duplex, refusal: Refusal, address: string): void {
    const { status, reason } = refusal;
    this.#options.log.write('connection.refused', `${address} was refused with ${status}: ${reason}`, {
      ...{ status, reason, address },
    });
    this.refused.set(status, (this.refused.get(status) ?? 0) + 1);
    // the other side may never close its half
    stream.end(refusalText(refusal), () => stream.destroy());
  }
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

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? '';
}

function refusalText({ status, reason, retryAfterS }: Refusal): string {
  const body = JSON.stringify({ error: reason });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(retryAfterS === undefined ? [] : [`retry-after: ${retryAfterS}`]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
