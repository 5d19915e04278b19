import type { IncomingMessage } from 'node:http';
import { Refused } from './refused.ts';

/** Of a token, as it is sent. */
export const MAX_TOKEN_CHARACTERS = 8_192;

const SUBPROTOCOL_PREFIX = 'streamnorm.bearer.';

/** Names under which people put tokens into URLs. */
const IN_URL = new Set([
  ...['token', 'access_token', 'id_token', 'auth', 'authorization', 'bearer', 'jwt', 'apikey', 'api_key', 'api-key'],
  ...['secret', 'password'],
]);

/** The subprotocols that a request offers, as they are written. */
export function subprotocolsOf({ headers }: IncomingMessage): string[] {
  const text = headers['sec-websocket-protocol'];
  return text === undefined ? [] : text.split(',').map((name) => name.trim());
}

/**
 * The token of a request: `Authorization: Bearer <token>`, or for browsers, which let no page set headers, the
 * subprotocol `streamnorm.bearer.<base64url of the token>`.
 *
 * @returns undefined when it brings none
 * @throws Refused 400 for a token in the URL or two of them, 401 for one that cannot be read; no message repeats it
 */
export function credentialOf(request: IncomingMessage, parameters: URLSearchParams): string | undefined {
  for (const name of parameters.keys()) {
    if (!IN_URL.has(name.toLowerCase())) continue;
    throw new Refused(
      400,
      'a token in a URL ends up in logs and histories: send it as Authorization: Bearer, or in a browser as the subprotocol streamnorm.bearer.<base64url>; this one should be replaced',
    );
  }
  const tokens = [...fromHeader(request), ...fromSubprotocols(request)];
  if (tokens.length > 1) throw new Refused(400, 'the request brings two tokens');
  return tokens[0];
}

function fromHeader({ headers }: IncomingMessage): string[] {
  const text = headers.authorization;
  if (text === undefined) return [];
  const token = /^bearer +(?<token>[\x21-\x7e]+) *$/i.exec(text)?.groups?.token;
  if (token === undefined || token.length > MAX_TOKEN_CHARACTERS) {
    throw new Refused(401, 'the header Authorization is read as: Bearer <token>');
  }
  return [token];
}

function fromSubprotocols(request: IncomingMessage): string[] {
  const offered = subprotocolsOf(request).filter((name) => name.startsWith(SUBPROTOCOL_PREFIX));
  return offered.map((name) => {
    const encoded = name.slice(SUBPROTOCOL_PREFIX.length).replace(/={1,2}$/, '');
    const token = /^[\w-]+$/.test(encoded) ? Buffer.from(encoded, 'base64url').toString('latin1') : '';
    if (!/^[\x21-\x7e]+$/.test(token) || token.length > MAX_TOKEN_CHARACTERS) {
      throw new Refused(401, 'the subprotocol of the token is read as: streamnorm.bearer.<base64url of the token>');
    }
    return token;
  });
}
