import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';

const TYPES = new Map([
  ['html', 'text/html; charset=utf-8'],
  ['js', 'text/javascript; charset=utf-8'],
  ['css', 'text/css; charset=utf-8'],
  ['svg', 'image/svg+xml'],
]);

// the same from src/server/ and from dist/server/
const FOLDER = new URL('../../dist/dashboard/', import.meta.url);

/** Sends a file of the dashboard; false when it has none of that name. A name has no slash, so none leads elsewhere. */
export async function sendDashboardFile(path: string, response: ServerResponse): Promise<boolean> {
  const name = path === '/' ? 'index.html' : path.slice(1);
  const type = TYPES.get(/^[\w-]+(?:\.[\w-]+)*\.(html|js|css|svg)$/.exec(name)?.[1] ?? '');
  if (type === undefined) return false;
  let content: Buffer;
  try {
    content = await readFile(new URL(name, FOLDER));
  } catch {
    return false;
  }
  response.writeHead(200, {
    'content-type': type,
    'content-length': content.length,
    'cache-control': 'no-cache',
    'content-security-policy':
      "default-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; img-src 'self' data:",
  });
  response.end(content);
  return true;
}
