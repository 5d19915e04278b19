import type { errors, JWTPayload, JWTVerifyGetKey } from 'jose';
import { type Claim, type JwtConfig, ROLES } from '../config/auth.ts';
import { Access } from './access.ts';
import { jwtKeys } from './jwt-keys.ts';
import { type Environment, hashOf } from './read-secret.ts';

const CHANNEL_PATTERN = /^[A-Za-z0-9._*-]{1,64}$/;
const MOST_PATTERNS = 1_000;

/** Why a token is not taken; the words are labels of a metric, so they are few. */
export type TokenFault =
  | 'malformed'
  | 'unknown'
  | 'expired'
  | 'not-yet-valid'
  | 'issuer'
  | 'audience'
  | 'claims'
  | 'algorithm'
  | 'key'
  | 'signature';

/** A token that is not taken. */
export class BadToken extends Error {
  override readonly name = 'BadToken';
  readonly fault: TokenFault;

  constructor(fault: TokenFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** The keys of the issuer could not be had: nothing is known about the token. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/** Checks tokens that somebody else signs (JWT, RFC 7519), and reads what they allow. */
export class JsonWebTokens {
  readonly #config: JwtConfig;
  readonly #keys: JWTVerifyGetKey;

  private constructor(config: JwtConfig, keys: JWTVerifyGetKey) {
    this.#config = config;
    this.#keys = keys;
  }

  /** @throws Error saying what is wrong with the configuration, the files and the environment */
  static async open(config: JwtConfig, env: Environment): Promise<JsonWebTokens> {
    return new JsonWebTokens(config, await jwtKeys(config, env));
  }

  /** @throws BadToken, KeysUnavailable */
  async access(token: string): Promise<Access> {
    const { claims, clockToleranceMs } = this.#config;
    const payload = await this.#verified(token);
    const grants = Object.fromEntries(
      ROLES.map((role) => [role, [...this.#config[role], ...patternsOf(claimOf(payload, claims[role]))]]),
    ) as Record<(typeof ROLES)[number], string[]>;
    return new Access(
      `jwt:${holderOf(claimOf(payload, claims.name), token)}`,
      grants,
      (payload.exp as number) * 1_000 + clockToleranceMs,
    );
  }

  async #verified(token: string): Promise<JWTPayload> {
    const { jwtVerify } = await import('jose');
    const { issuer, audience, algorithms, clockToleranceMs } = this.#config;
    const options = {
      ...(issuer !== undefined && { issuer }),
      ...{ audience, algorithms: [...algorithms] },
      clockTolerance: clockToleranceMs / 1_000,
      // one that never expires could never be taken back
      requiredClaims: ['exp'],
    };
    try {
      return (await jwtVerify(token, this.#keys, options)).payload;
    } catch (error) {
      const candidates = error as errors.JWKSMultipleMatchingKeys;
      if (candidates.code !== 'ERR_JWKS_MULTIPLE_MATCHING_KEYS') throw judged(error);
      for await (const key of candidates) {
        try {
          return (await jwtVerify(token, key, options)).payload;
        } catch (other) {
          const fault = judged(other);
          if (!(fault instanceof BadToken && fault.fault === 'signature')) throw fault;
        }
      }
      throw new BadToken('signature', 'no key of the issuer has signed the token');
    }
  }
}

function judged(error: unknown): Error {
  const { code, claim } = error as { code?: string; claim?: string };
  switch (code) {
    case 'ERR_JWT_EXPIRED':
      return new BadToken('expired', 'the token has expired');
    case 'ERR_JWT_CLAIM_VALIDATION_FAILED':
      if (claim === 'aud') return new BadToken('audience', 'the token is for another audience');
      if (claim === 'iss') return new BadToken('issuer', 'the token is of another issuer');
      if (claim === 'nbf') return new BadToken('not-yet-valid', 'the token is not valid yet');
      return new BadToken('claims', `the claim ${claim} of the token is missing or wrong`);
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
      return new BadToken('signature', 'the signature of the token is wrong');
    case 'ERR_JOSE_ALG_NOT_ALLOWED':
    case 'ERR_JOSE_NOT_SUPPORTED':
      return new BadToken('algorithm', 'the token is signed in a way that is not taken here');
    case 'ERR_JWKS_NO_MATCHING_KEY':
      return new BadToken('key', 'the token is signed with an unknown key');
    case 'ERR_JWS_INVALID':
    case 'ERR_JWT_INVALID':
      return new BadToken('malformed', 'the token is no signed JWT');
    default:
      return new KeysUnavailable(`the keys of the issuer cannot be had: ${(error as Error).message}`, { cause: error });
  }
}

/** A claim by its name, or by the names on the way to it; only what the token itself has. */
function claimOf(payload: JWTPayload, claim: Claim): unknown {
  let value: unknown = payload;
  for (const name of typeof claim === 'string' ? [claim] : claim) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function patternsOf(value: unknown): string[] {
  const words: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  return words
    .slice(0, MOST_PATTERNS)
    .filter((word): word is string => typeof word === 'string' && CHANNEL_PATTERN.test(word));
}

/** A name for logs and counters; of a token without one, a mark that tells it from others. */
function holderOf(name: unknown, token: string): string {
  const text = typeof name === 'string' ? name.replace(/[^\x21-\x7e]/g, '_').slice(0, 128) : '';
  return text === '' ? hashOf(token).toString('hex').slice(0, 16) : text;
}
