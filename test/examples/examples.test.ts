import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { createServer } from '../../src/server/create-server.ts';
import { builtDist } from '../support/built-dist.ts';
import { chromiumPath, launchChromium } from '../support/chromium.ts';

const example = (name: string) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
const TSX = ['--import', 'tsx'];

beforeAll(() => {
  // examples import the package by its name, as a user would
  builtDist();
});

function linesOf(name: string): string[] {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...TSX, example(name)], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout.trimEnd().split('\n');
}

test('normalize.ts has fewer than 12 lines of program and normalises records of any scale', () => {
  const program = readFileSync(example('normalize.ts'), 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('//'));
  expect(program.length).toBeLessThan(12);
  expect(linesOf('normalize.ts')).toEqual([
    '{ x1: NaN, x2: NaN }',
    '{ x1: NaN, x2: NaN }',
    '{ x1: 2.99994000179994, x2: 2.99999999994 }',
  ]);
});

test('two-layers.ts prints what PyTorch does for BatchNorm1d, Linear, Sigmoid, BatchNorm1d in training mode', () => {
  // torch 1.13, float64, affine=False, printed with 6 decimals
  expect(linesOf('two-layers.ts')).toEqual([
    '-0.812574 -1.372643',
    '-0.569151 -0.537210',
    '1.705246 0.915365',
    '-0.323521 0.994487',
  ]);
});

test('server.ts normalises 100 quotes through a producer, a server and a subscriber, and ends', () => {
  const lines = linesOf('server.ts');
  expect(lines).toHaveLength(100);
  expect(lines.every((line) => /^\[ -?\d+(\.\d+)?, -?\d+(\.\d+)? \]$/.test(line))).toBe(true);
});

test('browser/: the page normalises a feed in Chromium', async (context) => {
  if (chromiumPath === undefined) context.skip('there is no Chromium');
  const server = spawn(process.execPath, [...TSX, example('browser/serve.ts')], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(await firstLine(server));
    const rows = () => page.locator('#rows').textContent().then(Number);
    await page.waitForFunction(() => Number(document.getElementById('rows')?.textContent) >= 5);
    expect(await page.locator('#state').textContent()).toBe('open');
    expect(await page.locator('#bid').textContent()).toMatch(/^\d+\.\d\d$/);
    expect(await page.locator('#bid-z').textContent()).toMatch(/^-?\d+\.\d\d$/);
    expect(await rows()).toBeGreaterThanOrEqual(5);
  } finally {
    await browser.close();
    server.kill();
  }
});

test('mock-exchange/: its config feeds a channel through every fault that comes and goes', async () => {
  const faults = ['gap=400', 'duplicate=300', 'reorder=500', 'cut=900'].flatMap((fault) => ['--fault', fault]);
  const args = [...TSX, example('mock-exchange/main.ts'), '--port', '0', '--every', '20', ...faults];
  const exchange = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void exchange.kill());
  const { channels } = JSON.parse(readFileSync(example('mock-exchange/streamnorm.json'), 'utf8'));
  channels.btc.source.url = await firstLine(exchange);
  const server = await createServer({ listen: { port: 0 }, channels });
  onTestFinished(() => server.close());
  const counts = async () => {
    const about = (await (await fetch(`${server.url}/channels/btc`)).json()) as { source: { counts: object } };
    return about.source.counts as Record<string, number>;
  };
  for (const event of ['message', 'missed', 'duplicate', 'sorted', 'hole']) {
    await expect.poll(async () => (await counts())[event], { timeout: 25_000 }).toBeGreaterThan(0);
  }
  await expect.poll(async () => (await counts()).connected, { timeout: 25_000 }).toBeGreaterThan(1);
  expect((await counts()).bad).toBe(0);
}, 60_000);

test('each example is named in a test', () => {
  const tests = fileURLToPath(new URL('../', import.meta.url));
  const tested = readdirSync(tests, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(tests, name), 'utf8'))
    .join('\n');
  const names = readdirSync(example('.')).filter((name) => name !== 'python');
  expect(names.filter((name) => !tested.includes(name))).toEqual([]);
});

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the example has no standard output');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('the example ended without a word');
}
