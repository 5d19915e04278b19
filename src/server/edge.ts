import type { NatsConnection } from '@nats-io/nats-core';
import type { NormalizedRows } from '../core/row-normalizer.ts';
import { StreamnormError } from '../errors.ts';
import { type Broker, brokerOf, requireJetStream } from '../nats/broker.ts';
import { type LogMeta, readMeta } from '../nats/log-meta.ts';
import { LogNames } from '../nats/log-names.ts';
import { LogWriter } from '../nats/log-writer.ts';
import { partitionOf } from '../nats/partition-of.ts';
import { Channel } from './channel.ts';
import { requireWhole } from './channel-fold.ts';
import type { ChannelLog } from './channel-log.ts';
import type { ChannelConfig } from './config/channel.ts';
import type { Limits } from './config/limits.ts';
import type { NatsConfig } from './config/nats.ts';
import { GlobalStatistics } from './global-statistics.ts';
import type { Log } from './log.ts';
import { encodeBatch } from './log-batch.ts';
import { LogFollower } from './log-follower.ts';
import { aboutOf, requireSame } from './log-worker.ts';
import { connectNats } from './nats-connection.ts';
import type { Push } from './push.ts';

/** Bytes of rows that an edge joins to one message. */
const MESSAGE_BYTES = 262_144;
/** Beside the rows of a message: its head, and what the broker adds. */
const ROOM_BYTES = 16_384;
/** The statistics are looked for as often as this at most. */
const LEAST_REFRESH_MS = 500;

/** A channel whose rows are normalised by workers: what comes in goes to its log, what comes out is read from there. */
export class EdgeChannel implements ChannelLog {
  readonly #broker: Broker;
  readonly #names: LogNames;
  readonly #config: ChannelConfig;
  readonly #nats: NatsConfig;
  readonly #statistics: GlobalStatistics;
  readonly #onFailure: (error: unknown) => void;
  #meta: LogMeta;
  #writers: LogWriter<Push>[];
  #follower: LogFollower | undefined;
  /** Number of the row before the first one that it reads. */
  startSeq: number;

  private constructor(
    broker: Broker,
    names: LogNames,
    config: ChannelConfig,
    nats: NatsConfig,
    meta: LogMeta,
    onFailure: (error: unknown) => void,
  ) {
    this.#broker = broker;
    this.#names = names;
    this.#config = config;
    this.#nats = nats;
    this.#onFailure = onFailure;
    this.#meta = meta;
    this.#writers = this.#writersOf(meta);
    this.#statistics = new GlobalStatistics(broker, names, config, onFailure);
    this.#follower = undefined;
    this.startSeq = 0;
  }

  static async open(
    broker: Broker,
    name: string,
    config: ChannelConfig,
    nats: NatsConfig,
    onFailure: (error: unknown) => void,
  ): Promise<EdgeChannel> {
    const names = new LogNames(nats.prefix, name);
    const meta = await readMeta(broker, names);
    requireSame(meta, JSON.stringify(aboutOf(name, config)));
    const channel = new EdgeChannel(broker, names, config, nats, meta, onFailure);
    await channel.#statistics.start(Math.max(LEAST_REFRESH_MS, nats.checkpointMs));
    return channel;
  }

  /** Names the numbering of rows, which is that of the log: the same for every edge. */
  get epoch(): string {
    return this.#meta.epoch;
  }

  get statistics(): GlobalStatistics {
    return this.#statistics;
  }

  /**
   * Reads what came out last, about `rows` of it, then all that comes.
   *
   * @param begin called before the first row, when `startSeq` is known
   */
  async follow(
    rows: number,
    begin: () => void,
    receive: (seq: number, content: NormalizedRows) => void,
  ): Promise<void> {
    this.#follower = new LogFollower(this.#broker, this.#names, { rows: receive, failure: this.#onFailure });
    await this.#follower.start(rows, (seq) => {
      this.startSeq = seq;
      begin();
    });
  }

  /**
   * Writes a push to the log; resolves when the broker has all of it.
   *
   * What is repeated, here or at another edge, is found by the workers, by (`producer`, `seq`) in each partition.
   *
   * @throws StreamnormError OVERLOADED when too much waits for the broker; BAD_DIM for more than fits in a message of it;
   *   BAD_VALUE; UNAVAILABLE when it does not answer
   */
  async push(push: Push): Promise<void> {
    if (this.#config.options.missing === 'error') requireWhole(push, this.#config.features);
    const parts = this.#parts(push);
    for (const part of parts) this.#requireFits(part.push);
    try {
      await this.#write(parts, push.rows);
    } catch (error) {
      if (!(error instanceof StreamnormError && error.code === 'LOG_MISMATCH')) throw error;
      await this.#renew();
      throw new StreamnormError('OVERLOADED', 'the log is being repartitioned: send this again', { cause: error });
    }
  }

  /** Resolves when the broker has everything. */
  async idle(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.idle()));
  }

  async close(): Promise<void> {
    await this.#follower?.close();
    await this.#statistics.close();
  }

  async #write(parts: readonly { partition: number; push: Push }[], rows: number): Promise<void> {
    const waiting = parts.reduce((most, { partition }) => Math.max(most, this.#writers[partition].waitingRows), 0);
    if (waiting > 0 && waiting + rows > this.#nats.maxWaitingRows) {
      // before any part of it is written: all or nothing
      throw new StreamnormError('OVERLOADED', `${waiting} rows wait for the broker: send this again later`);
    }
    // each is waited for, whatever becomes of the others
    const written = await Promise.allSettled(
      parts.map(({ partition, push: part }) => this.#writers[partition].push(part, part.rows)),
    );
    for (const result of written) if (result.status === 'rejected') throw result.reason;
  }

  /** Rows by the partition of their key; those of a channel without keys stay together, by their producer. */
  #parts(push: Push): { partition: number; push: Push }[] {
    const { partitions } = this.#meta;
    const { keys } = push;
    if (keys === undefined) return [{ partition: partitionOf(push.producer ?? '', partitions), push }];
    if (partitions === 1) return [{ partition: 0, push }];
    const rows = new Map<number, number[]>();
    keys.forEach((key, row) => {
      const partition = partitionOf(key, partitions);
      const own = rows.get(partition);
      if (own === undefined) rows.set(partition, [row]);
      else own.push(row);
    });
    return Array.from(rows, ([partition, own]) => ({ partition, push: this.#only(push, keys, own) }));
  }

  #only(push: Push, keys: readonly string[], rows: readonly number[]): Push {
    const width = this.#config.features.length;
    const data = new Float64Array(rows.length * width);
    rows.forEach((row, i) => {
      data.set(push.data.subarray(row * width, (row + 1) * width), i * width);
    });
    const times = Float64Array.from(rows, (row) => push.times[row]);
    return { ...push, rows: rows.length, data, times, keys: rows.map((row) => keys[row]) };
  }

  #requireFits({ rows, keys = [] }: Push): void {
    const most = (this.#broker.connection.info?.max_payload ?? 1_048_576) - ROOM_BYTES;
    // 4 bytes of UTF-8 and quotes
    const bytes =
      rows * 8 * (this.#config.features.length + 1) + keys.reduce((sum, key) => sum + 4 * key.length + 3, 0);
    if (bytes <= most) return;
    throw new StreamnormError(
      'BAD_DIM',
      `the message has ${rows} rows of ${bytes} bytes, the broker takes ${most}: split it`,
    );
  }

  #writersOf({ partitions, generation }: LogMeta): LogWriter<Push>[] {
    const features = this.#config.features.length;
    const maxRows = Math.max(1, Math.floor(MESSAGE_BYTES / (8 * (features + 1))));
    return Array.from({ length: partitions }, (_, partition) => {
      return new LogWriter<Push>(this.#broker, {
        stream: this.#names.inStream(generation),
        subject: this.#names.inSubject(generation, partition),
        encode: (pushes) => encodeBatch(pushes, features),
        maxRows,
        maxWaitingRows: this.#nats.maxWaitingRows,
        giveUpMs: this.#nats.giveUpMs,
      });
    });
  }

  /** The log has another generation, or will have soon. */
  async #renew(): Promise<void> {
    const meta = await readMeta(this.#broker, this.#names).catch(() => this.#meta);
    if (meta.generation === this.#meta.generation) return;
    this.#meta = meta;
    this.#writers = this.#writersOf(meta);
  }
}

/** How long the broker may be silent before an edge calls itself degraded. */
const DEGRADED_MS = 10_000;

/** A server whose rows are normalised by workers: the broker, and the channels on it. */
export class Edge {
  readonly #connection: NatsConnection;
  readonly #broker: Broker;
  readonly #config: NatsConfig;
  readonly #log: Log;
  readonly #channels: Map<string, EdgeChannel>;
  /** When the connection was lost. */
  #lostMs: number | undefined;

  private constructor(connection: NatsConnection, broker: Broker, config: NatsConfig, log: Log) {
    this.#connection = connection;
    this.#broker = broker;
    this.#config = config;
    this.#log = log;
    this.#channels = new Map();
    this.#lostMs = undefined;
  }

  /** @throws StreamnormError UNAVAILABLE */
  static async open(config: NatsConfig, log: Log): Promise<Edge> {
    const connection = await connectNats(config, 'streamnorm edge');
    const broker = await brokerOf(connection);
    try {
      await requireJetStream(broker);
    } catch (error) {
      await connection.close();
      throw error;
    }
    const edge = new Edge(connection, broker, config, log);
    void edge.#watch();
    return edge;
  }

  /** Why it does not do what it should; undefined when all is well. */
  get failure(): string | undefined {
    if (this.#lostMs === undefined || performance.now() - this.#lostMs < DEGRADED_MS) return undefined;
    return `no broker at ${this.#config.servers.join(', ')}`;
  }

  /** @throws StreamnormError CONFIG for what a channel cannot have where workers normalise */
  requirePossible(channels: ReadonlyMap<string, ChannelConfig>): void {
    for (const [name, config] of channels) aboutOf(name, config);
  }

  /** A channel is no more: nothing of it is read from here on. */
  async closeChannel(name: string): Promise<void> {
    const channel = this.#channels.get(name);
    this.#channels.delete(name);
    await channel?.close();
  }

  /** @throws StreamnormError LOG_MISMATCH when its log is missing, or is of other features */
  async channel(name: string, config: ChannelConfig, limits: Limits): Promise<Channel> {
    const failed = (error: unknown) => {
      const message = `the log of channel ${name} cannot be read: ${(error as Error).message}`;
      this.#log.write('log.failed', message, { channel: name });
    };
    const remote = await EdgeChannel.open(this.#broker, name, config, this.#config, failed);
    this.#channels.set(name, remote);
    let channel: Channel | undefined;
    await remote.follow(
      config.history,
      () => {
        channel = new Channel(name, config, limits, undefined, null, remote);
      },
      (seq, content) => channel?.receive(seq, content),
    );
    return channel as Channel;
  }

  /** Resolves when the broker has all that producers have sent, or has not answered for too long. */
  async idle(): Promise<void> {
    await Promise.all(Array.from(this.#channels.values(), (channel) => channel.idle()));
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#channels.values(), (channel) => channel.close()));
    await this.#connection.close();
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect') {
        this.#lostMs ??= performance.now();
        this.#log.write('log.disconnected', `no broker at ${this.#config.servers.join(', ')}`);
      } else if (type === 'reconnect') {
        this.#lostMs = undefined;
        this.#log.write('log.connected', `at the broker ${this.#connection.getServer()} again`);
      }
    }
  }
}
