import { createPublicKey, KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose';
import type { JwtConfig } from '../config/auth.ts';
import { type Environment, readSecret } from './read-secret.ts';

const FETCH_TIMEOUT_MS = 5_000;

/**
 * What finds the key of a token.
 *
 * @throws Error whose message says what is wrong, with its path in the configuration
 */
export async function jwtKeys(config: JwtConfig, env: Environment): Promise<JWTVerifyGetKey> {
  const { jwks, keyFile, secret } = config;
  const { createLocalJWKSet, createRemoteJWKSet } = await import('jose');
  if (jwks !== undefined) {
    return createRemoteJWKSet(new URL(jwks), { timeoutDuration: FETCH_TIMEOUT_MS });
  }
  if (keyFile !== undefined) {
    const keys = await readKeyFile(keyFile);
    const find = createLocalJWKSet(keys);
    // a key that stands alone and has no name fits whatever name a token calls it by
    const nameless = keys.keys.length === 1 && keys.keys[0].kid === undefined;
    return nameless ? (header, token) => find({ ...header, kid: undefined } as typeof header, token) : find;
  }
  if (secret === undefined || 'sha256' in secret) throw new Error('auth.jwt: has no key');
  try {
    const bytes = new TextEncoder().encode(await readSecret(secret, env));
    return async () => bytes;
  } catch (cause) {
    throw new Error(`auth.jwt.secret: ${(cause as Error).message}`, { cause });
  }
}

async function readKeyFile(file: string): Promise<JSONWebKeySet> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`auth.jwt.keyFile: ${file} cannot be read: ${code}`, { cause });
  }
  const keys = text.trimStart().startsWith('{') ? keysOfJson(text) : keyOfPem(text);
  if (keys === undefined) {
    throw new Error(`auth.jwt.keyFile: ${file} is no public key: PEM, JWK or JWKS`);
  }
  if (keys.some((key) => 'd' in key || 'k' in key)) {
    throw new Error(
      `auth.jwt.keyFile: ${file} holds a private key, which this server must not have: give the public one`,
    );
  }
  return { keys };
}

function keysOfJson(text: string): JSONWebKeySet['keys'] | undefined {
  try {
    const { keys, kty } = JSON.parse(text) as { keys?: JSONWebKeySet['keys']; kty?: unknown };
    if (Array.isArray(keys) && keys.length > 0) return keys;
    return typeof kty === 'string' ? [JSON.parse(text)] : undefined;
  } catch {
    return undefined;
  }
}

function keyOfPem(text: string): JSONWebKeySet['keys'] | undefined {
  // Node would take the public half of it
  if (text.includes('PRIVATE KEY')) return [{ kty: '', d: '' }];
  try {
    const key = createPublicKey(text);
    return key instanceof KeyObject ? [key.export({ format: 'jwk' }) as JSONWebKeySet['keys'][number]] : undefined;
  } catch {
    return undefined;
  }
}
