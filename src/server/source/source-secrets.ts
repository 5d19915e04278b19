import { readFileSync } from 'node:fs';
import type { Environment } from '../auth/read-secret.ts';
import type { SourceConfig } from '../config/source.ts';
import { fillIn } from './fill-in.ts';

type TextOrSecret = string | { readonly env: string } | { readonly file: string };

const MAX_FILE_BYTES = 65_536;

/**
 * Reads what a source keeps out of its configuration: from the environment, which was checked before, or from a file,
 * anew each time, so that a token can be replaced under a running server.
 *
 * @throws Error whose message says what is wrong and never what was read
 */
function readText(value: TextOrSecret, env: Environment): string {
  if (typeof value === 'string') return value;
  if ('env' in value) {
    const text = env[value.env];
    if (text === undefined) throw new Error(`the environment variable ${value.env} is not set`);
    return text.trim();
  }
  let content: Buffer;
  try {
    content = readFileSync(value.file);
  } catch (cause) {
    throw new Error(`${value.file} cannot be read: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  if (content.length > MAX_FILE_BYTES) throw new Error(`${value.file} is too large to be a secret`);
  return content.toString('utf8').trim();
}

/** The URL with its parameters. */
export function sourceUrl({ url, query = {} }: SourceConfig, env: Environment): string {
  const made = new URL(url);
  for (const [name, value] of Object.entries(query)) made.searchParams.set(name, readText(value, env));
  return made.href;
}

export function sourceHeaders({ headers = {}, token }: SourceConfig, env: Environment): Record<string, string> {
  const read = Object.entries(headers).map(([name, value]) => [name, readText(value, env)]);
  if (token !== undefined) read.push(['Authorization', `Bearer ${readText(token, env)}`]);
  return Object.fromEntries(read);
}

/** The opening messages, each as it is sent. */
export function openingMessages({ open = [] }: SourceConfig, env: Environment): string[] {
  return open.map((message) => {
    const withEnv = fillIn(message, '$env', (name) => readText({ env: String(name) }, env));
    const whole = fillIn(withEnv, '$file', (file) => readText({ file: String(file) }, env));
    return typeof whole === 'string' ? whole : JSON.stringify(whole);
  });
}

/** Environment variables that a source names and that are not set. */
export function missingVariables({ query = {}, headers = {}, token, open = [] }: SourceConfig, env: Environment) {
  const names = new Set<string>();
  for (const value of [...Object.values(query), ...Object.values(headers), token]) {
    if (typeof value === 'object' && 'env' in value) names.add(value.env);
  }
  fillIn(open, '$env', (name) => names.add(String(name)));
  return Array.from(names).filter((name) => env[name] === undefined);
}
