import type { IncomingMessage } from 'node:http';
import type { Access } from './auth/access.ts';
import type { Authenticator } from './auth/authenticator.ts';
import { credentialOf, subprotocolsOf } from './auth/credential.ts';
import { Refused } from './auth/refused.ts';
import { ClientAddress } from './client-address.ts';
import type { Limits } from './config/limits.ts';
import { isLoopback } from './config/listen.ts';
import { KeyedBuckets } from './keyed-buckets.ts';

const OVERLOADED_RETRY_S = 5;

export interface AdmissionOptions {
  readonly limits: Limits;
  readonly origins: readonly string[];
  readonly trustedProxies: readonly string[];
  /** It listens where only this machine can reach it. */
  readonly onlyLoopback: boolean;
  readonly authenticator: Authenticator;
  /** False while starting and draining. */
  ready(): boolean;
}

/** A place in the server, taken before the upgrade and given back when the socket is gone. */
export interface Seat {
  readonly address: string;
  leave(): void;
}

/** Who may come in: by the form of the request, its origin, numbers, rates and its token. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #address: ClientAddress;
  readonly #perAddress: Map<string, number>;
  readonly #perToken: Map<string, number>;
  readonly #addressRates: KeyedBuckets;
  readonly #tokenRates: KeyedBuckets;
  #seats: number;

  constructor(options: AdmissionOptions) {
    const { limits } = options;
    this.#options = options;
    this.#address = new ClientAddress(options.trustedProxies);
    this.#perAddress = new Map();
    this.#perToken = new Map();
    this.#addressRates = new KeyedBuckets(limits.maxConnectsPerSecondPerAddress, limits.maxRememberedAddresses);
    this.#tokenRates = new KeyedBuckets(limits.maxConnectsPerSecondPerToken, limits.maxRememberedAddresses);
    this.#seats = 0;
  }

  /** Addresses and tokens whose rate had to be forgotten early. */
  get forgotten(): number {
    return this.#addressRates.forgotten + this.#tokenRates.forgotten;
  }

  /** Where a request comes from, for the log. */
  addressOf(request: IncomingMessage): string {
    return this.#address.of(request);
  }

  /**
   * Everything about a WebSocket that can be said before its token is read; the cheapest comes first.
   *
   * @throws Refused
   */
  enter(request: IncomingMessage): Seat {
    const { limits, ready } = this.#options;
    this.#requireForm(request);
    if (!ready()) throw new Refused(503, 'the server is starting or closing', OVERLOADED_RETRY_S);
    if (!this.#mayConnect(request)) {
      throw new Refused(403, 'this page may not connect: add its origin to listen.origins');
    }
    const address = this.#address.of(request);
    this.#requireRate(address);
    if (this.#seats >= limits.maxConnections) throw new Refused(503, 'too many connections', OVERLOADED_RETRY_S);
    if ((this.#perAddress.get(address) ?? 0) >= limits.maxConnectionsPerAddress) {
      throw new Refused(429, 'too many connections from this address', OVERLOADED_RETRY_S);
    }
    this.#addressRates.of(address, performance.now()).take(1);
    this.#seats++;
    const leave = take(this.#perAddress, address);
    return {
      address,
      leave: () => {
        this.#seats--;
        leave();
      },
    };
  }

  /**
   * Who a WebSocket is, within what its token may have; the seat also counts for the token then.
   *
   * @throws Refused
   */
  async identify(request: IncomingMessage, parameters: URLSearchParams, seat: Seat): Promise<[Access, Seat]> {
    const access = await this.#options.authenticator.access(credentialOf(request, parameters));
    const { holder } = access;
    if (holder === undefined) return [access, seat];
    const { maxConnectionsPerToken } = this.#options.limits;
    requireWait(this.#tokenRates.of(holder, performance.now()).waitMs(1, performance.now()), 'with this token');
    if ((this.#perToken.get(holder) ?? 0) >= maxConnectionsPerToken) {
      throw new Refused(429, 'too many connections with this token', OVERLOADED_RETRY_S);
    }
    this.#tokenRates.of(holder, performance.now()).take(1);
    const leave = take(this.#perToken, holder);
    const both = () => {
      seat.leave();
      leave();
    };
    return [access, { address: seat.address, leave: both }];
  }

  /**
   * The same for a request that becomes no WebSocket. Refused tokens count as connects of their address, so nobody can
   * try many.
   *
   * @throws Refused
   */
  async visit(request: IncomingMessage, parameters: URLSearchParams): Promise<Access> {
    this.#requireForm(request);
    const { authenticator } = this.#options;
    if (!authenticator.asksForToken) {
      this.#requireOwnHost(request);
      credentialOf(request, parameters);
      return authenticator.access(undefined);
    }
    const address = this.#address.of(request);
    this.#requireRate(address);
    try {
      return await authenticator.access(credentialOf(request, parameters));
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.#addressRates.of(address, performance.now()).take(1);
      throw error;
    }
  }

  /** Node drops headers beyond its limit without a word, so one more is let through, and refused here. */
  #requireForm(request: IncomingMessage): void {
    const { maxHeaders, maxSubprotocols } = this.#options.limits;
    if (request.rawHeaders.length / 2 > maxHeaders) {
      throw new Refused(431, `a request has at most ${maxHeaders} headers`);
    }
    if (subprotocolsOf(request).length > maxSubprotocols) {
      throw new Refused(400, `a WebSocket offers at most ${maxSubprotocols} subprotocols`);
    }
  }

  #requireRate(address: string): void {
    const nowMs = performance.now();
    requireWait(this.#addressRates.of(address, nowMs).waitMs(1, nowMs), 'from this address');
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

  /** Against rebinding as well: to a browser, what such a page reads here is its own. */
  #requireOwnHost({ headers: { host } }: IncomingMessage): void {
    const { origins, onlyLoopback } = this.#options;
    if (!onlyLoopback || host === undefined) return;
    const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
    if (isLoopback(name) || origins.some((origin) => origin === `http://${host}` || origin === `https://${host}`))
      return;
    throw new Refused(403, 'this host is not the name of this server: add its origin to listen.origins');
  }
}

function requireWait(waitMs: number, what: string): void {
  if (waitMs > 0) throw new Refused(429, `too many connections a second ${what}`, Math.ceil(waitMs / 1_000));
}

/** Counts one more; returns what takes it back. */
function take(counts: Map<string, number>, key: string): () => void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
  return () => {
    const left = (counts.get(key) ?? 1) - 1;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  };
}
