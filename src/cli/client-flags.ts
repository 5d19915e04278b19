import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { StreamnormError } from '../errors.ts';
import type { SocketOptions } from '../websocket/socket-options.ts';
import { socketUrl } from './connected.ts';
import type { Host } from './host.ts';
import type { Notices } from './notices.ts';
import { UsageError } from './usage-error.ts';

/** How a client shows who it is, and whom it believes. */
export interface ClientFlags {
  tokenEnv?: string;
  tokenFile?: string;
  ca?: string;
}

export const CLIENT_EXAMPLES = `
With a server that asks for a token, it is in STREAMNORM_TOKEN, or where --token-env or --token-file says; never in the URL.`;

const BY_DEFAULT = 'STREAMNORM_TOKEN';

/** Adds the flags of everything that connects to a server. There is none for the token itself: others can see arguments. */
export function addClientFlags(command: Command): Command {
  return command
    .option('--token-env <name>', `environment variable with the token (default: ${BY_DEFAULT})`)
    .option('--token-file <file>', 'file with the token, read again for every connection')
    .option('--ca <file>', 'certificates that are believed, as PEM, instead of the usual ones');
}

/**
 * What the flags say, as options of a socket.
 *
 * @throws UsageError, StreamnormError NO_INPUT
 */
export async function clientOptions(
  url: string,
  flags: ClientFlags,
  { env }: Pick<Host, 'env'>,
  notices: Pick<Notices, 'line'>,
): Promise<Pick<SocketOptions, 'headers' | 'ca'>> {
  const { tokenEnv = BY_DEFAULT, tokenFile, ca } = flags;
  if (flags.tokenEnv !== undefined && tokenFile !== undefined) {
    throw new UsageError(
      'the token is either in an environment variable or in a file: give one of --token-env, --token-file',
    );
  }
  if (flags.tokenEnv !== undefined && !env[tokenEnv]) {
    throw new UsageError(`the environment variable ${tokenEnv} is not set (--token-env)`);
  }
  const token = tokenFile === undefined ? env[tokenEnv]?.trim() : await textOf(tokenFile);
  const options = ca === undefined ? {} : { ca: await textOf(ca) };
  if (!token) return options;
  if (isOpen(url)) notices.line('the token goes over the network unencrypted: use wss://');
  const headers = async () => ({
    authorization: `Bearer ${tokenFile === undefined ? token : await textOf(tokenFile)}`,
  });
  return { ...options, headers };
}

async function textOf(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new StreamnormError('NO_INPUT', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Unencrypted, and to another machine. */
function isOpen(url: string): boolean {
  const text = socketUrl(url);
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'ws:' && !['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
}
