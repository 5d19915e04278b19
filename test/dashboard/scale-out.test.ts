import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { natsServerPath } from '../nats/nats-server.ts';
import { CliProcess } from '../nats/workers.ts';
import { Client, type Next, type Snapshot } from '../server/clients.ts';
import { chromiumPath, launchChromium } from '../support/chromium.ts';

const PATIENCE = { timeout: 30_000 };

/** The commands of docs/scale-out.md, in their order. */
async function commands(): Promise<string[]> {
  const text = await readFile(new URL('../../docs/scale-out.md', import.meta.url), 'utf8');
  const block = /## Run it[\s\S]*?```\n(nats-server[\s\S]*?)```/.exec(text)?.[1] ?? '';
  return block.trim().split('\n');
}

/** The broker as it is documented, on a free port and in a folder of its own. */
async function startBroker(command: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'streamnorm-scale-out-'));
  const given = command.split(' ').slice(1).join(' ');
  const args = given.replace('./jetstream', dir).replace('--port 4222', `--port -1 --ports_file_dir ${dir}`).split(' ');
  const child = spawn(natsServerPath as string, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(async () => {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    await rm(dir, { recursive: true, force: true });
  });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  await expect.poll(() => said, PATIENCE).toContain('Server is ready');
  const ports = async () => {
    const file = (await readdir(dir)).find((name) => name.endsWith('.ports'));
    return file === undefined ? '' : readFile(join(dir, file), 'utf8');
  };
  await expect.poll(ports, PATIENCE).toMatch(/\}\s*$/);
  return JSON.parse(await ports()).nats[0];
}

test('two edges and two workers started as documented: a worker is killed, and the dashboard of an edge goes on', async (context) => {
  if (natsServerPath === undefined) context.skip('there is no nats-server: apt-get install nats-server');
  if (chromiumPath === undefined) context.skip('there is no Chromium');
  const [broker, ...lines] = await commands();
  const url = await startBroker(broker);
  const started = lines.map((line) => {
    const args = line.replace('nats://127.0.0.1:4222', url).replace(/--port \d+/, '--port 0');
    return () => new CliProcess(args.split(' ').slice(2));
  });
  expect(started).toHaveLength(5);
  const [provision, ...rest] = started;
  const provisioned = provision();
  await provisioned.said(/channel sensors: 4 partitions/);
  await once(provisioned.child, 'close');
  const [one, two, ...edges] = rest.map((start) => start());
  await Promise.all([one, two].map((worker) => worker.said(/partition \d: taken/)));
  const urls = await Promise.all(
    edges.map(async (edge) => /"url":"(http[^"]+)"/.exec(await edge.said(/"url":"http/))?.[1] as string),
  );

  const browser = await launchChromium();
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(urls[1]);

  const socket = (url: string, path: string) => `${url.replace('http', 'ws')}/${path}/sensors`;
  const subscriber = await Client.open(socket(urls[1], 'out'));
  const { seq: first } = await subscriber.next<Snapshot>();
  // four producers, which have partitions of their own, at the other edge
  const producer = await Client.open(socket(urls[0], 'in'));
  let pushes = 0;
  const timer = setInterval(() => {
    const seq = ++pushes;
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      producer.send({ type: 'push', producer: name, seq, x: [[40 + Math.sin(seq), 20 + Math.cos(seq)]] });
    }
  }, 20);
  onTestFinished(() => clearInterval(timer));
  const drawn = async () => Number(await page.locator('#charts').getAttribute('data-rows'));
  await expect.poll(drawn, PATIENCE).toBeGreaterThan(100);

  await one.end('SIGKILL');
  await two.said(/partition \d: taken/);
  const atDeath = pushes * 6;
  await expect.poll(() => two.lines.filter((line) => /taken/.test(line)).length, PATIENCE).toBeGreaterThanOrEqual(4);
  clearInterval(timer);
  expect(pushes * 6).toBeGreaterThan(atDeath - 1);
  // all that was sent comes out, numbered without a hole: nothing was lost, nothing came twice, nothing was told as a gap
  const total = pushes * 6;
  let next = first + 1;
  while (next <= first + total) {
    const said = await subscriber.next<Next>();
    if (said.type === 'heartbeat') continue;
    expect(said).toMatchObject({ type: 'next', seq: next });
    expect(said.skipped).toBeUndefined();
    next += said.z.length;
  }
  const seqDrawn = async () => Number(await page.locator('#charts').getAttribute('data-seq'));
  await expect.poll(seqDrawn, PATIENCE).toBe(first + total);
  expect(complaints).toEqual([]);
}, 120_000);
