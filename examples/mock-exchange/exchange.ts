import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** Habits of a mock exchange; the defaults are those of the strict ones among the real. */
export interface Habits {
  readonly host?: string;
  readonly port?: number;
  /** Time between two quotes of each symbol in ms; 0: only when `quote` is called. */
  readonly everyMs?: number;
  readonly symbols?: readonly string[];
  /** `{ stream, data }` around each quote. */
  readonly wraps?: boolean;
  /** Prices as text. */
  readonly numbersAsText?: boolean;
  /** Heartbeats between the quotes, in ms; 0: none. */
  readonly heartbeatMs?: number;
  /** `{ ping }` that wants its `{ pong }` before the next one, in ms; 0: none. */
  readonly pingMs?: number;
  /** More messages in a second, and the client is cut off. */
  readonly maxIncomingPerSecond?: number;
  /** Without a subscription for so long the client is cut off. */
  readonly subscribeWithinMs?: number;
  /** Clients need `?listenKey=`, which `POST /listen-key` gives and which lives so long, in ms. */
  readonly listenKeyMs?: number;
  /** Clients need `Authorization: Bearer` with this. */
  readonly token?: string;
  /** Every connection counts its messages from 1. */
  readonly countsPerConnection?: boolean;
}

/** What the next upgrades get instead of a WebSocket. */
export type Refusal = { readonly status: number; readonly retryAfter?: string } | 'mute';

interface Client {
  readonly socket: WebSocket;
  readonly stream: Socket;
  readonly subscribed: Set<string>;
  readonly timers: NodeJS.Timeout[];
  incoming: number[];
  unanswered: number | undefined;
  sent: number;
}

/**
 * Behaves like a public feed of market data, on purpose at its worst: acknowledgements and heartbeats between the data,
 * numbers as text, limits that cut off, keys that expire, and every fault of a network at the call of a method.
 *
 * A quote: `{"stream":"btcusdt@quote","data":{"e":"quote","u":17,"E":1732450000000,"s":"BTCUSDT","b":"100.1","a":"100.2"}}`.
 * `u` counts the quotes of a symbol; it goes on while nobody listens. Subscribe with
 * `{"method":"SUBSCRIBE","params":["btcusdt@quote"],"id":1}`.
 */
export class MockExchange {
  readonly url: string;
  readonly httpUrl: string;
  /** What clients have sent, parsed. */
  readonly received: unknown[];
  /** Upgrades asked for so far, with when. */
  readonly attempts: { readonly atMs: number; readonly request: IncomingMessage }[];
  readonly #habits: Required<Omit<Habits, 'token' | 'listenKeyMs'>> & Pick<Habits, 'token' | 'listenKeyMs'>;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #clients: Set<Client>;
  readonly #streams: Set<Socket>;
  /** Last number of each symbol. */
  readonly #numbers: Map<string, number>;
  readonly #keys: Map<string, number>;
  readonly #timers: Set<NodeJS.Timeout>;
  #refusals: Refusal[];
  #refusesAlways: Refusal | undefined;
  #silent: boolean;

  static async open(habits: Habits = {}): Promise<MockExchange> {
    const http = createServer();
    http.listen(habits.port ?? 0, habits.host ?? '127.0.0.1');
    await once(http, 'listening');
    return new MockExchange(http, habits);
  }

  private constructor(http: Server, habits: Habits) {
    const { port, address, family } = http.address() as AddressInfo;
    const host = family === 'IPv6' ? `[${address}]` : address;
    this.url = `ws://${host}:${port}/stream`;
    this.httpUrl = `http://${host}:${port}`;
    this.received = [];
    this.attempts = [];
    this.#habits = {
      ...{ host: '127.0.0.1', port: 0, everyMs: 0, symbols: ['btcusdt'], wraps: true, numbersAsText: true },
      ...{ heartbeatMs: 0, pingMs: 0, maxIncomingPerSecond: 5, subscribeWithinMs: 5_000, countsPerConnection: false },
      ...habits,
    };
    this.#http = http;
    this.#sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    this.#clients = new Set();
    this.#streams = new Set();
    this.#numbers = new Map(this.#habits.symbols.map((symbol) => [symbol, 0]));
    this.#keys = new Map();
    this.#timers = new Set();
    this.#refusals = [];
    this.#refusesAlways = undefined;
    this.#silent = false;
    http.on('connection', (stream) => {
      this.#streams.add(stream);
      stream.on('error', () => {});
      stream.once('close', () => this.#streams.delete(stream));
    });
    http.on('request', (request, response) => {
      request.resume();
      if (request.url !== '/listen-key' || request.method !== 'POST') response.writeHead(404).end();
      else response.end(JSON.stringify({ listenKey: this.listenKey() }));
    });
    http.on('upgrade', (request, stream, head) => this.#upgrade(request, stream as Socket, head));
    const { everyMs } = this.#habits;
    if (everyMs > 0) this.#every(everyMs, () => this.quote());
  }

  /** Clients that are connected. */
  get clients(): number {
    return this.#clients.size;
  }

  /** TCP connections that are open, also of clients that never became one. */
  get connections(): number {
    return this.#streams.size;
  }

  get subscribers(): number {
    return Array.from(this.#clients).filter(({ subscribed }) => subscribed.size > 0).length;
  }

  /** Bytes that clients have not taken yet. */
  get unsentBytes(): number {
    return Array.from(this.#clients).reduce((sum, { socket }) => sum + socket.bufferedAmount, 0);
  }

  /** A new key for `?listenKey=`. */
  listenKey(): string {
    const key = randomBytes(12).toString('hex');
    this.#keys.set(key, Date.now() + (this.#habits.listenKeyMs ?? 0));
    return key;
  }

  /** The price that a number has, so that whoever tests can tell what should have come. */
  static bid(number: number): number {
    return Math.round((100 + 10 * Math.sin(number / 7)) * 100) / 100;
  }

  /** Quotes of every symbol to those who subscribe, `count` of each. */
  quote(count = 1): void {
    for (let i = 0; i < count; i++) {
      for (const symbol of this.#habits.symbols) this.#tell(symbol, this.#next(symbol));
    }
  }

  /** `perSecond` quotes a second for a time. */
  async burst(perSecond: number, ms: number): Promise<void> {
    const from = performance.now();
    for (let sent = 0; ; ) {
      const nowMs = performance.now() - from;
      const due = Math.floor((Math.min(nowMs, ms) * perSecond) / 1_000);
      this.quote(due - sent);
      sent = due;
      if (nowMs >= ms) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Numbers that nobody gets. */
  gap(count = 1): void {
    for (const symbol of this.#habits.symbols) this.#numbers.set(symbol, this.#last(symbol) + count);
  }

  /** The last quote once again. */
  duplicate(): void {
    for (const symbol of this.#habits.symbols) this.#tell(symbol, this.#last(symbol));
  }

  /** The next quotes in disorder: 3 1 2. */
  reorder(): void {
    for (const symbol of this.#habits.symbols) {
      const [a, b, c] = [this.#next(symbol), this.#next(symbol), this.#next(symbol)];
      for (const number of [c, a, b]) this.#tell(symbol, number);
    }
  }

  /** Begins to count anew. */
  reset(): void {
    for (const symbol of this.#habits.symbols) this.#numbers.set(symbol, 0);
  }

  /** Nothing is sent any more, though every connection stays; or again. */
  silence(silent = true): void {
    this.#silent = silent;
  }

  /** TCP resets, also in the middle of a message. */
  cut(midMessage = true): void {
    for (const { stream } of this.#clients) {
      // the first bytes of a frame whose rest never comes
      if (midMessage) stream.write(Buffer.of(0x81, 100, 0x7b));
      stream.resetAndDestroy();
    }
  }

  /** A closing handshake with this code. */
  close(code: number, reason = ''): void {
    for (const { socket } of this.#clients) socket.close(code, reason);
  }

  /** The next `count` upgrades are refused, or never answered. */
  refuse(refusal: Refusal, count = 1): void {
    for (let i = 0; i < count && count !== Number.POSITIVE_INFINITY; i++) this.#refusals.push(refusal);
    if (count === Number.POSITIVE_INFINITY) this.#refusesAlways = refusal;
  }

  /** Takes upgrades again. */
  accept(): void {
    this.#refusals = [];
    this.#refusesAlways = undefined;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const client of this.#clients) client.socket.terminate();
    const closed = once(this.#http, 'close');
    this.#http.close();
    for (const stream of this.#streams) stream.destroy();
    await closed;
  }

  #upgrade(request: IncomingMessage, stream: Socket, head: Buffer): void {
    this.attempts.push({ atMs: performance.now(), request });
    const refusal = this.#refusals.shift() ?? this.#refusesAlways ?? this.#unauthorized(request);
    if (refusal === 'mute') return;
    if (refusal !== undefined) {
      const { status, retryAfter } = refusal;
      const later = retryAfter === undefined ? '' : `Retry-After: ${retryAfter}\r\n`;
      stream.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${later}Connection: close\r\nContent-Length: 0\r\n\r\n`,
      );
      return;
    }
    this.#sockets.handleUpgrade(request, stream, head, (socket) => this.#welcome(socket, stream, request));
  }

  #unauthorized({ url, headers }: IncomingMessage): Refusal | undefined {
    const { token, listenKeyMs } = this.#habits;
    if (token !== undefined && headers.authorization !== `Bearer ${token}`) return { status: 401 };
    if (listenKeyMs === undefined) return undefined;
    return Date.now() < this.#keyEnds(url) ? undefined : { status: 401 };
  }

  #keyEnds(url = ''): number {
    return this.#keys.get(new URL(url, 'http://mock').searchParams.get('listenKey') ?? '') ?? 0;
  }

  #welcome(socket: WebSocket, stream: Socket, request: IncomingMessage): void {
    const { subscribeWithinMs, heartbeatMs, pingMs, listenKeyMs } = this.#habits;
    const client: Client = {
      ...{ socket, stream, subscribed: new Set<string>(), timers: [], incoming: [], unanswered: undefined, sent: 0 },
    };
    this.#clients.add(client);
    socket.on('error', () => {});
    socket.on('message', (data: Buffer) => this.#hear(client, data.toString()));
    const later = (ms: number, then: () => void) => client.timers.push(setTimeout(then, ms));
    const every = (ms: number, then: () => void) => client.timers.push(setInterval(then, ms));
    socket.once('close', () => {
      for (const timer of client.timers) clearInterval(timer);
      this.#clients.delete(client);
    });
    later(subscribeWithinMs, () => client.subscribed.size === 0 && socket.close(1008, 'no subscription'));
    if (heartbeatMs > 0) every(heartbeatMs, () => this.#say(client, { event: 'heartbeat', time: Date.now() }));
    if (pingMs > 0) {
      every(pingMs, () => {
        if (client.unanswered !== undefined) return socket.close(1011, 'no pong');
        client.unanswered = Date.now();
        this.#say(client, { ping: client.unanswered });
      });
    }
    if (listenKeyMs === undefined) return;
    later(Math.max(0, this.#keyEnds(request.url) - Date.now()), () => {
      this.#say(client, { event: 'listenKeyExpired' });
      socket.close(1000, 'listen key expired');
    });
  }

  #hear(client: Client, text: string): void {
    const now = performance.now();
    client.incoming = [...client.incoming.filter((atMs) => now - atMs < 1_000), now];
    if (client.incoming.length > this.#habits.maxIncomingPerSecond) {
      client.socket.close(1008, 'too many messages');
      return;
    }
    let message: { method?: string; params?: string[]; id?: number; pong?: number };
    try {
      message = JSON.parse(text);
    } catch {
      client.socket.close(1008, 'not JSON');
      return;
    }
    this.received.push(message);
    const { method, params = [], id, pong } = message;
    if (pong !== undefined && pong === client.unanswered) client.unanswered = undefined;
    if (method === 'PING') this.#say(client, { event: 'pong', id });
    if (method !== 'SUBSCRIBE') return;
    for (const stream of params) client.subscribed.add(stream);
    this.#say(client, { result: null, id });
  }

  #last(symbol: string): number {
    return this.#numbers.get(symbol) ?? 0;
  }

  #next(symbol: string): number {
    const number = this.#last(symbol) + 1;
    this.#numbers.set(symbol, number);
    return number;
  }

  #tell(symbol: string, number: number): void {
    const stream = `${symbol}@quote`;
    const [bid, ask] = [MockExchange.bid(number), MockExchange.bid(number) + 0.01];
    const asText = (price: number) => (this.#habits.numbersAsText ? price.toFixed(2) : Number(price.toFixed(2)));
    for (const client of this.#clients) {
      if (!client.subscribed.has(stream)) continue;
      const u = this.#habits.countsPerConnection ? ++client.sent : number;
      const data = { e: 'quote', u, E: Date.now(), s: symbol.toUpperCase(), b: asText(bid), a: asText(ask) };
      this.#say(client, this.#habits.wraps ? { stream, data } : data);
    }
  }

  #say({ socket }: Client, message: object): void {
    if (!this.#silent && socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  }

  #every(ms: number, then: () => void): void {
    this.#timers.add(setInterval(then, ms));
  }
}
