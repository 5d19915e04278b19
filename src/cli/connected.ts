import { StreamnormError } from '../errors.ts';

/** Checks a URL of the command line; http: and https: are taken as ws: and wss:. */
export function socketUrl(text: string): string {
  return text.replace(/^http/, 'ws');
}

/** The same failure without the name of the function that it came through. */
export function plainly(error: unknown): unknown {
  if (!(error instanceof StreamnormError)) return error;
  const { status, code } = (error.cause ?? {}) as { status?: number; code?: number };
  const hint = HINTS.get(status ?? code ?? 0);
  const message = error.message.replace(/^(?:to|from)WebSocket:? /, '');
  return new StreamnormError(error.code, hint === undefined ? message : `${message} (${hint})`, { cause: error });
}

const NO_TOKEN = 'no token that it takes: see STREAMNORM_TOKEN, --token-env, --token-file';
const OTHER_TOKEN = 'the token is for other channels, or for the other direction';
/** What to do about it, by HTTP status and close code. */
const HINTS: ReadonlyMap<number, string> = new Map([
  [401, NO_TOKEN],
  [4401, NO_TOKEN],
  [403, OTHER_TOKEN],
  [4403, OTHER_TOKEN],
]);
