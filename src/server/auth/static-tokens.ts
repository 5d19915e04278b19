import { timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { TokenConfig } from '../config/auth.ts';
import { Access } from './access.ts';
import { type Environment, hashOf, readTokenHash } from './read-secret.ts';

interface Known {
  readonly hash: Buffer;
  readonly config: TokenConfig;
  readonly access: Access;
}

/**
 * Tokens that the configuration names. Only their SHA-256 is kept, and a token that comes is compared with all of them,
 * so that the time it takes tells nothing.
 */
export class StaticTokens {
  readonly #known: readonly Known[];

  private constructor(known: readonly Known[]) {
    this.#known = known;
  }

  /**
   * @param former what was known before: who has the same token for the same is the same again
   * @param onError told what is wrong with a token, with its path in the configuration; the others are read all the same
   */
  static async read(
    configs: readonly TokenConfig[],
    env: Environment,
    onError: (message: string) => void,
    former?: StaticTokens,
  ): Promise<StaticTokens> {
    const known: Known[] = [];
    const owners = new Map<string, string>();
    for (const [i, config] of configs.entries()) {
      for (const source of config.token) {
        try {
          const hash = await readTokenHash(source, env);
          const owner = owners.get(hash.toString('hex'));
          if (owner === config.name) continue;
          if (owner !== undefined) throw new Error(`is the token of ${owner}, too`);
          owners.set(hash.toString('hex'), config.name);
          const before = (former === undefined ? [] : former.#known).find(
            (each) => isDeepStrictEqual(each.config, config) && each.hash.equals(hash),
          );
          known.push(before ?? { hash, config, access: new Access(`token:${config.name}`, config) });
        } catch (error) {
          onError(`auth.tokens.${i}.token: ${(error as Error).message}`);
        }
      }
    }
    return new StaticTokens(known);
  }

  /** True while a token that gave this access is known. */
  holds(access: Access): boolean {
    return this.#known.some((each) => each.access === access);
  }

  find(token: string): Access | undefined {
    const hash = hashOf(token);
    let found: Access | undefined;
    for (const { hash: other, access } of this.#known) if (timingSafeEqual(hash, other)) found = access;
    return found;
  }
}
