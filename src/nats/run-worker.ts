import type { NatsConnection } from '@nats-io/nats-core';
import { StreamnormError } from '../errors.ts';
import { type Broker, brokerOf, requireJetStream } from './broker.ts';
import { elapsed } from './elapsed.ts';
import { JetStreamPort } from './jet-stream-port.ts';
import { Leases } from './leases.ts';
import { type LogMeta, readMeta } from './log-meta.ts';
import { LogNames, requireName } from './log-names.ts';
import { type Fold, type Progress, type RunOptions, run } from './run.ts';

/** A channel that a worker works on. */
export interface WorkerChannel {
  readonly channel: string;
  /** What is computed, in each partition on its own; called whenever one begins, or begins again from its checkpoint. */
  readonly open: (state: Uint8Array | undefined, partition: number, meta: LogMeta) => Fold;
  /** Called with what the broker knows of the channel, at the start and when it has changed; a throw refuses it. */
  readonly check?: (meta: LogMeta) => void;
}

/** Options of `runWorker`. */
export interface WorkerOptions extends Pick<RunOptions, 'checkpointMessages' | 'checkpointMs' | 'maxOutputBytes'> {
  /** First part of all names. Default `streamnorm`. */
  readonly prefix?: string;
  /** Name of this worker, unlike that of any other. Default: one that nobody has. */
  readonly worker?: string;
  /**
   * After so long without a sign of life the partitions of a worker go to others; the same for all workers. Default 6,000 ms.
   */
  readonly leaseMs?: number;
  /** Copies that a cluster keeps of the leases. Default 1. */
  readonly replicas?: number;
  readonly onEvent?: (event: WorkerEvent) => void;
}

/** What happens to a worker, for people and metrics. */
export type WorkerEvent =
  /** A partition is taken, given back or lost to another worker. */
  | { readonly type: 'taken' | 'given-back' | 'lost'; readonly channel: string; readonly partition: number }
  | { readonly type: 'progress'; readonly channel: string; readonly partition: number; readonly progress: Progress }
  /** A message that cannot be taken was put aside. */
  | {
      readonly type: 'rejected';
      readonly channel: string;
      readonly partition: number;
      readonly message: number;
      readonly error: unknown;
    }
  /** The partition begins again from its checkpoint. */
  | { readonly type: 'failure'; readonly channel: string; readonly partition: number; readonly error: unknown }
  /** The broker could not be asked who has what; what runs goes on. */
  | { readonly type: 'unreachable'; readonly error: unknown };

interface Unit {
  readonly channel: WorkerChannel;
  readonly names: LogNames;
  readonly meta: LogMeta;
  readonly partition: number;
  readonly key: string;
}

interface Running {
  readonly unit: Unit;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Rounds in the span of a lease: one or two of them may fail. */
const ROUNDS_PER_LEASE = 3;

/**
 * Works on a fair share of the partitions of some channels, together with every other worker of the same prefix:
 * `ceil(partitions / workers)` at most. Takes over what dead workers leave, and gives back what is too much when others
 * come. Any number of workers may believe that they have a partition: what comes out stays the same (see `run`).
 *
 * @param signal ends it in order: all that is folded goes out, checkpoints are written, and leases given back
 * @returns when the last partition is given back
 * @throws RangeError for wrong options; StreamnormError LOG_MISMATCH when a channel has no log or `check` refuses it,
 *   UNAVAILABLE without JetStream
 */
export async function runWorker(
  connection: NatsConnection,
  channels: readonly WorkerChannel[],
  options: WorkerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { prefix = 'streamnorm', leaseMs = 6_000, replicas = 1, worker = newName() } = options;
  if (!(Number.isSafeInteger(leaseMs) && leaseMs >= 500)) {
    throw new RangeError(`runWorker requires leaseMs to be a whole number of ms >= 500, got ${leaseMs}`);
  }
  requireName('worker', worker);
  const broker = await brokerOf(connection);
  const known = channels.map((channel) => ({ channel, names: new LogNames(prefix, channel.channel) }));
  let leases: Leases | undefined;
  while (leases === undefined) {
    try {
      await requireJetStream(broker);
      for (const { channel, names } of known) channel.check?.(await readMeta(broker, names));
      leases = await Leases.open(broker, { prefix, worker, spanMs: leaseMs, replicas });
    } catch (error) {
      // a log that is not there, or is another one, does not become right by waiting; a broker may
      if (error instanceof StreamnormError && error.code !== 'UNAVAILABLE') throw error;
      if (signal.aborted || connection.isClosed()) throw error;
      options.onEvent?.({ type: 'unreachable', error });
      await elapsed(leaseMs / ROUNDS_PER_LEASE, signal);
    }
  }
  const work = new Work(broker, leases, known, options);
  while (!signal.aborted) {
    try {
      await work.round();
    } catch (error) {
      options.onEvent?.({ type: 'unreachable', error });
    }
    await elapsed(leaseMs / ROUNDS_PER_LEASE, signal);
  }
  await work.end();
}

/** The partitions that this worker runs. */
class Work {
  readonly #broker: Broker;
  readonly #leases: Leases;
  readonly #channels: readonly { channel: WorkerChannel; names: LogNames }[];
  readonly #options: WorkerOptions;
  readonly #running: Map<string, Running>;

  constructor(
    broker: Broker,
    leases: Leases,
    channels: readonly { channel: WorkerChannel; names: LogNames }[],
    options: WorkerOptions,
  ) {
    this.#broker = broker;
    this.#leases = leases;
    this.#channels = channels;
    this.#options = options;
    this.#running = new Map();
  }

  async round(): Promise<void> {
    const leases = this.#leases;
    await leases.beHere();
    for (const [key, { unit, stop, ended }] of this.#running) {
      if (!leases.held.has(key) || (await leases.renew(key))) continue;
      // its outputs are fenced from the first one of its successor on: this only ends the trying
      stop.abort();
      // told when it is over: until then its fold may be opened once more
      void ended.then(() => this.#tell('lost', unit));
    }
    const units = await this.#units();
    const share = Math.ceil(units.length / Math.max(1, (await leases.workers()).length));
    const wanted = new Map(units.map((unit) => [unit.key, unit]));
    const surplus: Promise<void>[] = [];
    let kept = 0;
    for (const [key, { unit, stop }] of this.#running) {
      if (stop.signal.aborted) continue;
      const same = wanted.get(key)?.meta.generation === unit.meta.generation;
      if (same && kept < share) kept++;
      else surplus.push(this.#giveBack(key));
    }
    // not waited for: a hand-over takes the time of a checkpoint, and leases want to be renewed
    void Promise.allSettled(surplus);
    if (kept >= share) return;
    const taken = await leases.taken();
    const free = units.filter(({ key }) => !taken.has(key) && !this.#running.has(key));
    for (const unit of shuffled(free)) {
      if (kept >= share) break;
      if (!(await leases.take(unit.key))) continue;
      this.#start(unit);
      kept++;
    }
  }

  async end(): Promise<void> {
    await Promise.all(Array.from(this.#running.keys(), (key) => this.#giveBack(key)));
    try {
      await this.#leases.leave();
    } catch {
      // the lease ends by itself
    }
  }

  async #units(): Promise<Unit[]> {
    const units: Unit[] = [];
    for (const { channel, names } of this.#channels) {
      const meta = await readMeta(this.#broker, names);
      channel.check?.(meta);
      for (let partition = 0; partition < meta.partitions; partition++) {
        units.push({ channel, names, meta, partition, key: `${channel.channel.replaceAll('.', '=')}.${partition}` });
      }
    }
    return units;
  }

  #start(unit: Unit): void {
    const { channel, names, meta, partition, key } = unit;
    const { onEvent, checkpointMessages, checkpointMs, maxOutputBytes } = this.#options;
    const of = { channel: channel.channel, partition };
    const port = new JetStreamPort(this.#broker, { names, generation: meta.generation, partition });
    const stop = new AbortController();
    stop.signal.addEventListener('abort', () => port.wake());
    const options: RunOptions = {
      ...(checkpointMessages !== undefined && { checkpointMessages }),
      ...(checkpointMs !== undefined && { checkpointMs }),
      ...(maxOutputBytes !== undefined && { maxOutputBytes }),
      reject: async (entry, error) => {
        await port.reject(entry, error);
        onEvent?.({ type: 'rejected', ...of, message: entry.seq, error });
      },
      onFailure: (error) => onEvent?.({ type: 'failure', ...of, error }),
      onProgress: (progress) => onEvent?.({ type: 'progress', ...of, progress }),
    };
    this.#tell('taken', unit);
    const open = (state: Uint8Array | undefined) => channel.open(state, partition, meta);
    const ended = run(port, open, options, stop.signal)
      .finally(() => port.close())
      .finally(() => this.#running.delete(key));
    this.#running.set(key, { unit, stop, ended });
  }

  async #giveBack(key: string): Promise<void> {
    const running = this.#running.get(key);
    if (running === undefined) return;
    running.stop.abort();
    await running.ended;
    if (!this.#leases.held.has(key)) return;
    await this.#leases.giveBack(key);
    this.#tell('given-back', running.unit);
  }

  #tell(type: 'taken' | 'given-back' | 'lost', { channel, partition }: Unit): void {
    this.#options.onEvent?.({ type, channel: channel.channel, partition });
  }
}

function newName(): string {
  return `w${Math.random().toString(36).slice(2, 12)}`;
}

/** In an order of its own, so that workers that look at the same time do not all try the same first. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
