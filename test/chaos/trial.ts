import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type NatsConnection, TimeoutError } from '@nats-io/nats-core';
import { seeded } from '../../bench/seeded.ts';
import { brokerOf } from '../../src/nats/broker.ts';
import { CheckpointValues } from '../../src/nats/checkpoint-values.ts';
import { readMeta, valuesOf } from '../../src/nats/log-meta.ts';
import { LogNames } from '../../src/nats/log-names.ts';
import { logStatus } from '../../src/nats/log-status.ts';
import { LogWriter } from '../../src/nats/log-writer.ts';
import { SteadyReader } from '../../src/nats/steady-reader.ts';
import { ChannelFold } from '../../src/server/channel-fold.ts';
import { parseConfig } from '../../src/server/config.ts';
import { encodeBatch } from '../../src/server/log-batch.ts';
import { decodePieces } from '../../src/server/log-rows.ts';
import { type LogConfig, provisionLogs } from '../../src/server/log-worker.ts';
import type { Push } from '../../src/server/push.ts';
import type { Brokers } from './brokers.ts';
import type { CutNetwork } from './cut-network.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const FEATURES = Array.from({ length: 8 }, (_, j) => `f${j}`);
const PARTITIONS = 4;
/** Messages of a partition, and rows of each. */
const WINDOWS = 150;
const ROWS = 64;
const LEASE_MS = 1_000;
/** Until everything is out, after the last fault. */
const PATIENCE_MS = 60_000;

export type Kind = 'kill worker' | 'stop worker' | 'kill broker' | 'lose leader' | 'cut network';

export const KINDS: readonly Kind[] = ['kill worker', 'stop worker', 'kill broker', 'lose leader', 'cut network'];

export interface TrialResult {
  readonly faults: number;
  readonly rows: number;
  readonly lost: number;
  /** Told twice to who reads as edges do, leaving out what has been there. */
  readonly twice: number;
  /** Twice in the log of outputs: the broker has broken its word. */
  readonly repeated: number;
  /** Rows whose numbers differ from those of one process without a broker. */
  readonly different: number;
  /** Times that an owner found itself fenced. */
  readonly fenced: number;
  /** Whether the statistics of all partitions are those of one process, to the last bit. */
  readonly statistics: boolean;
  readonly ms: number;
}

interface Worker {
  readonly process: ChildProcess;
  readonly network: CutNetwork | undefined;
}

/** Publishes while things go wrong, as the seed says, and compares what comes out with one process without a broker. */
export class Trial {
  readonly #brokers: Brokers;
  readonly #kind: Kind;
  readonly #random: () => number;
  readonly #networks: readonly CutNetwork[];
  readonly #config: LogConfig;
  readonly #file: string;
  readonly #workers: Worker[];
  #fenced: number;
  #repeated: number;
  #faults: number;

  private constructor(
    brokers: Brokers,
    kind: Kind,
    seed: number,
    networks: readonly CutNetwork[],
    config: LogConfig,
    file: string,
  ) {
    this.#brokers = brokers;
    this.#kind = kind;
    this.#random = seeded(seed);
    this.#networks = networks;
    this.#config = config;
    this.#file = file;
    this.#workers = [];
    this.#fenced = 0;
    this.#repeated = 0;
    this.#faults = 0;
  }

  static async run(brokers: Brokers, kind: Kind, seed: number, networks: readonly CutNetwork[]): Promise<TrialResult> {
    const dir = await mkdtemp(join(tmpdir(), 'streamnorm-chaos-'));
    const prefix = `chaos${seed}${kind.replaceAll(' ', '')}`;
    const input = {
      nats: {
        prefix,
        servers: brokers.servers.split(','),
        partitions: PARTITIONS,
        replicas: brokers.nodes.length,
        lease: LEASE_MS,
        checkpoint: 300,
        maxOutputs: 100_000,
      },
      channels: {
        ticks: {
          features: FEATURES,
          method: seed % 2 === 0 ? 'batch' : 'ewma',
          ...(seed % 2 === 0 ? { size: 48 } : { halfLife: 100 }),
        },
      },
    };
    const file = join(dir, 'streamnorm.json');
    await writeFile(file, JSON.stringify(input));
    const trial = new Trial(brokers, kind, seed, networks, parseConfig(input) as LogConfig, file);
    try {
      return await trial.#play();
    } finally {
      for (const { process } of trial.#workers) process.kill('SIGKILL');
      await rm(dir, { recursive: true, force: true });
    }
  }

  async #play(): Promise<TrialResult> {
    const beganMs = performance.now();
    const connection = await this.#brokers.connect();
    try {
      await provisionLogs(connection, this.#config);
      for (let i = 0; i < 2; i++) this.#start(i);
      const published = this.#publish(connection);
      const harm = this.#harm(connection);
      await Promise.all([published, harm]);
      const out = await this.#collect(connection);
      await this.#end();
      const compared = await this.#compare(connection, out);
      return {
        ...compared,
        faults: this.#faults,
        fenced: this.#fenced,
        repeated: this.#repeated,
        ms: performance.now() - beganMs,
      };
    } finally {
      await connection.close();
    }
  }

  #start(i: number): void {
    const network = this.#networks[i];
    const servers =
      network === undefined ? this.#brokers.servers : `nats://${network.host}:${this.#brokers.nodes[0].port}`;
    const [command, ...args] = [
      ...(network?.prefix ?? []),
      ...[process.execPath, MAIN, 'worker', '--config', this.#file, '--nats', servers],
    ];
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (/no longer/.test(line)) this.#fenced++;
      if (process.env.CHAOS_VERBOSE === '1') process.stderr.write(`${line}\n`);
    });
    // as a supervisor does: a worker that finds no broker at its start ends with 69
    child.once('close', (code) => {
      if (code === 69) setTimeout(() => this.#start(i), 500);
    });
    this.#workers[i] = { process: child, network };
  }

  /** Windows of all partitions, in messages whose content depends on nothing but their number. */
  async #publish(connection: NatsConnection): Promise<void> {
    const { prefix } = this.#config.nats;
    const names = new LogNames(prefix, 'ticks');
    const broker = await brokerOf(connection);
    await Promise.all(
      Array.from({ length: PARTITIONS }, async (_, partition) => {
        const writer = new LogWriter<Push>(broker, {
          stream: names.inStream(1),
          subject: names.inSubject(1, partition),
          encode: (pushes) => encodeBatch(pushes, FEATURES.length),
          // one push, one message: what one process is given to compare with
          maxRows: 1,
          giveUpMs: PATIENCE_MS,
        });
        for (let window = 0; window < WINDOWS; window++) {
          await writer.push(pushOf(partition, window), ROWS);
          await new Promise((resolve) => setTimeout(resolve, 40 * this.#random()));
        }
      }),
    );
  }

  async #harm(connection: NatsConnection): Promise<void> {
    const times = 2 + Math.floor(2 * this.#random());
    for (let i = 0; i < times; i++) {
      await this.#wait(300, 1_200);
      this.#faults++;
      await this.#once(connection, Math.floor(2 * this.#random()));
    }
  }

  async #once(connection: NatsConnection, i: number): Promise<void> {
    const { process: child, network } = this.#workers[i];
    if (this.#kind === 'kill worker') {
      child.kill('SIGKILL');
      await this.#wait(0, 2 * LEASE_MS);
      this.#start(i);
    } else if (this.#kind === 'stop worker') {
      child.kill('SIGSTOP');
      // past its lease: another one has its partitions when it goes on
      await this.#wait(1.2 * LEASE_MS, 3 * LEASE_MS);
      child.kill('SIGCONT');
    } else if (this.#kind === 'kill broker') {
      await this.#brokers.nodes[0].kill();
      await this.#wait(0, 1_000);
      await this.#brokers.nodes[0].startAgain();
    } else if (this.#kind === 'lose leader') {
      const stream = new LogNames(this.#config.nats.prefix, 'ticks').outStream;
      const leader = await this.#brokers.leaderOf(connection, stream).catch(() => undefined);
      const node = leader ?? this.#brokers.nodes[i];
      await node.kill();
      await this.#wait(500, 2_000);
      await node.startAgain();
      await this.#brokers.ready();
    } else {
      network?.cut();
      await this.#wait(1.2 * LEASE_MS, 4 * LEASE_MS);
      network?.mend();
    }
  }

  /** Rows that came out of each partition, in the order of the stream, until there are as many as there should be. */
  async #collect(connection: NatsConnection): Promise<{ first: number; z: Float64Array }[][]> {
    const names = new LogNames(this.#config.nats.prefix, 'ticks');
    const place = { stream: names.outStream, subject: names.outSubject('*'), from: 1 };
    const reader = new SteadyReader(await brokerOf(connection), place, {});
    const out: { first: number; z: Float64Array }[][] = Array.from({ length: PARTITIONS }, () => []);
    const ends = new Array<number>(PARTITIONS).fill(0);
    const wanted = this.#expected().map(({ rows }) => rows);
    const untilMs = performance.now() + PATIENCE_MS;
    let quiet = 0;
    // and a moment longer: for what should not come
    while (quiet < 2 && performance.now() < untilMs) {
      const messages = await reader.next();
      for (const { subject, data } of messages) {
        const partition = Number(subject.split('.').at(-1));
        for (const { first, content } of decodePieces(data)) {
          // as edges read
          if (first <= ends[partition]) this.#repeated += content.rows;
          else out[partition].push({ first, z: content.z });
          ends[partition] = Math.max(ends[partition], first + content.rows - 1);
        }
      }
      if (messages.length === 0 && ends.every((end, partition) => end >= wanted[partition])) quiet++;
    }
    await reader.close();
    if (quiet < 2) {
      const status = await logStatus(connection, { prefix: this.#config.nats.prefix, channel: 'ticks' });
      process.stderr.write(`chaos: not everything came out: ${JSON.stringify(status)}\n`);
    }
    return out;
  }

  async #end(): Promise<void> {
    for (const { process: child } of this.#workers) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 20_000).unref())]);
    }
  }

  /** What one process makes of the same messages. */
  #expected(): { z: Float64Array; rows: number; fold: ChannelFold }[] {
    const channel = this.#config.channels.get('ticks');
    if (channel === undefined) throw new Error('no channel');
    return Array.from({ length: PARTITIONS }, (_, partition) => {
      const fold = new ChannelFold(channel, this.#config.limits);
      const parts: Float64Array[] = [];
      for (let window = 0; window < WINDOWS; window++) {
        const data = encodeBatch([pushOf(partition, window)], FEATURES.length);
        for (const piece of fold.apply({ seq: window + 2, time: 0, data, origin: false })) {
          for (const { content } of decodePieces(piece.data)) parts.push(content.z);
        }
      }
      const z = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        z.set(part, at);
        at += part.length;
      }
      return { z, rows: z.length / FEATURES.length, fold };
    });
  }

  async #compare(
    connection: NatsConnection,
    out: readonly (readonly { first: number; z: Float64Array }[])[],
  ): Promise<Pick<TrialResult, 'rows' | 'lost' | 'twice' | 'different' | 'statistics'>> {
    const broker = await brokerOf(connection);
    const names = new LogNames(this.#config.nats.prefix, 'ticks');
    const { generation } = await answered(() => readMeta(broker, names));
    let [rows, lost, twice, different, statistics] = [0, 0, 0, 0, true];
    for (const [partition, { z, rows: wanted, fold }] of this.#expected().entries()) {
      const seen = new Uint8Array(wanted + 1);
      for (const piece of out[partition]) {
        const count = piece.z.length / FEATURES.length;
        for (let row = 0; row < count; row++) {
          const number = piece.first + row;
          if (number > wanted || seen[number] === 1) twice++;
          else seen[number] = 1;
          for (let j = 0; j < FEATURES.length; j++) {
            const [ours, theirs] = [piece.z[row * FEATURES.length + j], z[(number - 1) * FEATURES.length + j]];
            if (!Object.is(ours, theirs)) {
              different++;
              break;
            }
          }
        }
      }
      rows += wanted;
      for (let number = 1; number <= wanted; number++) if (seen[number] === 0) lost++;
      const maxPayload = connection.info?.max_payload ?? 1_048_576;
      const values = new CheckpointValues(valuesOf(broker, names), generation, partition, maxPayload);
      const saved = await answered(() => values.load());
      const [ours, theirs] = [saved?.state, fold.snapshot()].map(
        (bytes) => bytes && JSON.parse(new TextDecoder().decode(bytes)),
      );
      // all but the clock of the log, and how often the publisher's repeats were found
      const differing = Object.keys(theirs).filter(
        (name) =>
          !['nowMs', 'duplicates'].includes(name) && JSON.stringify(ours?.[name]) !== JSON.stringify(theirs[name]),
      );
      if (differing.length === 0) continue;
      statistics = false;
      process.stderr.write(
        `chaos: partition ${partition}: ${differing.join(', ')} differ: end ${ours?.end} of ${wanted}\n`,
      );
    }
    return { rows, lost, twice, different, statistics };
  }

  #wait(leastMs: number, mostMs: number): Promise<void> {
    const ms = leastMs + (mostMs - leastMs) * this.#random();
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** A cluster that elects a leader for a stream answers nothing of it meanwhile, and the election may have just begun. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof TimeoutError) || performance.now() > deadline) throw error;
    }
  }
}

function pushOf(partition: number, window: number): Push {
  const random = seeded(1 + partition * 1_000_003 + window);
  const data = Float64Array.from({ length: ROWS * FEATURES.length }, (_, i) => (random() - 0.3) * 10 ** (i % 8));
  const times = Float64Array.from({ length: ROWS }, (_, row) => 1_732_000_000_000 + window * ROWS + row);
  return { data, rows: ROWS, times, keys: undefined, producer: 'chaos', seq: window + 1, answered: false };
}
