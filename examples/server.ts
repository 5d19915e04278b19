// A server, a producer and a subscriber in one process: npx tsx examples/server.ts
import { bufferCount, map, range, take } from 'rxjs';
import { createServer } from 'streamnorm/server';
import { fromWebSocket, toWebSocket } from 'streamnorm/websocket';

const server = await createServer({
  listen: { port: 0 },
  channels: { prices: { features: ['bid', 'ask'], method: 'batch', size: 50 } },
});
const base = server.url.replace('http', 'ws');

// a row goes in as a record; 50 of them make one message
const quotes = range(100).pipe(
  map((i) => ({ bid: 1000 + 5 * Math.sin(i / 5), ask: 1001 + 5 * Math.sin(i / 5) })),
  bufferCount(50),
);

fromWebSocket<number[]>(`${base}/out/prices`, {
  status: (event) => event.type === 'open' && quotes.pipe(toWebSocket(`${base}/in/prices`)).subscribe(),
})
  .pipe(take(100))
  .subscribe({
    next: (z) => console.log(z),
    complete: () => server.close(),
  });
