import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { MAX_DELAY_MS, MIN_DELAY_MS } from './full-jitter.ts';
import type { SocketStatus } from './socket-status.ts';

/** A value, or a function that makes a new one for every connection: a token that expires, a position that moves. */
export type Fresh<T> = T | (() => T | Promise<T>);

/** A message to send: a string or bytes go as they are, anything else as JSON. */
export type OpeningMessage = string | Uint8Array | object;

/** Messages that keep a quiet connection alive, and show that it is. */
export interface HeartbeatOptions {
  /** Time between two, in ms. */
  readonly everyMs: number;
  /** What is sent, or a function that makes it. */
  readonly message: OpeningMessage | (() => OpeningMessage);
  /** Any message must come within this time in ms after one, or the connection is cut and made again. Default: none must. */
  readonly answerMs?: number;
}

/** Options of both ends. */
export interface SocketOptions {
  /** Sent on every connection before anything else: one message or an array of them. Default: nothing. */
  readonly open?: Fresh<OpeningMessage | readonly OpeningMessage[] | undefined>;
  /** Subprotocols to offer. Default: none. */
  readonly protocols?: Fresh<string | readonly string[]>;
  /** Headers of the upgrade request. Node only: browsers let no page set them. Default: none. */
  readonly headers?: Fresh<Readonly<Record<string, string>>>;
  /** Certificates that are believed instead of the usual ones, as PEM. Node only. Default: those of Node. */
  readonly ca?: string | Uint8Array;
  /** Most that the first wait before a reconnection can be, in ms; doubled by every failure. Default 250. */
  readonly minDelayMs?: number;
  /** Most that the back-off can be, in ms; a wait asked for by the server may be longer. Default 30,000. */
  readonly maxDelayMs?: number;
  /** A connection up this long in ms makes the back-off start anew. Default 5,000. */
  readonly stableMs?: number;
  /** No message at all for this long in ms: the connection is cut and made again. Default: never. */
  readonly deadlineMs?: number;
  /** Heartbeats of the application, for servers that want or answer them. Default: none. */
  readonly heartbeat?: HeartbeatOptions;
  /**
   * Called with every message that was read (bytes as they are): what it returns is sent back, such as the pong to a
   * ping in JSON. A throw counts the message as bad. Default: nothing is answered.
   */
  readonly answer?: (message: unknown) => OpeningMessage | undefined;
  /** Most messages sent in any second, opening messages, heartbeats and answers included. Default: no limit. */
  readonly maxSendPerSecond?: number;
  /** Most that making a connection may take in ms, `url`, `headers` and `open` included. Default 10,000. */
  readonly handshakeTimeoutMs?: number;
  /** Largest message accepted, in bytes. Default 16 MiB. Node: a larger one ends the connection. */
  readonly maxMessageBytes?: number;
  /** Told what the socket does. A throw from it is reported by RxJS as unhandled; the stream goes on. Default: nobody. */
  readonly status?: (event: SocketStatus) => void;
  /** Runs the timers. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** Checked options, defaults filled in. */
export interface SocketSettings {
  /** The public function, for messages. */
  readonly where: string;
  readonly url: string | URL | (() => string | URL | Promise<string | URL>);
  readonly open: SocketOptions['open'];
  readonly protocols: Fresh<string | readonly string[]>;
  readonly headers: Fresh<Readonly<Record<string, string>>>;
  readonly ca: string | Uint8Array | undefined;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly stableMs: number;
  readonly deadlineMs: number | undefined;
  readonly heartbeat: HeartbeatOptions | undefined;
  readonly answer: SocketOptions['answer'];
  readonly maxSendPerSecond: number | undefined;
  readonly handshakeTimeoutMs: number;
  readonly maxMessageBytes: number;
  readonly status: ((event: SocketStatus) => void) | undefined;
  readonly scheduler: SchedulerLike;
}

const NAMES: readonly (keyof SocketOptions)[] = [
  'open',
  'protocols',
  'headers',
  'ca',
  'minDelayMs',
  'maxDelayMs',
  'stableMs',
  'deadlineMs',
  'heartbeat',
  'answer',
  'maxSendPerSecond',
  'handshakeTimeoutMs',
  'maxMessageBytes',
  'status',
  'scheduler',
];

/** Timers take no more. */
const LONGEST_MS = 2 ** 31 - 1;
const URL_SCHEMES = new Set(['ws:', 'wss:', 'http:', 'https:']);

/**
 * Checks what both ends share.
 *
 * @param further names of the options that only this end has
 * @throws TypeError, RangeError naming function, rule and value
 */
export function socketSettings(
  where: string,
  url: SocketSettings['url'],
  options: SocketOptions,
  further: readonly string[],
  takesHeaders: boolean,
): SocketSettings {
  if (typeof options !== 'object' || options === null) throw mismatch(where, 'options to be an object', options);
  for (const name of Object.keys(options)) {
    if (!(NAMES as readonly string[]).includes(name) && !further.includes(name)) {
      throw new TypeError(`${where} has no option '${name}', only ${[...NAMES, ...further].join(', ')}`);
    }
  }
  if (typeof url !== 'function') checkedUrl(where, url);
  const { open, protocols = [], headers = {}, deadlineMs, status, scheduler = asyncScheduler } = options;
  const { heartbeat, answer, maxSendPerSecond } = options;
  if (open === null || !['undefined', 'string', 'object', 'function'].includes(typeof open)) {
    throw mismatch(where, 'open to be a string, bytes, an object, an array of them or a function', open);
  }
  if (typeof protocols !== 'function' && typeof protocols !== 'string' && !Array.isArray(protocols)) {
    throw mismatch(where, 'protocols to be a string, an array or a function', protocols);
  }
  if (options.headers !== undefined && !takesHeaders) {
    throw new TypeError(`${where} takes headers only in Node: browsers let no page set them`);
  }
  if (options.ca !== undefined && !takesHeaders) {
    throw new TypeError(`${where} takes ca only in Node: browsers believe whom their user does`);
  }
  if (options.ca !== undefined && typeof options.ca !== 'string' && !(options.ca instanceof Uint8Array)) {
    throw mismatch(where, 'ca to be PEM, as a string or bytes', options.ca);
  }
  if (headers === null || (typeof headers !== 'object' && typeof headers !== 'function')) {
    throw mismatch(where, 'headers to be an object or a function', headers);
  }
  if (status !== undefined && typeof status !== 'function') throw mismatch(where, 'status to be a function', status);
  if (answer !== undefined && typeof answer !== 'function') throw mismatch(where, 'answer to be a function', answer);
  if (heartbeat !== undefined) requireHeartbeat(where, heartbeat);
  if (maxSendPerSecond !== undefined) wholePositive(where, 'maxSendPerSecond', maxSendPerSecond);
  if (typeof scheduler?.schedule !== 'function') throw mismatch(where, 'scheduler to be a scheduler', scheduler);

  const ms = (name: keyof SocketOptions, byDefault: number) =>
    positive(where, name, options[name] ?? byDefault, LONGEST_MS);
  const minDelayMs = ms('minDelayMs', MIN_DELAY_MS);
  // Raising only the first wait must not demand that the bound be raised by hand, too.
  const maxDelayMs = ms('maxDelayMs', Math.max(MAX_DELAY_MS, minDelayMs));
  if (maxDelayMs < minDelayMs) {
    throw new RangeError(`${where} requires maxDelayMs >= minDelayMs (${minDelayMs}), got ${maxDelayMs}`);
  }
  return {
    where,
    url,
    open,
    protocols,
    headers,
    ca: options.ca,
    minDelayMs,
    maxDelayMs,
    stableMs: ms('stableMs', 5_000),
    deadlineMs: deadlineMs === undefined ? undefined : positive(where, 'deadlineMs', deadlineMs, LONGEST_MS),
    heartbeat,
    answer,
    maxSendPerSecond,
    handshakeTimeoutMs: ms('handshakeTimeoutMs', 10_000),
    maxMessageBytes: wholePositive(where, 'maxMessageBytes', options.maxMessageBytes ?? 16 * 1024 * 1024),
    status,
    scheduler,
  };
}

function requireHeartbeat(where: string, heartbeat: HeartbeatOptions): void {
  if (typeof heartbeat !== 'object' || heartbeat === null)
    throw mismatch(where, 'heartbeat to be an object', heartbeat);
  const { everyMs, message, answerMs, ...others } = heartbeat;
  for (const name of Object.keys(others)) {
    throw new TypeError(`${where} has no option 'heartbeat.${name}', only everyMs, message, answerMs`);
  }
  positive(where, 'heartbeat.everyMs', everyMs, LONGEST_MS);
  if (answerMs !== undefined) positive(where, 'heartbeat.answerMs', answerMs, LONGEST_MS);
  if (message === null || !['string', 'object', 'function'].includes(typeof message)) {
    throw mismatch(where, 'heartbeat.message to be a string, bytes, an object or a function', message);
  }
}

/** @throws RangeError unless 0 < value <= most */
function positive(where: string, name: string, value: unknown, most: number): number {
  if (typeof value !== 'number') throw mismatch(where, `${name} to be a number`, value);
  if (!(value > 0)) throw new RangeError(`${where} requires ${name} > 0, got ${value}`);
  if (value > most) throw new RangeError(`${where} requires ${name} <= ${most}, got ${value}`);
  return value;
}

/** @throws RangeError unless value is an integer >= 1 */
export function wholePositive(where: string, name: string, value: unknown): number {
  return wholeFrom(where, name, value, 1);
}

/** @throws RangeError unless value is an integer >= least */
export function wholeFrom(where: string, name: string, value: unknown, least: number): number {
  if (typeof value !== 'number') throw mismatch(where, `${name} to be a number`, value);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${where} requires ${name} to be an integer >= ${least}, got ${value}`);
  }
  return value;
}

/** A span in ms that a timer can hold. */
export function spanMs(where: string, name: string, value: unknown): number {
  return positive(where, name, value, LONGEST_MS);
}

/** @throws TypeError unless a socket can be opened to `url` (relative ones only where there is a page) */
export function checkedUrl(where: string, url: unknown): string {
  const rule = `${where} requires a ws:// or wss:// URL without a fragment`;
  const text = String(url);
  const base = (globalThis as { location?: { href?: string } }).location?.href;
  let parsed: URL;
  // Never the whole URL in a message: it may carry a password or a token.
  try {
    parsed = new URL(text, base);
  } catch {
    throw new TypeError(`${rule}, got '${text.replace(/\?.*/s, '?…').replace(/\/\/.*@/s, '//…@')}'`);
  }
  if (!URL_SCHEMES.has(parsed.protocol) || parsed.hash !== '')
    throw new TypeError(`${rule}, got '${parsed.protocol}//…${parsed.hash}'`);
  return text;
}

function mismatch(where: string, rule: string, value: unknown): TypeError {
  return new TypeError(`${where} requires ${rule}, got ${shown(value)}`);
}

/** A value in a message, without what is in it. */
export function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
