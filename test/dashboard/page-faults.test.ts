import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { createServer, type ServerConfigInput } from '../../src/server/index.ts';
import { startProcess } from '../server/server-process.ts';
import { stateDir } from '../server/state-dir.ts';
import { builtDist } from '../support/built-dist.ts';
import { chromiumPath, launchChromium } from '../support/chromium.ts';

const PATIENCE = { timeout: 40_000 };
const SLOW = 90_000;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

describe('the page, in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    builtDist();
    if (chromiumPath === undefined && process.env.CI === 'true') throw new Error('there is no Chromium');
    if (chromiumPath !== undefined) browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  const inBrowser = (title: string, run: () => Promise<void>) =>
    test(title, { timeout: SLOW }, async (context) => {
      if (chromiumPath === undefined) context.skip('there is no Chromium');
      await run();
    });

  async function opened(url: string, options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    onTestFinished(async () => {
      await page.close();
      expect(complaints).toEqual([]);
    });
    await page.goto(url);
    return page;
  }

  inBrowser('a server that is killed under it: it comes back by itself, with a gap that is marked', async () => {
    const config: ServerConfigInput = {
      state: { dir: stateDir() },
      channels: { c: { features: ['x'], method: 'ewma', alpha: 0.1 } },
    };
    const first = await startProcess(config);
    const page = await opened(first.url);
    await push(first.url, 50);
    await page.locator('#charts:not([data-rows="0"])').waitFor(PATIENCE);
    await page.evaluate(() => Object.assign(globalThis, { isSamePage: true }));
    await first.end('SIGKILL');
    await page.locator('#problem-title', { hasText: 'Connection lost' }).waitFor(PATIENCE);
    const second = await startProcess({ ...config, listen: { port: Number(new URL(first.url).port) } });
    await page.locator('#connection[data-state=live], #connection[data-state=stale]').waitFor(PATIENCE);
    await push(second.url, 50);
    await page.locator('#notices li[data-kind=gap][data-reason=restart]').waitFor(PATIENCE);
    await page.locator('.plot[data-marks="restart"]').first().waitFor(PATIENCE);
    expect(await page.locator('#problem').isVisible()).toBe(false);
    expect(await page.evaluate(() => 'isSamePage' in globalThis)).toBe(true);
  });

  inBrowser('asks for a token, says what is wrong with one, and keeps the right one for this tab', async () => {
    const tokens = [{ name: 'reader', token: { env: 'READER' }, out: ['mine'] }];
    const channels = { mine: { features: ['x'] }, other: { features: ['x'] } };
    const server = await createServer(
      { listen: { port: 0 }, auth: { tokens }, channels },
      { env: { READER: 'reader-0123456789' } },
    );
    onTestFinished(() => server.close());
    const page = await opened(server.url);
    const dialog = page.getByRole('dialog', { name: 'Token' });
    await dialog.getByText('This server asks for a token.').waitFor(PATIENCE);
    await dialog.getByLabel('Token', { exact: true }).fill('wrong-0123456789');
    await page.keyboard.press('Enter');
    await dialog.getByText('The server did not take the token').waitFor(PATIENCE);
    await dialog.getByLabel('Token', { exact: true }).fill('reader-0123456789');
    await page.keyboard.press('Enter');
    await page.locator('#connection-text', { hasText: 'connected, no rows yet' }).waitFor(PATIENCE);
    expect(await page.locator('#channel option').allTextContents()).toEqual(['mine']);
    await page.reload();
    await page.locator('#connection[data-state=live]').waitFor(PATIENCE);
    expect(page.url()).not.toContain('0123456789');
    await page.evaluate(() => {
      location.hash = '#channel=other';
    });
    await page.locator('#problem-title', { hasText: 'This token may not read other' }).waitFor(PATIENCE);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    inBrowser(`axe finds nothing against it, wide and narrow, ${colorScheme}`, async () => {
      const server = await createServer({ listen: { port: 0 }, channels: { c: { features: ['x', 'y'] } } });
      onTestFinished(() => server.close());
      const page = await opened(server.url, { colorScheme, bypassCSP: true });
      await page.locator('#connection[data-state=live]').waitFor(PATIENCE);
      await page.locator('#subscribers tbody tr').first().waitFor(PATIENCE);
      await page.addScriptTag({ path: AXE });
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 844 });
        const { violations } = await page.evaluate(() =>
          (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
        );
        expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
      }
    });
  }
});

async function push(url: string, rows: number): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/in/c`);
  await once(socket, 'open');
  const x = Array.from({ length: rows }, (_, i) => [Math.sin(i)]);
  socket.send(JSON.stringify({ type: 'push', x }));
  await once(socket, 'message');
  socket.terminate();
}
