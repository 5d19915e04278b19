import { type AuthConfig, ROLES } from '../config/auth.ts';
import { ConfigFault } from '../config-fault.ts';
import type { Log } from '../log.ts';
import { type FileStamps, stampsOf, watchFiles } from '../watched-files.ts';
import { type Access, EVERYBODY } from './access.ts';
import { channelPattern } from './channel-pattern.ts';
import { BadToken, JsonWebTokens, KeysUnavailable, type TokenFault } from './json-web-tokens.ts';
import type { Environment } from './read-secret.ts';
import { Refused } from './refused.ts';
import { StaticTokens } from './static-tokens.ts';

const RETRY_AFTER_S = 5;

/** What tokens are compared with. */
interface Known {
  readonly tokens: StaticTokens;
  readonly jwt: JsonWebTokens | undefined;
}

/** As they were before they were read. */
interface Followed {
  readonly files: readonly string[];
  readonly stamps: FileStamps;
}

/** Says who a client is, by its token. */
export class Authenticator {
  readonly #config: AuthConfig | undefined;
  readonly #env: Environment;
  readonly #log: Log;
  readonly #followed: Followed;
  #known: Known | undefined;
  /** Requests without a token that is taken here, by what was wrong with it. */
  readonly failures: Map<TokenFault | 'missing' | 'keys-unavailable', number>;

  private constructor(
    config: AuthConfig | undefined,
    env: Environment,
    log: Log,
    followed: Followed,
    known: Known | undefined,
    failures: Authenticator['failures'],
  ) {
    this.#config = config;
    this.#env = env;
    this.#log = log;
    this.#followed = followed;
    this.#known = known;
    this.failures = failures;
  }

  /**
   * Reads all tokens and keys; without a configuration everybody may do everything.
   *
   * @param former whose place it takes: who has the same token for the same is the same again, and counting goes on
   * @throws StreamnormError CONFIG with everything that is wrong, one a line
   */
  static async open(
    config: AuthConfig | undefined,
    env: Environment,
    log: Log,
    former?: Authenticator,
  ): Promise<Authenticator> {
    const files = config === undefined ? [] : filesOf(config);
    const stamps = await stampsOf(files);
    const known = config && (await readKnown(config, env, former?.tokens));
    return new Authenticator(config, env, log, { files, stamps }, known, former?.failures ?? new Map());
  }

  get tokens(): StaticTokens | undefined {
    return this.#known?.tokens;
  }

  /**
   * Reads the files again whenever one has changed since they were read, until what is returned is called. When one of
   * them is wrong then, all stays as it was.
   *
   * @param changed told when other tokens may be taken than before
   */
  follow(changed: () => void): () => void {
    const config = this.#config;
    const { files, stamps } = this.#followed;
    if (config === undefined || files.length === 0) return () => {};
    return watchFiles(files, stamps, config.checkEveryMs, async () => {
      try {
        this.#known = await readKnown(config, this.#env, this.#known?.tokens);
        this.#log.write('auth.reloaded', 'tokens and keys were read again');
        changed();
      } catch (error) {
        this.#log.write('auth.kept', `the former tokens and keys stay: ${(error as Error).message}`);
      }
    });
  }

  /** False where everybody may do everything. */
  get asksForToken(): boolean {
    return this.#known !== undefined;
  }

  /** True while the token that gave this access is known; that of a JWT holds until it expires. */
  holds(access: Access): boolean {
    const isListed = access.holder?.startsWith('token:') === true;
    return !isListed || this.#known?.tokens.holds(access) === true;
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
    const known = this.#known;
    if (known === undefined) return EVERYBODY;
    if (token === undefined) throw this.#failed('missing', 'a token is required');
    const listed = known.tokens.find(token);
    if (listed !== undefined) return listed;
    if (known.jwt === undefined || token.split('.').length !== 3) throw this.#failed('unknown', 'the token is unknown');
    try {
      return await known.jwt.access(token);
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

async function readKnown(config: AuthConfig, env: Environment, former?: StaticTokens): Promise<Known> {
  const errors: string[] = [];
  const tokens = await StaticTokens.read(config.tokens, env, (message) => errors.push(message), former);
  const jwt =
    config.jwt &&
    (await JsonWebTokens.open(config.jwt, env).catch((error: Error) => {
      errors.push(error.message);
      return undefined;
    }));
  if (errors.length > 0) {
    throw new ConfigFault(errors);
  }
  return { tokens, jwt };
}

function filesOf({ tokens, jwt }: AuthConfig): string[] {
  const sources = [...tokens.flatMap(({ token }) => token), ...(jwt?.secret === undefined ? [] : [jwt.secret])];
  const files = sources.flatMap((source) => ('file' in source ? [source.file] : []));
  return jwt?.keyFile === undefined ? files : [...files, jwt.keyFile];
}
