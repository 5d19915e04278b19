import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { SecretSource } from '../config/auth.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Shorter ones can be guessed. */
const MIN_CHARACTERS = 16;
const MAX_FILE_BYTES = 65_536;

/**
 * Reads a secret from where the configuration says it is.
 *
 * @throws Error whose message says what is wrong and never what was read
 */
export async function readSecret(source: Exclude<SecretSource, { sha256: string }>, env: Environment): Promise<string> {
  const [text, where] = await read(source, env);
  if (!/^[\x21-\x7e]*$/.test(text)) throw new Error(`${where} holds more than one word of ASCII`);
  if (text.length < MIN_CHARACTERS) {
    throw new Error(`${where} has ${text.length} characters: a secret has at least ${MIN_CHARACTERS}`);
  }
  return text;
}

/** SHA-256 of a token: what is kept of it here. */
export async function readTokenHash(source: SecretSource, env: Environment): Promise<Buffer> {
  return 'sha256' in source ? Buffer.from(source.sha256, 'hex') : hashOf(await readSecret(source, env));
}

export function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

async function read(source: Exclude<SecretSource, { sha256: string }>, env: Environment): Promise<[string, string]> {
  if ('plain' in source) return [source.plain, 'plain'];
  if ('env' in source) {
    const text = env[source.env];
    if (text === undefined) throw new Error(`the environment variable ${source.env} is not set`);
    return [text.trim(), `the environment variable ${source.env}`];
  }
  let content: Buffer;
  try {
    content = await readFile(source.file);
  } catch (cause) {
    throw new Error(`${source.file} cannot be read: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  if (content.length > MAX_FILE_BYTES) throw new Error(`${source.file} is too large to be a secret`);
  return [content.toString('utf8').trim(), source.file];
}
