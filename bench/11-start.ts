/** From nothing to the first row taken: how long after a bare Node does `streamnorm serve` answer a push? */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { effortOf, report } from './report.ts';
import { alternate } from './rounds.ts';

const effort = effortOf(process.argv);
/** What starting may take beyond a Node that does nothing. */
const ALLOWANCE_MS = 400;
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'streamnorm-bench-'));
const config = join(dir, 'config.json');
writeFileSync(
  config,
  JSON.stringify({ listen: { port: 0 }, channels: { c: { features: ['x'], method: 'ewma', halfLife: 9 } } }),
);

async function untilFirstRow(): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, [main, 'serve', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let url = '';
  for await (const line of createInterface({ input: child.stderr })) {
    const entry = JSON.parse(line) as { event: string; in?: string };
    if (entry.event !== 'channel.opened') continue;
    url = entry.in as string;
    break;
  }
  const socket = new WebSocket(url);
  await once(socket, 'open');
  socket.send('{"type":"push","x":[1]}');
  await once(socket, 'message');
  const took = performance.now() - start;
  socket.terminate();
  child.kill('SIGKILL');
  await once(child, 'exit');
  return took;
}

async function untilNodeEnds(): Promise<number> {
  const start = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - start + ALLOWANCE_MS;
}

const measured = await alternate(effort.rounds, untilFirstRow, untilNodeEnds);
rmSync(dir, { recursive: true, force: true });
report([
  {
    workload: '11',
    what: 'streamnorm serve, from the start of the process to the first accepted row',
    unit: 'ms',
    referenceName: `node -e 0, and ${ALLOWANCE_MS} ms`,
    target: 1,
    wanted: 'at most',
    ...measured,
  },
]);
