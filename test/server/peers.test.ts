import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { Arrivals } from '../websocket/arrivals.ts';
import { rowsOf, serve } from './clients.ts';

const PYTHON = '/usr/bin/python3';
const { status, stderr, error } = spawnSync(PYTHON, ['-c', 'import websockets'], { encoding: 'utf8' });
const missing =
  status === 0 ? undefined : `python3-websockets is missing: ${error?.message ?? stderr.trim().split('\n').at(-1)}`;

/** A script of examples/python, with the lines it prints. */
function python(
  script: string,
  ...args: string[]
): { child: ChildProcess; lines: Arrivals<string>; ended: Promise<string> } {
  const file = fileURLToPath(new URL(`../../examples/python/${script}`, import.meta.url));
  const child = spawn(PYTHON, [file, ...args]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = new Arrivals<string>();
  createInterface(child.stdout).on('line', (line) => lines.add(line));
  let complaints = '';
  child.stderr.on('data', (data) => {
    complaints += data;
  });
  // what it printed is complete once its streams are closed
  const ended = new Promise<string>((resolve) => child.once('close', (code) => resolve(`${code} ${complaints}`)));
  return { child, lines, ended };
}

const features = ['bid', 'ask'];
const rows = rowsOf(32, 2);
const input = `${rows.map((row) => row.join(' ')).join('\n')}\n`;

describe('a producer and a subscriber in Python, without anything of ours', () => {
  test.for(['json', 'f32', 'f64'] as const)('%s: see what the wire says', async (form, { skip }) => {
    if (missing !== undefined) skip(missing);
    const server = await serve({ channels: { c: { features, size: 16 } } });
    const url = server.url.replace('http', 'ws');
    const reader = python('subscriber.py', `${url}/out/c?format=${form}&digits=17`, '32');
    expect(await reader.lines.next()).toBe(`snapshot ${server.channel('c').epoch} 0`);
    const producer = python('producer.py', `${url}/in/c`, form);
    producer.child.stdin!.end(input);
    if (form === 'json') {
      expect(await producer.lines.next()).toBe('{"type":"accepted","producer":"python","seq":1}');
    }
    expect(await producer.ended).toBe('0 ');
    const printed = (await reader.lines.take(32)).map((line) => line.split(' ').map(Number));
    expect(await reader.ended).toBe('0 ');
    const narrow = form === 'f32' ? Math.fround : (x: number) => x;
    const sent = rows.map((row) => row.map(narrow));
    const model = new BatchNorm({ features });
    const z = [...model.train(sent.slice(0, 16)), ...model.train(sent.slice(16))];
    expect(printed).toEqual(z.map((row, i) => [i + 1, ...row.map(narrow)]));
    expect(server.channel('c').state()).toEqual(model.state());
  });
});
