import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { Cumulative } from '../../src/core/cumulative.ts';
import type { ServerConfigInput } from '../../src/server/index.ts';
import { getJson } from '../server/clients.ts';
import { type ServerProcess, startProcess } from '../server/server-process.ts';
import type { FaultRun } from './fault.ts';

/** What must hold whatever the fault was; all of it is checked before this is returned. */
export interface Figures {
  /** Time in ms from a push of the bystander to its row at the bystander's subscriber, 99th percentile. */
  readonly aloneP99Ms: number;
  readonly besideP99Ms: number;
  /** Time in ms from a push of the bystander to its answer meanwhile, 99th percentile. */
  readonly ingestP99Ms: number;
  /** How late its own timers were meanwhile, 99th percentile: how long a process waited for a core. */
  readonly latenessP99Ms: number;
  /** Rows that the channel took, of everybody. */
  readonly rows: number;
  /** Memory of the server, after collection: before the fault, the most meanwhile, and after. */
  readonly memory: { readonly beforeBytes: number; readonly mostBytes: number; readonly afterBytes: number };
}

/** Where a fault happens: channel `c` with the features `a` and `b`, where the bystander pushes and listens. */
export interface Scene {
  readonly server: ServerProcess;
  readonly url: string;
  counters(): Promise<Record<string, unknown>>;
  /** Latencies from now on count for another phase; those of `beside` are what is judged. */
  phase(name: string): Promise<void>;
  /** Waits until so many more rows have gone out, and so for time to pass. */
  rows(count: number): Promise<void>;
}

interface Report {
  problems: string[];
  sent: number;
  received: number;
  /** How often it was taken for a slow reader, because it had to wait for a core. */
  recoveries: number;
  latencies: Record<string, number[]>;
  ingest: Record<string, number[]>;
  lateness: Record<string, number[]>;
  raw: Float64Array;
}

export interface SceneOptions {
  /** Channels beside `c`. */
  readonly channels?: ServerConfigInput['channels'];
  readonly limits?: ServerConfigInput['limits'];
  /** Rows kept for `since`. */
  readonly history?: number;
  readonly nodeArgs?: readonly string[];
  /** Pushes a second of the bystander, and rows in each: the load, the same before and while it happens. */
  readonly perSecond?: number;
  readonly rowsPerPush?: number;
  /** Looks at the memory meanwhile too; each look stops the server for a collection. */
  readonly watchMemory?: boolean;
  /** What may still be held afterwards beside 10 % of what was before. */
  readonly slackBytes?: number;
}

const FEATURES = ['a', 'b'];
/** What a machine adds by chance: where rows take a ms, a fifth more of that cannot be told. */
const CHANCE_MS = 25;
/** Between two looks at the memory. */
const LOOK_MS = 400;
const script = fileURLToPath(new URL('../support/bystander.mjs', import.meta.url));

/**
 * Lets a fault happen to a server in a process of its own, beside a bystander in another one, and checks what must hold
 * in every row of the table:
 *
 * - the process lives, no exception reached it and `onBug` was told of none
 * - the bystander got every row of the channel, in order, and every answer; under `--judge` its 99th percentile is
 *   within a fifth of what it was alone
 * - the statistics equal those of an offline run over the rows that came out, bit for bit
 * - the counter of rows is their number
 * - within 10 s the memory is back within 10 %
 */
export async function besideBystander(
  run: FaultRun,
  options: SceneOptions,
  happen: (scene: Scene) => Promise<void>,
): Promise<Figures> {
  const { limits, nodeArgs, watchMemory = false, slackBytes = 1_048_576, rowsPerPush = 1, channels } = options;
  const { history = run.full ? 100 : 50, perSecond = run.full ? 100 : 200 } = options;
  const server = await startProcess(
    {
      channels: { c: { features: FEATURES, method: 'cumulative', history }, ...channels },
      // a bystander that has to wait for a core is not to be judged for it, where that is not the question
      limits: { conflateAfterMs: 10_000, cutAfterMs: 30_000, maxConnectionsPerAddress: 20_000, ...limits },
    },
    { nodeArgs },
  );
  const scene: Scene = {
    server,
    url: server.url.replace('http', 'ws'),
    counters: async () => ((await about(server)) as { counters: Record<string, unknown> }).counters,
    phase,
    rows: async (count) => rowsAt(server, ((await about(server)) as { seq: number }).seq + count),
  };
  const bystander = fork(script, [scene.url, 'c', FEATURES.length, perSecond, rowsPerPush].map(String), {
    serialization: 'advanced',
    execArgv: [],
  });
  onTestFinished(() => void bystander.kill('SIGKILL'));
  const told = (field: string) =>
    new Promise<never>((resolve, reject) => {
      bystander.once('exit', (code) => reject(new Error(`the bystander ended with ${code}`)));
      bystander.on('message', (said: Record<string, never>) => {
        if (field in said) resolve(said[field]!);
      });
    });
  await told('started');

  let most = 0;
  const look = async () => {
    const { heldBytes } = await server.ask('memory');
    most = Math.max(most, heldBytes);
    return heldBytes;
  };
  // the first rows are slower, since their code is compiled
  const warmRows = Math.max(2 * Math.min(history, 100), 20 * rowsPerPush);
  await rowsAt(server, warmRows);
  await phase('control');
  await rowsAt(server, warmRows + (run.full ? 3 : 0.3) * perSecond * rowsPerPush, watchMemory ? look : undefined);
  const before = await look();
  most = before;
  await phase('beside');
  let looking = watchMemory;
  const looks = (async () => {
    while (looking) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  })();
  try {
    await happen(scene);
  } finally {
    looking = false;
    await looks;
  }
  // a pause that is a hundredth of this is one that a client may see
  if (run.full) await rowsAt(server, ((await about(server)) as { seq: number }).seq + 100 * rowsPerPush);
  await phase('after');

  const deadline = performance.now() + 10_000;
  const bound = before * 1.1 + slackBytes;
  let after = await look();
  while (after > bound && performance.now() < deadline) after = await look();

  const reported = told('report') as Promise<Report>;
  bystander.send({ stop: true });
  const report = await reported;
  expect(report.problems).toEqual([]);
  expect(await server.ask('bugs')).toEqual([]);
  expect(server.child.exitCode ?? server.child.signalCode).toBe(null);
  const { state, counters, seq } = (await about(server)) as { state: unknown; counters: { rows: number }; seq: number };
  expect([counters.rows, seq]).toEqual([report.received, report.received]);
  const offline = new Cumulative({ features: FEATURES });
  for (let at = 0; at < report.raw.length; at += FEATURES.length) {
    offline.update(report.raw.subarray(at, at + FEATURES.length));
  }
  expect(state).toEqual(JSON.parse(JSON.stringify(offline.state())));
  expect(after, 'memory after the fault, in bytes').toBeLessThanOrEqual(bound);
  const [alone, beside] = [p99(report.latencies.control), p99(report.latencies.beside)];
  run.bystander({ aloneP99Ms: alone, besideP99Ms: beside });
  if (run.judged) {
    expect(report.recoveries, 'times that the bystander was taken for slow').toBe(0);
    // its own timers tell how long a process had to wait for a core, on its way there and back
    const waits = 2 * p99(report.lateness.beside);
    expect(beside, 'p99 of the bystander in ms').toBeLessThanOrEqual(alone * 1.2 + CHANCE_MS + waits);
  }
  return {
    aloneP99Ms: alone,
    besideP99Ms: beside,
    ingestP99Ms: p99(report.ingest.beside),
    latenessP99Ms: p99(report.lateness.beside),
    rows: report.received,
    memory: { beforeBytes: before, mostBytes: most, afterBytes: after },
  };

  async function phase(name: string): Promise<void> {
    const said = once(bystander, 'message');
    bystander.send({ phase: name });
    await said;
  }
}

/** Returns once the channel has given out so many rows. */
async function rowsAt(server: ServerProcess, seq: number, meanwhile?: () => Promise<unknown>): Promise<void> {
  while (((await about(server)) as { seq: number }).seq < seq) {
    await meanwhile?.();
    await new Promise((resolve) => setTimeout(resolve, meanwhile === undefined ? 20 : LOOK_MS));
  }
}

function about(server: ServerProcess): Promise<unknown> {
  return getJson(server, '/channels/c');
}

export function p99(values: Iterable<number> = []): number {
  const sorted = Float64Array.from(values).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0;
}

/** Bytes as MiB for people. */
export function mib(bytes: number): string {
  return `${(Math.max(0, bytes) / 1_048_576).toFixed(1)} MiB`;
}
