/** The page at 10,000 points a curve while rows come in: how much longer does a frame take than at 300 points? */
import { once } from 'node:events';
import type { Page } from 'playwright-core';
import { createServer } from 'streamnorm/server';
import { WebSocket } from 'ws';
import { chromiumPath, launchChromium } from '../test/support/chromium.ts';
import { effortOf, report } from './report.ts';
import { alternate } from './rounds.ts';
import { sampleRows } from './seeded.ts';

/** A message each 20 ms. */
const ROWS = 20;
const EVERY_MS = 20;
const POINTS = 10_000;
const { smoke, rounds } = effortOf(process.argv);
const FRAMES = smoke ? 5 : 120;

if (chromiumPath === undefined) {
  process.stderr.write('bench 14: there is no Chromium: apt-get install chromium\n');
  process.exit(0);
}
const server = await createServer({
  listen: { port: 0 },
  channels: { live: { features: ['a', 'b'], method: 'ewma', history: POINTS } },
});
const producer = new WebSocket(`${server.url.replace('http', 'ws')}/in/live`);
await once(producer, 'open');
const pool = sampleRows(POINTS, 2);
let sent = 0;
const push = (rows: number) => {
  producer.send(JSON.stringify(Array.from({ length: rows }, () => pool[sent++ % POINTS])));
};
push(POINTS);
const timer = setInterval(() => push(ROWS), EVERY_MS);
const browser = await launchChromium();
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
await page.goto(server.url);

const measured = await alternate(
  Math.min(rounds, 5),
  () => msPerFrame(page, POINTS),
  () => msPerFrame(page, 300),
);
await browser.close();
clearInterval(timer);
producer.close();
await server.close();
report([
  {
    workload: '14',
    what: `dashboard, 4 curves of ${POINTS.toLocaleString('en')} points, ${(1_000 / EVERY_MS) * ROWS} rows/s: a frame, 95th percentile`,
    unit: 'ms',
    referenceName: '300 points',
    target: 2,
    wanted: 'at most',
    ...measured,
  },
]);

/** Time between two frames, 95th percentile: the curves are drawn at every third; drawn by software where there is no graphics card. */
async function msPerFrame(page: Page, points: number): Promise<number> {
  await page.locator(`input[name=span][value="${points}"]`).check();
  // as text: what runs a script of TypeScript may rename its functions to what the page does not have
  return await page.evaluate<number>(`new Promise((resolve) => {
    const times = [];
    requestAnimationFrame(function frame(now) {
      times.push(now);
      if (times.length <= ${FRAMES}) return void requestAnimationFrame(frame);
      const spans = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
      resolve(spans[Math.floor(spans.length * 0.95)]);
    });
  })`);
}
