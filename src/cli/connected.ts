import { StreamnormError } from '../errors.ts';

/** Checks a URL of the command line; http: and https: are taken as ws: and wss:. */
export function socketUrl(text: string): string {
  return text.replace(/^http/, 'ws');
}

/** The same failure without the name of the function that it came through. */
export function plainly(error: unknown): unknown {
  if (!(error instanceof StreamnormError)) return error;
  return new StreamnormError(error.code, error.message.replace(/^(?:to|from)WebSocket:? /, ''), { cause: error });
}
