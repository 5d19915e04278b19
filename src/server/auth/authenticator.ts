import { StreamnormError } from '../../errors.ts';
import { type AuthConfig, ROLES } from '../config/auth.ts';
import type { Log } from '../log.ts';
import { type Access, EVERYBODY } from './access.ts';
import { channelPattern } from './channel-pattern.ts';
import { BadToken, JsonWebTokens, KeysUnavailable, type TokenFault } from './json-web-tokens.ts';
import type { Environment } from './read-secret.ts';
import { Refused } from './refused.ts';
import { StaticTokens } from './static-tokens.ts';

const RETRY_AFTER_S = 5;

/** Says who a client is, by its token. */
export class Authenticator {
  readonly #config: AuthConfig | undefined;
  readonly #tokens: StaticTokens | undefined;
  readonly #jwt: JsonWebTokens | undefined;
  readonly #log: Log;
  /** Requests without a token that is taken here, by what was wrong with it. */
  readonly failures: Map<TokenFault | 'missing' | 'keys-unavailable', number>;

  private constructor(
    config: AuthConfig | undefined,
    tokens: StaticTokens | undefined,
    jwt: JsonWebTokens | undefined,
    log: Log,
  ) {
    this.#config = config;
    this.#tokens = tokens;
    this.#jwt = jwt;
    this.#log = log;
    this.failures = new Map();
  }

  /**
   * Reads all tokens and keys; without a configuration everybody may do everything.
   *
   * @throws StreamnormError CONFIG with everything that is wrong, one a line
   */
  static async open(config: AuthConfig | undefined, env: Environment, log: Log): Promise<Authenticator> {
    if (config === undefined) return new Authenticator(config, undefined, undefined, log);
    const errors: string[] = [];
    const tokens = await StaticTokens.read(config.tokens, env, (message) => errors.push(message));
    const jwt =
      config.jwt &&
      (await JsonWebTokens.open(config.jwt, env).catch((error: Error) => {
        errors.push(error.message);
        return undefined;
      }));
    if (errors.length > 0) {
      const lines = errors.map((line) => `\n  ${line}`).join('');
      throw new StreamnormError('CONFIG', `the tokens cannot be read:${lines}`);
    }
    return new Authenticator(config, tokens, jwt, log);
  }

  /** False where everybody may do everything. */
  get asksForToken(): boolean {
    return this.#tokens !== undefined;
  }

  /** Patterns of known tokens that none of these channels has. */
  *patternsWithout(channels: Iterable<string>): Generator<{ name: string; pattern: string }> {
    const names = Array.from(channels);
    for (const config of this.#config?.tokens ?? []) {
      for (const pattern of new Set(ROLES.flatMap((role) => config[role]))) {
        if (!names.some(channelPattern(pattern))) yield { name: config.name, pattern };
      }
    }
  }

  /** @throws Refused 401 without a token that is taken here, 503 when that cannot be said */
  async access(token: string | undefined): Promise<Access> {
    const tokens = this.#tokens;
    if (tokens === undefined) return EVERYBODY;
    if (token === undefined) throw this.#failed('missing', 'a token is required');
    const known = tokens.find(token);
    if (known !== undefined) return known;
    if (this.#jwt === undefined || token.split('.').length !== 3) throw this.#failed('unknown', 'the token is unknown');
    try {
      return await this.#jwt.access(token);
    } catch (error) {
      if (error instanceof BadToken) throw this.#failed(error.fault, error.message);
      if (!(error instanceof KeysUnavailable)) throw error;
      // the client did nothing wrong, and must not take it for a refusal that is final
      this.#count('keys-unavailable');
      this.#log.write('auth.unavailable', error.message);
      throw new Refused(503, 'the token cannot be checked at the moment', RETRY_AFTER_S);
    }
  }

  #failed(fault: TokenFault | 'missing', message: string): Refused {
    this.#count(fault);
    return new Refused(401, message);
  }

  #count(fault: TokenFault | 'missing' | 'keys-unavailable'): void {
    this.failures.set(fault, (this.failures.get(fault) ?? 0) + 1);
  }
}
