import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createServer, type RunningServer, type ServerConfigInput } from '../../src/server/index.ts';
import { builtDist } from '../support/built-dist.ts';
import { chromiumPath, launchChromium } from '../support/chromium.ts';

const PATIENCE = { timeout: 20_000 };

describe('the page, in a browser, on a real server', () => {
  let browser: Browser;
  let folder: string;
  let server: RunningServer;
  let producer: Producer;
  let page: Page;
  const complaints: string[] = [];

  const config = (port: number): ServerConfigInput => ({
    listen: { port },
    state: { dir: folder },
    channels: {
      sensors: { features: ['humidity', 'temperature'], method: 'batch', size: 16, alpha: 0.1 },
      single: { features: ['load'], method: 'ewma', halfLife: 50 },
    },
  });

  beforeAll(async () => {
    builtDist();
    if (chromiumPath === undefined) {
      if (process.env.CI === 'true') throw new Error('there is no Chromium: install it, or set CHROMIUM to its path');
      return;
    }
    folder = await mkdtemp(join(tmpdir(), 'streamnorm-page-'));
    server = await createServer(config(0));
    producer = await Producer.to(server.url);
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (new URL(request.url()).host !== new URL(server.url).host) complaints.push(`request to ${request.url()}`);
    });
    await page.goto(server.url);
  });

  afterAll(async () => {
    await browser?.close();
    producer?.stop();
    await server?.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  /** Each test of this file needs the browser; without, it is skipped and says so. */
  const inBrowser = (title: string, run: () => Promise<void>) =>
    test(title, async (context) => {
      if (chromiumPath === undefined) context.skip('there is no Chromium');
      await run();
    });

  const rowsDrawn = async (): Promise<number> => Number(await page.locator('#charts').getAttribute('data-rows'));
  const drawnBeyond = (rows: number) =>
    page.waitForFunction(
      (least) => Number(document.getElementById('charts')?.dataset.rows ?? 0) > least,
      rows,
      PATIENCE,
    );
  const details = async (name: string) => (await fetch(`${server.url}/channels/${name}`)).json();

  /** Sends no more and waits until the page has drawn all that the server has. */
  async function settle(): Promise<void> {
    await producer.pause();
    const { seq } = await details('sensors');
    const caughtUp = (last: number) => Number(document.getElementById('charts')?.dataset.seq) === last;
    await page.waitForFunction(caughtUp, seq, PATIENCE);
  }

  inBrowser('shows the channel and says that it is live', async () => {
    await page.locator('#connection[data-state=live]').waitFor(PATIENCE);
    expect(await page.locator('#channel').inputValue()).toBe('sensors');
    expect(await page.locator('#channel option').allTextContents()).toEqual(['sensors', 'single']);
    expect(await page.locator('#feature-choices input').count()).toBe(3);
    expect(await page.title()).toBe('sensors · streamnorm');
    expect(await page.locator('#settings').textContent()).toContain('size 16');
  });

  inBrowser('draws both charts of each feature and goes on drawing', async () => {
    await drawnBeyond(100);
    await drawnBeyond((await rowsDrawn()) + 100);
    const plots = page.locator('.plot');
    expect(await plots.count()).toBe(4);
    await page.waitForFunction(
      () =>
        Array.from(document.querySelectorAll<HTMLElement>('.plot')).every((plot) => Number(plot.dataset.points) > 100),
      undefined,
      PATIENCE,
    );
    expect(await plots.first().getAttribute('aria-label')).toMatch(
      /^Raw values of humidity, [\d]+ points: now 4\d\.\d+/,
    );
    expect(await plots.nth(1).getAttribute('aria-label')).toMatch(/^Normalised values of humidity/);
  });

  inBrowser('shows the statistics that the server has', async () => {
    await settle();
    const { stats } = await details('sensors');
    await page.locator(`#statistics[data-version="${stats.version}"]`).waitFor(PATIENCE);
    for (const [index, feature] of ['humidity', 'temperature'].entries()) {
      const cells = page.locator(`#statistics tr[data-feature=${feature}] td`);
      const shown = Object.fromEntries(
        await cells.evaluateAll((list) =>
          list.map((cell) => [(cell as HTMLElement).dataset.key, Number((cell as HTMLElement).dataset.value)]),
        ),
      );
      expect(shown).toMatchObject({
        'moving.mean': stats.mean[index],
        'moving.std': stats.std[index],
        'batch.mean': stats.batch.mean[index],
        'batch.std': stats.batch.std[index],
        'batch.min': stats.batch.min[index],
        'batch.max': stats.batch.max[index],
      });
    }
    producer.resume();
  });

  inBrowser('the address keeps the feature; a page opened later begins with the rows before it', async () => {
    await page.getByRole('radio', { name: 'temperature' }).check();
    expect(await page.locator('.plot').count()).toBe(2);
    expect(new URL(page.url()).hash).toBe('#channel=sensors&feature=temperature');
    await settle();
    await page.reload();
    await drawnBeyond(100);
    expect(await page.locator('.feature').getAttribute('aria-label')).toBe('temperature');
    producer.resume();
  });

  inBrowser('holds the picture while it is paused, and goes on after', async () => {
    await page.getByRole('button', { name: 'Pause' }).click();
    const resume = page.getByRole('button', { name: 'Resume' });
    expect(await resume.getAttribute('aria-pressed')).toBe('true');
    const label = () => page.locator('.plot').first().getAttribute('aria-label');
    await drawnBeyond((await rowsDrawn()) + 50);
    const before = await label();
    await drawnBeyond((await rowsDrawn()) + 150);
    expect(await label()).toBe(before);
    await resume.click();
    await expect.poll(label, PATIENCE).not.toBe(before);
    await page.getByRole('button', { name: 'Pause' }).waitFor(PATIENCE);
  });

  inBrowser('works by keyboard: the arrow keys read the curve point by point', async () => {
    await page.locator('.plot').first().focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    expect(await page.locator('.legend-time').first().textContent()).toMatch(/^\d\d:\d\d:\d\d$/);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.legend-time').first().textContent()).toBe('');
  });

  inBrowser('reconnects by itself when the server comes back, and misses no row', async () => {
    await settle();
    const { epoch, seq } = await details('sensors');
    const before = await rowsDrawn();
    const { port } = server;
    await server.close();
    await page.locator('#connection-text', { hasText: 'reconnecting' }).waitFor(PATIENCE);
    expect(await page.getByRole('status').textContent()).toBe('Connection lost, reconnecting');
    server = await createServer(config(port));
    producer = await Producer.to(server.url);
    await page.locator('#connection[data-state=live]').waitFor({ timeout: 30_000 });
    await drawnBeyond(before + 100);
    expect(await page.locator('#epoch').textContent()).toBe(epoch);
    expect(await page.locator('#skipped').textContent()).toBe('0');
    await settle();
    expect((await rowsDrawn()) - before).toBe((await details('sensors')).seq - seq);
    expect(await page.locator('#notices li').allTextContents()).toEqual([
      expect.stringContaining('connected again after'),
      expect.stringContaining('the server restarts'),
    ]);
  });

  inBrowser('changes to another channel, with a method without batches', async () => {
    producer.resume();
    await page.locator('#channel').selectOption('single');
    await drawnBeyond(20);
    expect(await page.locator('.plot').count()).toBe(2);
    expect(await page.locator('#feature-bar').isVisible()).toBe(false);
    expect(await page.locator('#statistics td[data-key^=batch]').count()).toBe(0);
    expect(await page.locator('#statistics td[data-key="moving.mean"]').getAttribute('data-value')).not.toBe('');
  });

  inBrowser('fits a narrow screen without scrolling sideways', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  });

  inBrowser('asked nobody but its own server, and no script failed', async () => {
    expect(complaints).toEqual([]);
  });
});

/** Pushes rows into both channels, some every few milliseconds, and only when the last push was accepted. */
class Producer {
  readonly #sockets: WebSocket[];
  readonly #gone: Promise<unknown>;
  #row = 0;
  #running = true;
  #idle: Promise<void> = Promise.resolve();

  static async to(url: string): Promise<Producer> {
    const sockets = ['sensors', 'single'].map((name) => new WebSocket(`${url.replace('http', 'ws')}/in/${name}`));
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    return new Producer(sockets);
  }

  private constructor(sockets: WebSocket[]) {
    this.#sockets = sockets;
    for (const socket of sockets) socket.on('error', () => {});
    this.#gone = Promise.race(sockets.map((socket) => once(socket, 'close'))).then(() => this.stop());
    this.resume();
  }

  resume(): void {
    this.#running = true;
    this.#idle = this.#run();
  }

  /** Resolves when all that was sent is accepted. */
  async pause(): Promise<void> {
    this.#running = false;
    await this.#idle;
  }

  stop(): void {
    this.#running = false;
    for (const socket of this.#sockets) socket.terminate();
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const rows = Array.from({ length: 8 }, () => {
        const n = this.#row++;
        return [44 + Math.sin(n / 40), 30 + Math.cos(n / 25) / 2 + (n % 7) / 50];
      });
      // The answer `accepted`, or the end of the connection.
      const answers = this.#sockets.map((socket) => Promise.race([once(socket, 'message'), this.#gone]));
      const seq = this.#row;
      const [sensors, single] = this.#sockets;
      sensors.send(JSON.stringify({ type: 'push', producer: 'test', seq: Date.now() * 1000 + seq, x: rows }));
      single.send(
        JSON.stringify({ type: 'push', producer: 'test', seq: Date.now() * 1000 + seq, x: rows.map(([x]) => [x]) }),
      );
      await Promise.all(answers);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
