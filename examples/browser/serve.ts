// Serves the page beside this file, and a feed for it: npx tsx examples/browser/serve.ts
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { createServer } from 'streamnorm/server';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const bundle = await build({
  entryPoints: [here('page.ts')],
  bundle: true,
  format: 'esm',
  platform: 'browser',
  write: false,
});
const html = await readFile(here('index.html'));

const pages = createHttpServer((request, response) => {
  const isScript = request.url === '/page.js';
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
  response.end(isScript ? bundle.outputFiles[0].text : html);
});
await new Promise<void>((resolve) => pages.listen(Number(process.env.PORT ?? 8081), '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;

// a page may connect to another server only when its origin is on the list
const server = await createServer({
  listen: { port: 0, origins: [origin] },
  channels: { quotes: { features: ['bid', 'volume'], method: 'cumulative' } },
});

let bid = 100;
setInterval(() => {
  bid += Math.random() - 0.5;
  server.channel('quotes').push({ bid, volume: 1000 + 500 * Math.random() });
}, 50);

const feed = `${server.url.replace('http', 'ws')}/out/quotes?include=raw`;
console.log(`${origin}/?feed=${encodeURIComponent(feed)}`);
