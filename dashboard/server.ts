import type { Credentials } from './credentials.ts';
import type { ChannelDetails, ChannelSummary } from './messages.ts';

/** The server has answered, and it was no. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  /** How long it asks to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface ServerHealth {
  status: string;
  reason?: string;
}

/** What the page asks the server that it came from; paths are relative, so it also works behind a prefix. */
export class Server {
  readonly #credentials: Credentials;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /** @throws Refusal when the server refuses, TypeError when it does not answer */
  async listChannels(): Promise<ChannelSummary[]> {
    return (await this.#ask<{ channels: ChannelSummary[] }>('channels')).channels;
  }

  /** @throws Refusal, TypeError */
  describeChannel(name: string, key?: string): Promise<ChannelDetails> {
    const of = key === undefined ? '' : `?key=${encodeURIComponent(key)}`;
    return this.#ask(`channels/${encodeURIComponent(name)}${of}`);
  }

  /** @throws Refusal, TypeError */
  health(): Promise<ServerHealth> {
    return this.#ask('healthz');
  }

  async #ask<T>(path: string): Promise<T> {
    const response = await fetch(new URL(path, document.baseURI), {
      headers: { accept: 'application/json', ...this.#credentials.headers() },
      // a login of the browser itself would only be in the way
      credentials: 'same-origin',
    });
    if (response.ok) return (await response.json()) as T;
    const said = (await response.json().catch(() => ({}))) as { error?: unknown };
    const message = typeof said.error === 'string' ? said.error : `${path} answered HTTP ${response.status}`;
    const wait = Number(response.headers.get('retry-after') ?? Number.NaN);
    throw new Refusal(response.status, message, Number.isNaN(wait) ? undefined : wait * 1000);
  }
}

export interface OutputAddress {
  channel: string;
  /** `<epoch>.<seq>` */
  since: string | undefined;
  /** Of a channel with keys: then rows bring no statistics. */
  key: string | undefined;
}

/** Address of a channel's output, as a WebSocket beside the page at `base`. */
export function outputUrl({ channel, since, key }: OutputAddress, base: string): string {
  const url = new URL(`out/${encodeURIComponent(channel)}`, base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  const include = key === undefined ? 'z,raw,stats' : 'z,raw';
  url.search = `?include=${include}`;
  if (key !== undefined) url.searchParams.set('key', key);
  if (since !== undefined) url.searchParams.set('since', since);
  return url.href;
}
