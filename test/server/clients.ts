import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { expect, onTestFinished } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import type { ChannelHandle, LogEntry, RunningServer, ServerConfigInput } from '../../src/server/index.ts';
import { createServer } from '../../src/server/index.ts';
import { decodeFrame, type Frame } from '../../src/websocket/frame.ts';
import { Arrivals } from '../websocket/arrivals.ts';
import { contractFault } from './wire-contract.ts';

/** What a server says in JSON. */
export interface Said {
  type: string;
  [field: string]: unknown;
}

export interface Next extends Said {
  seq: number;
  t: number[];
  z: (number | null)[][];
  skipped?: number;
}

export interface Snapshot extends Said {
  epoch: string;
  seq: number;
  recovered: boolean;
}

/** A server on a free port, gone when the test is; a bug in it fails the test. */
export async function serve(
  config: Partial<ServerConfigInput> & Pick<ServerConfigInput, 'channels'>,
  env: Record<string, string> = {},
) {
  const log: LogEntry[] = [];
  const server = await createServer({ listen: { port: 0 }, ...config }, { log: (entry) => log.push(entry), env });
  onTestFinished(async () => {
    await server.close();
    expect(log.filter(({ event }) => event === 'bug')).toEqual([]);
  });
  return Object.assign(server, { log });
}

/** Messages of a client that are held against /asyncapi.json: checking a flood of them takes longer than the flood. */
const HELD_TO_CONTRACT = 1_000;

/** A client whose messages can be awaited: JSON parsed, frames decoded. One that /asyncapi.json does not promise fails the test. */
export class Client {
  readonly socket: WebSocket;
  readonly texts: string[] = [];
  readonly said = new Arrivals<Said>();
  readonly frames = new Arrivals<Frame>();
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    const role = new URL(socket.url).pathname.startsWith('/in/') ? 'in' : 'out';
    const faults: string[] = [];
    socket.on('error', () => {});
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) {
        this.frames.add(decodeFrame(data, { maxRows: 1e6 }));
        return;
      }
      const text = data.toString();
      this.texts.push(text);
      const said: Said = JSON.parse(text);
      const fault = this.texts.length > HELD_TO_CONTRACT ? undefined : contractFault(role, said);
      if (fault !== undefined) faults.push(fault);
      this.said.add(said);
    });
    // not `once`, which an error before the close would reject
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    onTestFinished(() => {
      socket.terminate();
      expect(faults).toEqual([]);
    });
  }

  static async open(url: string, options?: ClientOptions & { protocols?: string[] }): Promise<Client> {
    const client = new Client(new WebSocket(url, options?.protocols ?? [], options));
    await once(client.socket, 'open');
    return client;
  }

  send(message: unknown): void {
    this.socket.send(message instanceof Uint8Array || typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The next message of a type, leaving out others. */
  find<T extends Said = Said>(type: string): Promise<T> {
    return this.said.find((said): said is T => said.type === type);
  }

  /** The next message, whatever it is. */
  async next<T extends Said = Said>(): Promise<T> {
    return (await this.said.next()) as T;
  }

  /** The next `rows` rows out, which must be numbered without a hole; returns their blocks. */
  async rows(first: number, rows: number): Promise<Next[]> {
    const blocks: Next[] = [];
    for (let seq = first; seq < first + rows; ) {
      const block = await this.find<Next>('next');
      expect(block.seq).toBe(seq);
      expect(block.t).toHaveLength(block.z.length);
      blocks.push(block);
      seq += block.z.length;
    }
    return blocks;
  }
}

/** How a WebSocket is refused: status and headers. */
export async function refused(url: string, headers: Record<string, string> = {}, protocols: string[] = []) {
  const socket = new WebSocket(url, protocols, { headers });
  socket.on('error', () => {});
  onTestFinished(() => socket.terminate());
  const [, response] = await Promise.race([
    once(socket, 'unexpected-response'),
    once(socket, 'open').then(() => expect.unreachable('it was let in')),
  ]);
  const body = (await response.toArray()).join('');
  return { status: response.statusCode, retryAfter: response.headers['retry-after'], error: JSON.parse(body).error };
}

export function produce(server: Pick<RunningServer, 'url'>, channel: string): Promise<Client> {
  return Client.open(`${server.url.replace('http', 'ws')}/in/${channel}`);
}

/** Connects and takes the snapshot. */
export async function subscribe(server: Pick<RunningServer, 'url'>, channel: string, query = '') {
  const client = await Client.open(outUrl(server, channel, query));
  return { client, snapshot: await client.next<Snapshot>() };
}

export function outUrl(server: Pick<RunningServer, 'url'>, channel: string, query = ''): string {
  return `${server.url.replace('http', 'ws')}/out/${channel}${query}`;
}

/** Pushes and waits until it is applied. */
export async function push(client: Client, x: unknown, producer = 'test'): Promise<void> {
  const seq = (sequences.get(client) ?? 0) + 1;
  sequences.set(client, seq);
  client.send({ type: 'push', producer, seq, x });
  expect(await client.next()).toEqual({ type: 'accepted', producer, seq });
}

const sequences = new WeakMap<Client, number>();

/** Everything that a refused message must leave alone. */
export async function stateHash(server: RunningServer, channel: string): Promise<string> {
  const { state, stats, seq, epoch, pending } = (await getJson(server, `/channels/${channel}`)) as Record<
    string,
    unknown
  >;
  return createHash('sha256').update(JSON.stringify({ state, stats, seq, epoch, pending })).digest('hex');
}

export async function getJson(server: Pick<RunningServer, 'url'>, path: string): Promise<unknown> {
  const response = await fetch(server.url + path);
  return response.json();
}

/** Rows with every feature around its own mean; the same for the same arguments. */
export function rowsOf(count: number, features: number, from = 0): number[][] {
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: features }, (_, j) => Math.sin((from + i + 1) * (j + 1.7)) * (j + 1) + 10 * j),
  );
}

/** No number that is not finite, at whatever depth. */
export function expectFinite(value: unknown): void {
  const text = JSON.stringify(value, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? 'NOT FINITE' : x));
  expect(text).not.toContain('NOT FINITE');
}

export type { ChannelHandle };
