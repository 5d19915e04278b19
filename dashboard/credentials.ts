const KEY = 'streamnorm.token';

/** Where a token outlives a reload but not the tab; the storage of a page may be forbidden, then it lives in memory. */
export type TokenStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** The token of this tab, and the two ways in which the server is shown it. It is never part of an address. */
export class Credentials {
  readonly #storage: TokenStorage | undefined;
  #token: string | undefined;

  constructor(storage: TokenStorage | undefined) {
    this.#storage = storage;
    this.#token = storage?.getItem(KEY) ?? undefined;
  }

  get isKnown(): boolean {
    return this.#token !== undefined;
  }

  /** @returns what is wrong with it, in words; undefined when it is taken */
  set(text: string): string | undefined {
    const token = text.trim().replace(/^bearer +/i, '');
    if (token === '') return 'Enter a token.';
    if (!/^[\x21-\x7e]+$/.test(token)) return 'A token is one word of plain characters. Was something else pasted?';
    this.#token = token;
    try {
      this.#storage?.setItem(KEY, token);
    } catch {
      // full: it lives in memory
    }
    return undefined;
  }

  forget(): void {
    this.#token = undefined;
    this.#storage?.removeItem(KEY);
  }

  headers(): Record<string, string> {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
  }

  /** A page cannot set headers on a WebSocket, so the token is a subprotocol; the server never chooses it. */
  protocols(): string[] {
    if (this.#token === undefined) return ['streamnorm.v1'];
    const base64url = btoa(this.#token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    return ['streamnorm.v1', `streamnorm.bearer.${base64url}`];
  }
}

/** The storage of the tab, where the browser gives one. */
export function tabStorage(): TokenStorage | undefined {
  try {
    return sessionStorage;
  } catch {
    return undefined;
  }
}
