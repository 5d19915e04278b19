import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { MAX_DELAY_MS, MIN_DELAY_MS } from './full-jitter.ts';
import type { SocketStatus } from './socket-status.ts';

/** A value, or a function that makes a new one for every connection: a token that expires, a position that moves. */
export type Fresh<T> = T | (() => T | Promise<T>);

/** A message to send: a string or bytes go as they are, anything else as JSON. */
export type OpeningMessage = string | Uint8Array | object;

/** Options of both ends. */
export interface SocketOptions {
  /** Sent on every connection before anything else: one message or an array of them. Default: nothing. */
  readonly open?: Fresh<OpeningMessage | readonly OpeningMessage[] | undefined>;
  /** Subprotocols to offer. Default: none. */
  readonly protocols?: Fresh<string | readonly string[]>;
  /** Headers of the upgrade request. Node only: browsers let no page set them. Default: none. */
  readonly headers?: Fresh<Readonly<Record<string, string>>>;
  /** Most that the first wait before a reconnection can be, in ms; doubled by every failure. Default 250. */
  readonly minDelayMs?: number;
  /** Most that the back-off can be, in ms; a wait asked for by the server may be longer. Default 30,000. */
  readonly maxDelayMs?: number;
  /** A connection up this long in ms makes the back-off start anew. Default 5,000. */
  readonly stableMs?: number;
  /** No message at all for this long in ms: the connection is cut and made again. Default: never. */
  readonly deadlineMs?: number;
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
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly stableMs: number;
  readonly deadlineMs: number | undefined;
  readonly handshakeTimeoutMs: number;
  readonly maxMessageBytes: number;
  readonly status: ((event: SocketStatus) => void) | undefined;
  readonly scheduler: SchedulerLike;
}

const NAMES: readonly (keyof SocketOptions)[] = [
  'open',
  'protocols',
  'headers',
  'minDelayMs',
  'maxDelayMs',
  'stableMs',
  'deadlineMs',
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
  if (open === null || !['undefined', 'string', 'object', 'function'].includes(typeof open)) {
    throw mismatch(where, 'open to be a string, bytes, an object, an array of them or a function', open);
  }
  if (typeof protocols !== 'function' && typeof protocols !== 'string' && !Array.isArray(protocols)) {
    throw mismatch(where, 'protocols to be a string, an array or a function', protocols);
  }
  if (options.headers !== undefined && !takesHeaders) {
    throw new TypeError(`${where} takes headers only in Node: browsers let no page set them`);
  }
  if (headers === null || (typeof headers !== 'object' && typeof headers !== 'function')) {
    throw mismatch(where, 'headers to be an object or a function', headers);
  }
  if (status !== undefined && typeof status !== 'function') throw mismatch(where, 'status to be a function', status);
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
    minDelayMs,
    maxDelayMs,
    stableMs: ms('stableMs', 5_000),
    deadlineMs: deadlineMs === undefined ? undefined : positive(where, 'deadlineMs', deadlineMs, LONGEST_MS),
    handshakeTimeoutMs: ms('handshakeTimeoutMs', 10_000),
    maxMessageBytes: wholePositive(where, 'maxMessageBytes', options.maxMessageBytes ?? 16 * 1024 * 1024),
    status,
    scheduler,
  };
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
  if (typeof value !== 'number') throw mismatch(where, `${name} to be a number`, value);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`${where} requires ${name} to be an integer >= 1, got ${value}`);
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
  return new TypeError(
    `${where} requires ${rule}, got ${typeof value === 'object' && value !== null ? 'an object' : String(value)}`,
  );
}
